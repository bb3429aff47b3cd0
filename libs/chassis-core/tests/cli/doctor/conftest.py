"""An installed service that needs everything, and everything that it needs."""

import asyncio
import json
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from chassis_core import migrations
from chassis_core.cli import app
from chassis_core.cli.services import create
from chassis_core.testing.issuer import Issuer
from chassis_core.testing.servers import fresh_database
from chassis_core.testing.servers.process import free_port
from typer.testing import CliRunner

FILES = {
    "ward/main.py": """
from chassis_core import Concern, create_app
from ward.settings import Settings

concerns = []

def app():
    return create_app(Settings(), concerns=[Concern(**each) for each in concerns])
""",
    "ward/migrations/versions/0001_beds.py": """
revision, down_revision = "0001", None
import sqlalchemy as sa
from alembic import op

def upgrade():
    op.create_table("beds", sa.Column("id", sa.Integer, primary_key=True))

def downgrade():
    op.drop_table("beds")
""",
}


class Endpoint:
    """An HTTP server on a free port that answers every request alike.

    Attributes:
        status: of its answers.
        body: of its answers.
        headers: of its answers.
    """

    def __init__(self, body=b"", status=200):
        self.body, self.status, self.headers = body, status, {}
        self._hung, self._over = False, Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("content-length") or 0))
                if endpoint._hung:
                    endpoint._over.wait(30)
                self.send_response(endpoint.status)
                for name, value in endpoint.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(endpoint.body)))
                self.end_headers()
                self.wfile.write(endpoint.body)

            do_GET = do_POST = answer  # noqa: N815 - the names that the server looks for

            def date_time_string(self, timestamp=None):
                return endpoint.headers.get("Date") or super().date_time_string(timestamp)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self):
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield self
        finally:
            self.go_down()

    def go_down(self):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def hang(self):
        self._hung = True


class Others:
    """What the service calls, each by itself."""

    def __init__(self):
        token = {"access_token": "t0ken", "token_type": "Bearer", "expires_in": 60}
        self.issuer = Issuer()
        self.keys = Endpoint(json.dumps(self.issuer.jwks()).encode())
        self.users = Endpoint(status=404)
        self.tokens = Endpoint(json.dumps(token).encode())
        self.collector = Endpoint()

    @contextmanager
    def running(self):
        with ExitStack() as stack:
            for each in (self.keys, self.users, self.tokens, self.collector):
                stack.enter_context(each.running())
            yield self

    def environment(self):
        return {
            "WARD_SERVER__PORT": str(free_port()),
            "WARD_SERVER__ADMIN_PORT": str(free_port()),
            "WARD_AUTH__MODE": "jwks",
            "WARD_AUTH__ISSUER": self.issuer.issuer,
            "WARD_AUTH__AUDIENCE": self.issuer.audience,
            "WARD_AUTH__JWKS_URL": f"{self.keys.url}/jwks.json",
            "WARD_CLIENTS__USERS__URL": self.users.url,
            "WARD_CLIENTS__USERS__AUTH": "service",
            "WARD_CLIENTS__USERS__TOKEN_URL": f"{self.tokens.url}/token",
            "WARD_CLIENTS__USERS__CLIENT_ID": "ward",
            "WARD_CLIENTS__USERS__CLIENT_SECRET": "hunter2-hunter2",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url,
        }


@pytest.fixture
def ward(install, monkeypatch):
    """An installed service, on a migrated SQLite file and nothing else."""
    folder = install("ward", FILES, table="beds")
    monkeypatch.setenv("WARD_AUTH__MODE", "hmac")
    monkeypatch.setenv("WARD_AUTH__ISSUER", "https://issuer.test/")
    monkeypatch.setenv("WARD_AUTH__AUDIENCE", "test")
    monkeypatch.setenv("WARD_AUTH__SECRET", "hunter2-" * 8)
    monkeypatch.setenv("WARD_SERVER__PORT", str(free_port()))
    monkeypatch.setenv("WARD_SERVER__ADMIN_PORT", str(free_port()))
    migrate()
    return folder / "ward"


@pytest.fixture
def others(ward, monkeypatch):
    """Everything else that a service may call, and the service told of it."""
    monkeypatch.delenv("WARD_AUTH__SECRET")
    with Others().running() as running:
        for variable, value in running.environment().items():
            monkeypatch.setenv(variable, value)
        yield running


@pytest.fixture
def postgres(ward, own_postgres, monkeypatch):
    """The service's PostgreSQL server, with its database migrated."""
    with fresh_database(own_postgres.url) as url:
        monkeypatch.setenv("WARD_DATABASE__URL", url)
        migrate()
        yield own_postgres


@pytest.fixture
def redis(ward, own_redis, monkeypatch):
    """The service's Redis server."""
    monkeypatch.setenv("WARD_REDIS__URL", own_redis.url)
    return own_redis


def migrate():
    settings = create("ward").settings
    folder = migrations.migrations_of(type(settings))
    asyncio.run(migrations.upgrade(settings.database, folder))


@pytest.fixture
def doctor():
    """Run the command with a second for each answer, and return how it ended."""
    return lambda *options: CliRunner().invoke(app, ["doctor", "ward", "--timeout", "1", *options])


@pytest.fixture
def faults(doctor):
    """Return every fault that the command names, as (part, what, fix), warnings left out."""

    def found(status="wrong"):
        rows = json.loads(doctor("--json").output)
        told = [row for row in rows if row["status"] == status]
        return [(row["part"], row["what"], row["fix"]) for row in told]

    return found


@pytest.fixture
def only(faults):
    """Return the one fault that there is, as "part: what", and its fix."""

    def fault(status="wrong"):
        [(part, what, fix)] = faults(status)
        return f"{part}: {what}", fix

    return fault


@pytest.fixture
def endpoint():
    """Make an HTTP server that answers every request alike."""
    return Endpoint
