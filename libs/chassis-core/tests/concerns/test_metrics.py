import math

import pytest
from chassis_core import compose
from chassis_core.concerns.errors import errors
from chassis_core.concerns.metrics import MetricsSettings, memory_limit, metrics
from chassis_core.concerns.tracing import TracingSettings, tracing
from chassis_core.testing import running
from fastapi import APIRouter, HTTPException

inner = APIRouter(prefix="/things")
router = APIRouter(prefix="/v1")
COUNT = "http_server_request_duration_seconds_count"


@inner.get("/{thing}")
async def thing(thing: str) -> str:
    if thing == "gone":
        raise HTTPException(410)
    return thing


@router.api_route("/things", methods=["QUERY", "BREW"])
async def things() -> str:
    return ""


router.include_router(inner)


def _app(telemetry):
    return compose(
        [
            tracing(TracingSettings(), provider=telemetry.provider),
            metrics(MetricsSettings(), registry=telemetry.registry),
            errors(),
        ],
        routers=[router],
    )


def _label(method="GET", route="/v1/things/{thing}", status="200"):
    return {
        "http_request_method": method,
        "http_route": route,
        "http_response_status_code": status,
    }


async def test_the_route_label_is_the_whole_template_with_the_prefixes_of_its_routers(telemetry):
    async with running(_app(telemetry)) as client:
        await client.get("/v1/things/a")
        await client.get("/v1/things/b")
        await client.get("/v1/things/gone")
    assert telemetry.sample(COUNT, **_label()) == 2
    assert telemetry.sample(COUNT, **_label(status="410")) == 1


async def test_a_method_is_named_if_it_is_one_that_spans_name_too_and_no_other_is(telemetry):
    async with running(_app(telemetry)) as client:
        await client.request("QUERY", "/v1/things")
        await client.request("BREW", "/v1/things")
    assert telemetry.sample(COUNT, **_label("QUERY", "/v1/things")) == 1
    assert telemetry.sample(COUNT, **_label("_OTHER", "/v1/things")) == 1


async def test_what_no_route_takes_is_counted_and_makes_no_new_series(telemetry):
    async with running(_app(telemetry)) as client:
        await client.get("/v1/things/a")
        before = (await client.get("/metrics")).text.count("\n")
        for n in range(50):
            await client.request(f"M{n}", f"/hostile/{n}")
            await client.request(["GET", "POST", "PUT", "PATCH", "DELETE"][n % 5], f"/hostile/{n}")
        await client.delete("/v1/things/a")
        after = (await client.get("/metrics")).text.count("\n")
    assert telemetry.sample(COUNT, **_label("_OTHER", "unmatched", "404")) == 100
    assert telemetry.sample(COUNT, **_label("_OTHER", "unmatched", "405")) == 1
    assert after == before


async def test_requests_in_flight_fall_back_to_zero(telemetry):
    async with running(_app(telemetry)) as client:
        await client.get("/v1/things/a")
    assert telemetry.sample("http_server_active_requests") == 0


async def test_a_response_tells_its_time_in_the_service(telemetry):
    async with running(_app(telemetry)) as client:
        timing = (await client.get("/v1/things/a")).headers["server-timing"]
    assert timing.startswith("total;dur=")
    assert float(timing.removeprefix("total;dur=")) >= 0


async def test_an_exemplar_joins_the_histogram_to_the_trace(telemetry):
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    async with running(_app(telemetry)) as client:
        await client.get("/v1/things/a")
        text = (await client.get("/metrics", headers=accept)).text
    assert f'trace_id="{telemetry.spans[0].context.trace_id:032x}"' in text


async def test_the_exposition_is_one_that_prometheus_reads(telemetry):
    async with running(_app(telemetry)) as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "chassis_build_info{" in answer.text
    assert "process_cpu_seconds_total" in answer.text


@pytest.mark.parametrize("path", ["/metrics"])
async def test_scrapes_do_not_count_as_requests(telemetry, path):
    async with running(_app(telemetry)) as client:
        await client.get(path)
    assert telemetry.sample(COUNT, **_label(route=path)) is None
    assert telemetry.sample(COUNT, **_label("_OTHER", "unmatched")) is None


@pytest.mark.parametrize(
    ("texts", "limit"),
    [
        ({"2": "671088640\n"}, 671088640),
        ({"1": "402653184\n"}, 402653184),
        ({"2": "max\n"}, math.inf),
        ({}, math.inf),
    ],
)
def test_the_limit_of_memory_is_that_of_the_container(tmp_path, texts, limit):
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert memory_limit(tmp_path / version for version in ("2", "1")) == limit


def test_a_scrape_tells_the_limit_of_memory(telemetry):
    _app(telemetry)
    assert telemetry.sample("process_memory_limit_bytes") == memory_limit()
