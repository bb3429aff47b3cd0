import os
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from chassis_core.contract import prefix_of
from chassis_core.testing.servers import Missing, PostgresServer
from chassis_core.testing.servers.postgres import PASSWORD, binaries, execute
from dev.ports import SERVICES

SCRIPT = Path(__file__).parents[2] / "deploy/k8s/components/postgres/provision.sql"
CHASSIS = Path(sys.executable).with_name("chassis")


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL server on which the script may make roles."""
    try:
        started = PostgresServer()
    except Missing as missing:
        pytest.skip(str(missing))
    with started:
        yield started


def start(server, service):
    """Run the script as the init container of a migration does."""
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "postgres"}
    command = [binaries() / "psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file", SCRIPT]
    variables = os.environ | where | {"PGPASSWORD": PASSWORD, "SERVICE": service}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=variables, stdout=pipe, stderr=subprocess.STDOUT, text=True
    )


def provision(server, *services):
    for process in [start(server, service) for service in services]:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output


def url(server, role, database):
    return f"postgresql://{role}:{role}-local@127.0.0.1:{server.port}/{database}"


def migrate(server, service, role, **more):
    variables = {f"{prefix_of(service)}DATABASE__URL": url(server, role, service)}
    return subprocess.run(
        [CHASSIS, "migrate", service],
        env=os.environ | variables | more,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def migrated(server):
    """Both databases, provisioned by several at once and again, and migrated."""
    provision(server, *SERVICES, *SERVICES)
    provision(server, "orders")
    for service in SERVICES:
        done = migrate(server, service, f"{service}_owner")
        assert done.returncode == 0, done.stderr
        assert "migrated from nothing to" in done.stdout
    return server


def test_a_migration_that_runs_again_finds_nothing_to_do(migrated):
    again = migrate(migrated, "orders", "orders_owner")
    assert (again.returncode, "already at" in again.stdout) == (0, True)


def test_the_service_reads_and_writes_every_row(migrated):
    for service in SERVICES:
        mine = url(migrated, service, service)
        listed = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        tables = [row[0] for row in execute(mine, listed)]
        assert len(tables) > 1
        for table in tables:
            for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE"):
                asked = f"SELECT has_table_privilege('{table}', '{privilege}')"
                assert execute(mine, asked)[0][0], (table, privilege)
            assert not execute(mine, f"SELECT has_table_privilege('{table}', 'TRUNCATE')")[0][0]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "ALTER TABLE alembic_version ADD COLUMN x int",
        "DROP TABLE alembic_version",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
    ],
)
def test_the_service_changes_no_table(migrated, statement):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        execute(url(migrated, "orders", "orders"), statement)


def test_no_service_opens_anothers_database(migrated):
    for role, other in (("orders", "users"), ("users_owner", "orders")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            execute(url(migrated, role, other), "SELECT 1")


def test_the_urls_of_the_local_overlay_are_those_that_the_script_makes(local, migrated):
    seen = set()
    for secret in (d for d in local if d["kind"] == "Secret"):
        for name, value in secret["data"].items():
            if name.endswith("DATABASE__URL"):
                parts = urlsplit(b64decode(value).decode())
                here = parts._replace(
                    netloc=f"{parts.username}:{parts.password}@127.0.0.1:{migrated.port}"
                )
                assert execute(here.geturl(), "SELECT current_user")[0][0] == parts.username
                seen.add(parts.username)
    assert seen == {f"{name}{kind}" for name in SERVICES for kind in ("", "_owner")}
