from types import SimpleNamespace

import pytest
from chassis_core import compose
from chassis_core.concern import PRINCIPAL
from chassis_core.concerns.errors import errors
from chassis_core.concerns.rate_limit import RateLimit, RateLimitSettings, rate_limit
from chassis_core.concerns.rate_limit.client import address_of, key_of, key_of_name
from chassis_core.problem import Unauthenticated
from chassis_core.testing import Telemetry, running
from fastapi import APIRouter, Depends, FastAPI, Request

TYPE = "https://iana.org/assignments/http-problem-types#quota-exceeded"


async def identify(request: Request) -> None:
    if "user" not in request.headers:
        raise Unauthenticated
    request.scope[PRINCIPAL] = SimpleNamespace(issuer="i", subject=request.headers["user"])


router = APIRouter()


@router.get("/free")
async def free() -> dict[str, str]:
    return {}


@router.get("/login", dependencies=[Depends(RateLimit("2/minute; 5/hour", name="login"))])
async def login() -> dict[str, str]:
    return {}


@router.get("/mine", dependencies=[Depends(RateLimit("1/minute", by="principal"))])
async def mine() -> dict[str, str]:
    return {}


@router.get("/heavy", dependencies=[Depends(RateLimit("10/minute", cost=4))])
async def heavy() -> dict[str, str]:
    return {}


async def account(request: Request) -> str | None:
    return request.query_params.get("account")


@router.get("/try", dependencies=[Depends(RateLimit("2/minute", by=account, name="tries"))])
async def attempt() -> dict[str, str]:
    return {}


def app(telemetry: Telemetry | None = None, **settings: object) -> FastAPI:
    registry = telemetry.registry if telemetry else None
    parsed = RateLimitSettings(**settings)  # type: ignore[arg-type]
    limits = rate_limit(parsed, registry=registry, identify=identify)
    return compose([limits, errors()], routers=[router])


async def test_every_answer_says_what_is_left() -> None:
    async with running(app(default="3/minute")) as client:
        answers = [await client.get("/free") for _ in range(3)]
    assert [each.headers["ratelimit"] for each in answers] == [
        '"default";r=2;t=20',
        '"default";r=1;t=20',
        '"default";r=0;t=20',
    ]
    assert {each.headers["ratelimit-policy"] for each in answers} == {'"default";q=3;w=60'}


async def test_a_request_over_the_limit_is_429_with_the_quota_that_it_broke() -> None:
    async with running(app(default="1/minute")) as client:
        await client.get("/free")
        refused = await client.get("/free")
        unmatched = await client.get("/nowhere")
    assert refused.status_code == unmatched.status_code == 429
    assert refused.json()["type"] == TYPE
    assert refused.json()["violated-policies"] == ["default"]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] == "60"
    assert refused.headers["ratelimit"] == '"default";r=0;t=60'
    assert refused.headers["ratelimit-policy"] == '"default";q=1;w=60'


async def test_a_route_adds_its_policies_to_the_default_and_answers_with_all() -> None:
    async with running(app(default="100/minute")) as client:
        answers = [await client.get("/login") for _ in range(3)]
        other = await client.get("/free")
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert answers[2].json()["violated-policies"] == ["login-minute"]
    assert answers[2].headers["ratelimit-policy"] == (
        '"default";q=100;w=60, "login-minute";q=2;w=60, "login-hour";q=5;w=3600'
    )
    assert (
        answers[2].headers["ratelimit"].endswith('"login-minute";r=0;t=30, "login-hour";r=3;t=720')
    )
    assert other.status_code == 200


async def test_the_default_can_be_switched_off_and_policies_of_routes_stay() -> None:
    async with running(app(default=None)) as client:
        assert "ratelimit" not in (await client.get("/free")).headers
        answers = [(await client.get("/login")).status_code for _ in range(3)]
    assert answers == [200, 200, 429]


async def test_a_costly_request_uses_several_units() -> None:
    async with running(app(default=None)) as client:
        answers = [await client.get("/heavy") for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert answers[1].headers["ratelimit"] == '"heavy";r=2;t=6'


async def test_each_principal_has_a_bucket_and_strangers_share_that_of_their_address() -> None:
    async with running(app(default=None)) as client:
        statuses = [
            (await client.get("/mine", headers={"user": user} if user else {})).status_code
            for user in ("anna", "ben", "anna", "", "")
        ]
    assert statuses == [200, 200, 429, 200, 429]


async def test_a_new_token_in_every_request_is_no_new_bucket() -> None:
    async with running(app(default="1/minute")) as client:
        statuses = [
            (await client.get("/free", headers={"authorization": f"Bearer {i}"})).status_code
            for i in range(3)
        ]
    assert statuses == [200, 429, 429]


@pytest.mark.parametrize(
    "host, key",
    [
        ("192.0.2.7", "ip:192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "ip:20010db800010002/64"),
        ("2001:db8:1:2::9", "ip:20010db800010002/64"),
        ("2001:db8:1:3::9", "ip:20010db800010003/64"),
        ("::ffff:192.0.2.7", "ip:192.0.2.7"),
        ("fe80::1%eth0", "ip:fe80000000000000/64"),
        ("a:strange:name", "ip:a:strange:name"),
    ],
)
def test_an_ipv6_client_is_its_network_of_64_bits(host: str, key: str) -> None:
    assert address_of((host, 1)) == key


def test_a_client_without_an_address_and_a_long_subject_have_a_bucket_of_bounded_size() -> None:
    long = {PRINCIPAL: SimpleNamespace(issuer="i", subject="s" * 10_000)}
    assert key_of({"client": None}, "address") == "ip:unknown"
    assert len(key_of(long, "principal")) < 100


async def test_decisions_and_tracked_keys_are_counted(telemetry: Telemetry) -> None:
    async with running(app(telemetry, default="1/minute")) as client:
        for _ in range(3):
            await client.get("/free")
    name = "rate_limit_decisions_total"
    assert telemetry.sample(name, policy="default", outcome="allowed") == 1
    assert telemetry.sample(name, policy="default", outcome="limited") == 2
    assert telemetry.sample("rate_limit_tracked_keys") == 1


async def test_two_apps_in_one_process_count_apart() -> None:
    async with running(app(default="1/minute")) as one, running(app(default="1/minute")) as two:
        assert (await one.get("/free")).status_code == 200
        assert (await two.get("/free")).status_code == 200


async def test_what_a_request_names_can_be_counted_and_is_kept_as_a_digest() -> None:
    made = app(default=None)
    async with running(made) as client:
        answers = [await client.get("/try?account=ann") for _ in range(3)]
        other = await client.get("/try?account=bob")
        nobody = [await client.get("/try") for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert other.status_code == 200
    assert {(each.status_code, each.headers.get("ratelimit")) for each in nobody} == {(200, None)}
    assert "ann" not in key_of_name("ann")
