"""`chassis doctor` on PostgreSQL and Redis that are killed, hung, wrong, or behind."""

import os
import re

import pytest
from chassis_core.testing.servers import Missing, PgBouncer, execute
from redis import Redis
from sqlalchemy.engine import make_url


def url_with(monkeypatch, server, **changes):
    url = make_url(server.url).set(**changes).render_as_string(hide_password=False)
    monkeypatch.setenv("WARD_DATABASE__URL", url)


def test_both_as_they_should_be_are_well(postgres, redis, faults):
    assert faults() == []


def test_a_killed_postgresql_is_named_as_one_that_refuses_connections(postgres, redis, only):
    postgres.kill()
    try:
        what, fix = only()
    finally:
        postgres.start()
    place = f"127.0.0.1:{postgres.port}"
    assert what == f"database: PostgreSQL: {place} refuses connections: nothing listens there"
    assert "WARD_DATABASE__URL" in fix


def test_a_stopped_postgresql_is_named_as_one_that_hangs(postgres, redis, only):
    postgres.pause()
    try:
        what, _ = only()
    finally:
        postgres.resume()
    assert what == (
        f"database: PostgreSQL: 127.0.0.1:{postgres.port} takes connections and gives no answer"
        " within 1 s: it hangs"
    )


def test_a_wrong_password_is_named_and_not_shown(postgres, redis, doctor, only, monkeypatch):
    monkeypatch.setenv("WARD_DATABASE__PASSWORD", "s3cr3t-and-wrong")
    what, fix = only()
    assert what.endswith("refuses the password of user postgres")
    assert fix == "set WARD_DATABASE__PASSWORD"
    assert "s3cr3t" not in doctor().output


def test_a_database_that_is_not_there_is_named(postgres, redis, only, monkeypatch):
    url_with(monkeypatch, postgres, database="nowhere")
    assert only()[0].endswith("has no database nowhere")


def test_a_host_that_does_not_exist_is_named(postgres, redis, only, monkeypatch):
    url_with(monkeypatch, postgres, host="nowhere.invalid")
    assert only()[0] == "database: PostgreSQL: the name nowhere.invalid is unknown"


def test_a_database_that_was_never_migrated_is_named_with_the_command(
    postgres, redis, only, monkeypatch
):
    url_with(monkeypatch, postgres)
    what, fix = only()
    assert what == (
        "database: the database is at revision None, the code needs 0001: migrations are missing"
    )
    assert fix == "run `chassis migrate ward`"


def test_a_database_behind_the_code_is_named_with_both_revisions(ward, postgres, only):
    first = (ward / "migrations/versions/0001_beds.py").read_text()
    second = first.replace('"0001", None', '"0002", "0001"').replace('"beds"', '"rooms"')
    (ward / "migrations/versions/0002_rooms.py").write_text(second)
    assert "is at revision 0001, the code needs 0002" in only()[0]


def test_a_database_that_takes_no_writes_is_named(postgres, only):
    name = make_url(os.environ["WARD_DATABASE__URL"]).database
    execute(postgres.url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    assert "takes no writes" in only()[0]


def test_a_pooler_that_refuses_the_limits_of_a_session_is_named(postgres, only, monkeypatch):
    try:
        pooler = PgBouncer(os.environ["WARD_DATABASE__URL"])
    except Missing as missing:
        pytest.skip(str(missing))
    with pooler:
        monkeypatch.setenv("WARD_DATABASE__URL", pooler.url)
        what, fix = only()
    assert "unsupported startup parameter" in what
    assert "WARD_DATABASE__SESSION_LIMITS" in fix


def test_a_sqlite_file_that_is_not_there_is_named_and_not_made(ward, only):
    database = ward.parent / "data/ward.db"
    database.unlink()
    what, fix = only()
    assert what == f"database: the file {database} does not exist"
    assert fix == "run `chassis migrate ward`"
    assert not database.exists()


def test_a_database_in_memory_is_named_where_there_are_migrations(ward, only, monkeypatch):
    monkeypatch.delenv("WARD_DATABASE__URL")
    assert "in memory" in only()[0]


def test_a_killed_redis_is_named_as_one_that_refuses_connections(postgres, redis, only):
    redis.kill()
    assert only()[0] == (
        f"redis: Redis: 127.0.0.1:{redis.port} refuses connections: nothing listens there"
    )


def test_a_stopped_redis_is_named_as_one_that_hangs(postgres, redis, only):
    redis.pause()
    assert re.fullmatch(r"redis: Redis: .* gives no answer within 1 s: it hangs", only()[0])


@pytest.mark.parametrize("given", ["", ":s3cr3t@"])
def test_a_redis_that_asks_for_another_password_is_named(redis, doctor, only, monkeypatch, given):
    with Redis.from_url(redis.url) as client:
        client.config_set("requirepass", "another")
    monkeypatch.setenv("WARD_REDIS__URL", redis.url.replace("//", f"//{given}"))
    what, fix = only()
    assert what.endswith("refuses the password, or asks for one")
    assert "WARD_REDIS__URL" in fix
    assert "s3cr3t" not in doctor().output


def test_a_redis_that_is_a_replica_is_named(redis, only):
    with Redis.from_url(redis.url) as client:
        client.replicaof("127.0.0.1", "1")
        assert only()[0].endswith("is a replica and takes no writes")


def test_both_that_hang_are_named_together(postgres, redis, faults):
    postgres.pause()
    redis.pause()
    try:
        found = faults()
    finally:
        postgres.resume()
    assert [part for part, _, _ in found] == ["redis", "database"]
    assert all(what.endswith("it hangs") for _, what, _ in found)
