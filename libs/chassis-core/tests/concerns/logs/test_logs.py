import io
import json
import logging

import pytest
from chassis_core import compose, context, get_logger
from chassis_core.concern import Service
from chassis_core.concerns.errors import errors
from chassis_core.concerns.logs import LogsSettings, logs
from chassis_core.concerns.request_id import request_id
from chassis_core.concerns.tracing import TracingSettings, tracing
from chassis_core.testing import Telemetry, running
from fastapi import APIRouter, BackgroundTasks

log = get_logger("orders")
router = APIRouter(prefix="/v1")
ORDERS = Service("orders", "1.2.3", "test")


@router.get("/orders/{order}")
async def order(order: str) -> str:
    request = context.current()
    assert request is not None
    request.fields["order_id"] = order
    log.debug("looking", order=order)
    log.info("found", order=order)
    logging.getLogger("library").warning("slow %s", "query", extra={"rows": 3})
    return order


@router.get("/later/{n}")
async def later(n: int, background: BackgroundTasks) -> int:
    background.add_task(log.info, "done", n=n)
    return n


@router.get("/boom")
async def boom() -> None:
    raise RuntimeError("no luck")


class Capture:
    def __init__(self, **settings) -> None:
        self.stream = io.BytesIO()
        self.settings = LogsSettings(**settings)

    @property
    def lines(self):
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def events(self, name: str):
        return [line for line in self.lines if line["event"] == name]

    def app(self, service=ORDERS):
        concerns = [
            logs(self.settings, service=service, stream=self.stream),
            tracing(TracingSettings(), provider=Telemetry().provider),
            request_id(),
            errors(),
        ]
        return compose(concerns, routers=[router])


async def test_every_line_of_a_request_carries_its_ids_and_the_service():
    capture = Capture()
    async with running(capture.app()) as client:
        answer = await client.get("/v1/orders/7", headers={"x-request-id": "r-1"})
    lines = [line for line in capture.lines if line.get("request_id")]
    assert answer.status_code == 200
    assert {line["event"] for line in lines} == {"found", "slow query", "request"}
    for line in lines:
        assert line["request_id"] == "r-1"
        assert (line["service"], line["version"], line["environment"]) == (
            "orders",
            "1.2.3",
            "test",
        )
        assert len(line["trace_id"]) == 32
        assert len(line["span_id"]) == 16
        assert line["order_id"] == "7"


async def test_the_time_of_a_line_is_utc_to_the_millisecond():
    capture = Capture()
    async with running(capture.app()) as client:
        await client.get("/v1/orders/7")
    for line in capture.lines:
        assert len(line["timestamp"]) == len("2026-11-23T14:00:00.000Z")
        assert line["timestamp"].endswith("Z")


async def test_every_request_has_exactly_one_access_line():
    capture = Capture()
    async with running(capture.app()) as client:
        for path in ("/v1/orders/7", "/nowhere", "/v1/boom"):
            await client.get(path + "?token=hunter2")
    access = capture.events("request")
    seen = [(a["url.path"], a["http.route"], a["http.response.status_code"]) for a in access]
    assert seen == [
        ("/v1/orders/7", "/v1/orders/{order}", 200),
        ("/nowhere", None, 404),
        ("/v1/boom", "/v1/boom", 500),
    ]
    assert [a["level"] for a in access] == ["info", "info", "error"]
    assert all(a["duration_ms"] >= 0 and a["client.address"] == "127.0.0.1" for a in access)
    assert "hunter2" not in capture.stream.getvalue().decode()


async def test_a_token_in_the_path_is_not_logged():
    capture = Capture()
    token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl"
    async with running(capture.app()) as client:
        await client.get(f"/v1/reset/{token}")
    [access] = capture.events("request")
    assert access["url.path"] == "/v1/reset/[redacted]"


async def test_an_unhandled_exception_is_logged_once_with_its_traceback():
    capture = Capture()
    async with running(capture.app()) as client:
        await client.get("/v1/boom")
    [line] = [line for line in capture.lines if "exception" in line]
    assert "RuntimeError: no luck" in line["exception"]


