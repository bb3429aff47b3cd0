import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from chassis_core import App, Concern, compose, standard
from chassis_core.concern import Service
from chassis_core.concerns.health import HealthSettings, health
from chassis_core.problem import Unavailable
from chassis_core.settings import ServiceSettings
from chassis_core.testing import running
from fastapi import FastAPI
from opentelemetry import trace
from pydantic import BaseModel, Field, SecretStr

SERVICE = Service("orders", "1.2.3", "test")


class Check:
    """A readiness check that does what the test says, and counts."""

    def __init__(self, name: str = "store", *, optional: bool = False) -> None:
        self.calls = 0
        self.begun = asyncio.Event()
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.stubborn = False
        self.concern = Concern(name=name, ready=self._check, optional=optional)

    async def _check(self) -> None:
        self.calls += 1
        self.begun.set()
        while self.gate is not None and not self.gate.is_set():
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise
        if self.error is not None:
            raise self.error


def _app(*checks: Check, timeout: float = 0.2, ttl: float = 0.0, **options: Any) -> App:
    probes = health(HealthSettings(timeout=timeout, ttl=ttl), service=SERVICE, **options)
    return compose([*(check.concern for check in checks), probes])


async def test_a_service_without_dependencies_is_ready() -> None:
    async with running(_app()) as client:
        response = await client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": {}}
    assert response.headers["cache-control"] == "no-store"


async def test_a_check_that_raises_is_503_and_named_without_its_text() -> None:
    failing, fine = Check("database"), Check("keys")
    failing.error = ConnectionRefusedError("postgresql://orders:hunter2@db.internal refused")
    async with running(_app(failing, fine)) as client:
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable",
        "checks": {
            "database": {"status": "unavailable", "error": "ConnectionRefusedError"},
            "keys": {"status": "ok"},
        },
    }


async def test_the_text_of_a_problem_is_safe_and_shown() -> None:
    failing = Check()
    failing.error = Unavailable("No key was ever fetched.")
    async with running(_app(failing)) as client:
        document = (await client.get("/readyz")).json()
    assert document["checks"]["store"]["error"] == "Unavailable: No key was ever fetched."


async def test_an_optional_dependency_that_fails_degrades_and_stays_ready() -> None:
    optional = Check("redis", optional=True)
    optional.error = OSError()
    async with running(_app(optional)) as client:
        response = await client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["checks"]["redis"]["status"] == "degraded"


async def test_a_required_failure_weighs_more_than_an_optional_one() -> None:
    optional, required = Check("redis", optional=True), Check("database")
    optional.error = required.error = OSError()
    async with running(_app(optional, required)) as client:
        assert (await client.get("/readyz")).json()["status"] == "unavailable"


async def test_a_check_that_hangs_is_503_within_its_time_and_liveness_stays_200() -> None:
    hanging = Check("database")
    hanging.gate = asyncio.Event()
    async with running(_app(hanging, timeout=0.05)) as client:
        async with asyncio.timeout(2):
            response = await client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["checks"]["database"]["error"] == "no answer within 0.05 s"
        assert (await client.get("/livez")).status_code == 200
        hanging.gate.set()
        assert (await client.get("/readyz")).status_code == 200


async def test_a_check_that_ignores_cancellation_holds_up_nobody_and_is_not_piled_up() -> None:
    stubborn = Check()
    stubborn.gate, stubborn.stubborn = asyncio.Event(), True
    async with running(_app(stubborn, timeout=0.02)) as client:
        async with asyncio.timeout(2):
            for _ in range(5):
                assert (await client.get("/readyz")).status_code == 503
        assert stubborn.calls == 1
        stubborn.gate.set()
        assert (await client.get("/readyz")).status_code == 200


async def test_checks_run_side_by_side() -> None:
    first, second = Check("first"), Check("second")
    first.gate = second.gate = asyncio.Event()
    async with running(_app(first, second, timeout=5)) as client, asyncio.timeout(2):
        asked = asyncio.create_task(client.get("/readyz"))
        await first.begun.wait()
        await second.begun.wait()
        first.gate.set()
        assert (await asked).status_code == 200


async def test_many_probes_at_once_are_one_round_of_checks() -> None:
    slow = Check()
    slow.gate = asyncio.Event()
    async with running(_app(slow, timeout=5)) as client, asyncio.timeout(2):
        asked = [asyncio.create_task(client.get("/readyz")) for _ in range(20)]
        await slow.begun.wait()
        asked[0].cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        slow.gate.set()
        answers = await asyncio.gather(*asked[1:])
    assert {answer.status_code for answer in answers} == {200}
    assert slow.calls == 1


async def test_a_report_is_given_again_while_it_is_fresh() -> None:
    check = Check()
    async with running(_app(check, ttl=60)) as client:
        for _ in range(10):
            await client.get("/readyz")
    assert check.calls == 1


