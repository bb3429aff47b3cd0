"""A route that is executed once a key: what its execution may do, and what it may not."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from chassis_core import App, CurrentUser, ServiceSettings, Session, create_app
from chassis_core.concerns.database import Database, DatabaseSettings
from chassis_core.concerns.idempotency import IdempotencySettings, Idempotent, idempotency_keys
from chassis_core.problem import Conflict
from chassis_core.testing import Telemetry, running
from chassis_core.testing.issuer import Issuer
from fastapi import APIRouter, Response
from sqlalchemy import MetaData, text

TABLES = MetaData()
KEYS = idempotency_keys(TABLES)


class Route:
    """A route that writes an effect, and then does what the test says."""

    def __init__(self) -> None:
        self.router = APIRouter()
        self.router.post("/effects/{name}")(self.execute)
        self.router.post("/anonymous")(self.anonymous)
        self.answer: Response | Exception = Response("done", 202, {"X-Own": "1"})
        self.entered = asyncio.Event()
        self.free = asyncio.Event()
        self.free.set()

    async def execute(
        self, name: str, _: CurrentUser, attempt: Idempotent, session: Session
    ) -> Response:
        async def work() -> Response:
            await session.execute(text("INSERT INTO effects VALUES (:name)"), {"name": name})
            self.entered.set()
            await self.free.wait()
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return await attempt.once(session, work)

    async def anonymous(self, attempt: Idempotent) -> None: ...


@pytest.fixture
def route() -> Route:
    return Route()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database that waits for a lock for a moment only."""
    database = Database(DatabaseSettings(url=database_url, lock_timeout=0.2))
    async with database.engine.begin() as connection:
        await connection.run_sync(TABLES.create_all)
        await connection.execute(text("CREATE TABLE effects (name VARCHAR(10))"))
    yield database
    await database.close()


@pytest.fixture
async def http(
    database: Database, route: Route, telemetry: Telemetry
) -> AsyncIterator[httpx2.AsyncClient]:
    issuer = Issuer()
    settings = ServiceSettings(
        name="test",
        auth=issuer.settings(),
        idempotency=IdempotencySettings(purge_interval=0, purge_batch=2),
    )
    app: App = create_app(settings, routers=[route.router], database=database, **telemetry.shared())
    headers = {"authorization": f"Bearer {issuer.token()}"}
    async with running(app, headers=headers) as http:
        yield http


async def send(http: httpx2.AsyncClient, key: str = "k", path: str = "/effects/a", **options):
    return await http.post(path, headers={"idempotency-key": key}, **options)


async def effects(database: Database) -> int:
    async with database.session(read_only=True) as session:
        return await session.scalar(text("SELECT count(*) FROM effects"))


async def test_a_replay_has_the_status_headers_and_body_of_the_first_answer(http, database):
    first, again = await send(http), await send(http)
    assert (again.status_code, again.text, again.headers["x-own"]) == (202, "done", "1")
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await effects(database) == 1


@pytest.mark.parametrize("other", [{"content": b"x"}, {"params": {"q": "1"}}], ids=str)
async def test_another_body_or_query_under_the_same_key_is_refused(http, other):
    await send(http)
    assert (await send(http, **other)).status_code == 422


async def test_a_key_belongs_to_one_path(http, database):
    await send(http, path="/effects/a")
    assert "idempotency-replayed" not in (await send(http, path="/effects/b")).headers
    assert await effects(database) == 2


@pytest.mark.parametrize(
    "failure, status",
    [(Conflict("no"), 409), (RuntimeError("bug"), 500), (Response("no", 503), 500)],
    ids=["problem", "bug", "answer of 5xx"],
)
async def test_a_failure_is_not_kept_and_takes_its_effects_with_it(
    http, route, database, failure, status
):
    route.answer = failure
    assert (await send(http)).status_code == status
    assert await effects(database) == 0
    route.answer = Response("done")
    answer = await send(http)
    assert (answer.status_code, await effects(database)) == (200, 1)
    assert "idempotency-replayed" not in answer.headers


async def test_a_twin_that_waits_too_long_is_told_to_come_back(http, route, database):
    route.free.clear()
    first = asyncio.create_task(send(http))
    await route.entered.wait()
    twin = await send(http)
    assert twin.status_code in {409, 503}, twin.text
    assert twin.headers["retry-after"] == "1"
    route.free.set()
    assert (await first).status_code == 202
    assert (await send(http)).headers["idempotency-replayed"] == "true"
    assert await effects(database) == 1


async def test_a_route_that_does_not_know_its_caller_fails_closed(http):
    assert (await send(http, path="/anonymous")).status_code == 500


async def test_expired_keys_are_removed_in_batches_with_later_executions(http, database, telemetry):
    for key in "abc":
        await send(http, key)
    async with database.session() as session:
        await session.execute(KEYS.update().values(expires_at=1))
    for key in "de":
        await send(http, key)
    async with database.session(read_only=True) as session:
        left = await session.scalar(text("SELECT count(*) FROM idempotency_keys"))
    assert left == 2
    assert telemetry.sample("idempotency_purged_total") == 3


async def test_what_became_of_requests_with_a_key_is_counted(http, telemetry):
    await send(http)
    await send(http)
    await send(http, content=b"x")
    for outcome in ("executed", "replayed", "mismatch"):
        assert telemetry.sample("idempotency_requests_total", outcome=outcome) == 1