@pytest.mark.parametrize("level, expected", [("debug", {"looking", "found"}), ("error", set())])
async def test_the_level_setting_decides_what_is_written(level, expected):
    capture = Capture(level=level)
    async with running(capture.app()) as client:
        await client.get("/v1/orders/7")
    assert {line["event"] for line in capture.lines} & {"looking", "found"} == expected
    assert bool(capture.events("slow query")) is (level == "debug")


async def test_the_servers_own_records_go_through_the_same_pipe(caplog):
    capture = Capture()
    server = logging.getLogger("uvicorn.error")
    caplog.set_level(logging.INFO, server.name)  # a server of another test may have quieted it
    async with running(capture.app()):
        server.info("Shutting down")
        logging.getLogger("uvicorn.access").info("not this one")
    assert [line["logger"] for line in capture.events("Shutting down")] == ["uvicorn.error"]
    assert not capture.events("not this one")


async def test_a_library_that_tells_urls_at_info_is_quiet():
    capture = Capture()
    async with running(capture.app()):
        logging.getLogger("httpx2").info("HTTP Request: GET http://x/?token=hunter2")
    assert "hunter2" not in capture.stream.getvalue().decode()


async def test_a_line_of_a_background_task_still_belongs_to_its_request():
    capture = Capture()
    async with running(capture.app()) as client:
        answer = await client.get("/v1/later/1", headers={"x-request-id": "r-9"})
    assert answer.status_code == 200
    assert capture.events("done")[0]["request_id"] == "r-9"


async def test_a_line_outside_of_a_request_has_no_ids_of_an_earlier_one():
    capture = Capture()
    async with running(capture.app()) as client:
        await client.get("/v1/orders/7")
        logging.getLogger("uvicorn.error").warning("between")
    assert "request_id" not in capture.events("between")[0]


async def test_two_apps_in_one_process_write_to_their_own_logs():
    one, other = Capture(), Capture(level="error")
    users = Service("users", "1", "test")
    async with running(one.app()) as first, running(other.app(users)) as second:
        await first.get("/v1/orders/1")
        await second.get("/v1/orders/2")
        await second.get("/v1/boom")
    assert {line.get("order_id") for line in one.events("found")} == {"1"}
    assert {line["service"] for line in one.lines} == {"orders"}
    assert {line["service"] for line in other.lines} == {"users"}
    assert {line["level"] for line in other.lines} == {"error"}


async def test_logging_is_as_it_was_after_the_app_has_stopped():
    root, server = logging.getLogger(), logging.getLogger("uvicorn.error")
    before = (root.level, list(root.handlers), list(server.handlers), server.propagate)
    async with running(Capture(level="debug").app()):
        assert root.level == logging.DEBUG
    assert (root.level, list(root.handlers), list(server.handlers), server.propagate) == before


@pytest.mark.parametrize("gone", [BrokenPipeError(), ValueError("closed")])
async def test_a_log_that_nobody_reads_any_more_fails_no_request(gone):
    class Gone(io.BytesIO):
        def write(self, _):
            raise gone

    capture = Capture()
    capture.stream = Gone()
    async with running(capture.app()) as client:
        assert (await client.get("/v1/orders/7")).status_code == 200


async def test_a_value_that_json_cannot_hold_is_written_as_its_repr():
    capture = Capture()
    async with running(capture.app()):
        log.info("odd", value=object, text="\ud800", key={1: b"\xff"}, line="a\nb\x1b[31m")
    [line] = capture.events("odd")
    assert "object" in line["value"]
    assert line["line"] == "a\nb\x1b[31m"


async def test_nothing_that_is_logged_steers_a_terminal_or_begins_a_line_of_its_own():
    capture = Capture(format="console")
    hostile = "a\nb\r\x1b[2J\x9b\u2028\ud800"
    async with running(capture.app()) as client:
        log.info("odd\n2026-11-26 [info] forged", value=hostile)
        await client.get("/v1/orders/%1b%5b2J%0aforged")
    written = capture.stream.getvalue().decode()
    assert all(line.isprintable() for line in written.splitlines())
    assert not any(
        line.startswith(("forged", "2026-11-26 [info] forged", "b"))
        for line in written.splitlines()
    )
    assert "\\x1b[2J" in written


async def test_a_traceback_keeps_its_lines_on_a_terminal():
    capture = Capture(format="console")
    async with running(capture.app()) as client:
        await client.get("/v1/boom")
    assert '\n  File "' in capture.stream.getvalue().decode()