async def test_an_order_to_drain_is_seen_at_once_in_spite_of_the_cache() -> None:
    app = _app(Check(), ttl=60)
    async with running(app) as client:
        assert (await client.get("/readyz")).status_code == 200
        app.drain()
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200


async def test_both_listeners_share_one_report() -> None:
    check = Check()
    app = _app(check, ttl=60)
    async with running(app) as public:
        await public.get("/readyz")
        app.separate_admin = True
        assert (await public.get("/readyz")).status_code == 404
        async with running(app.admin) as admin:
            assert (await admin.get("/readyz")).status_code == 200
            assert (await admin.get("/startupz")).status_code == 200
    assert check.calls == 1


async def test_startup_is_503_until_every_concern_has_opened() -> None:
    gate = asyncio.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[Mapping[str, Any]]:
        await gate.wait()
        yield {}

    app = compose([health(HealthSettings()), Concern(name="slow", lifespan=slow)])

    async def public() -> int:
        async with running(app) as client:
            return (await client.get("/startupz")).status_code

    async with running(app.admin) as admin, asyncio.timeout(2):
        started = asyncio.create_task(public())
        await asyncio.sleep(0)
        response = await admin.get("/startupz")
        assert response.status_code == 503
        assert response.json()["status"] == "unavailable"
        gate.set()
        assert await started == 200


async def test_probes_answer_head_as_well() -> None:
    async with running(_app()) as client:
        response = await client.head("/readyz")
    assert response.status_code == 200
    assert response.content == b""


async def test_a_check_leaves_no_spans_and_sees_nothing_of_the_request(telemetry) -> None:
    tracer = telemetry.provider.get_tracer("test")

    async def check() -> None:
        with tracer.start_as_current_span("SELECT 1"):
            pass

    app = compose([Concern(name="database", ready=check), health(HealthSettings())])
    async with running(app) as client:
        with trace.use_span(tracer.start_span("probe"), end_on_exit=True):
            assert (await client.get("/readyz")).status_code == 200
    assert [span.name for span in telemetry.spans] == ["probe"]


async def test_the_outcome_of_each_check_is_a_metric(telemetry) -> None:
    fine, failing = Check("keys"), Check("redis", optional=True)
    failing.error = OSError()
    async with running(_app(fine, failing, registry=telemetry.registry)) as client:
        await client.get("/readyz")
    assert telemetry.sample("health_check_up", check="keys") == 1
    assert telemetry.sample("health_check_up", check="redis") == 0


async def test_a_change_is_logged_once_with_its_cause(caplog) -> None:
    check = Check()
    check.error = OSError("no route to host")
    with caplog.at_level(logging.INFO, "chassis_core.concerns.health"):
        async with running(_app(check)) as client:
            await client.get("/readyz")
            await client.get("/readyz")
            check.error = None
            await client.get("/readyz")
    failed, recovered = caplog.records
    assert (failed.levelname, failed.check, failed.exc_info[1].args) == (
        "WARNING",
        "store",
        ("no route to host",),
    )
    assert (recovered.levelname, recovered.status) == ("INFO", "ok")


async def test_info_tells_what_runs_with_which_settings_and_no_secret() -> None:
    class Mail(BaseModel):
        key: SecretStr = SecretStr("hunter2")
        relay: str = "smtp://orders:hunter2@mail.internal/?token=hunter2"
        password: str = "hunter2"

    class Settings(ServiceSettings):
        name: str = "orders"
        mail: Mail = Mail()
        parts: dict[str, Mail] = Field({"a": Mail()})

    async with running(_app(settings_document=Settings().model_dump(mode="json"))) as client:
        response = await client.get("/info")
    document = response.json()
    assert document["service"] == {"name": "orders", "version": "1.2.3", "environment": "test"}
    assert document["chassis_version"]
    assert document["python_version"].startswith("3.")
    assert document["uptime_seconds"] >= 0
    assert document["settings"]["health"] == {"timeout": 1.0, "ttl": 1.0}
    assert "mail.internal" in document["settings"]["mail"]["relay"]
    assert "hunter2" not in response.text


async def test_the_info_of_a_whole_service_holds_no_secret() -> None:
    class Settings(ServiceSettings):
        name: str = "orders"

    settings = Settings(
        database={"url": "postgresql+asyncpg://orders:hunter2@db/orders"},
        redis={"url": "redis://:hunter2@cache:6379/0"},
        auth={"mode": "hmac", "secret": "hunter2" * 8, "issuer": "i", "audience": "a"},
    )
    concern = next(c for c in standard(settings) if c.name == "health")
    async with running(compose([concern])) as client:
        response = await client.get("/info")
    assert response.json()["service"]["name"] == "orders"
    assert "hunter2" not in response.text


async def test_the_routes_stand_on_a_plain_app_too() -> None:
    app = FastAPI()
    for router in health(HealthSettings()).admin_routers:
        app.include_router(router)
    async with running(app) as client:
        statuses = {path: (await client.get(path)).status_code for path in ("/livez", "/readyz")}
    assert statuses == {"/livez": 200, "/readyz": 200}
