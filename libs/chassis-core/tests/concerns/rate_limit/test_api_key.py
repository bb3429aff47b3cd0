from uuid import uuid4

import pytest
from chassis_core import RateLimit, ServiceSettings, create_app, share
from chassis_core.concerns.rate_limit import RateLimitSettings
from chassis_core.testing import running
from fastapi import APIRouter, Depends
from pydantic import ValidationError

PER_KEY = Depends(RateLimit("2/hour", by="api_key", name="per_key"))
PER_ADDRESS = Depends(RateLimit("3/hour", name="per_address"))
router = APIRouter()


@router.get("/reports", dependencies=[PER_KEY])
async def reports() -> str:
    return "ok"


@router.get("/exports", dependencies=[PER_ADDRESS, PER_KEY])
async def exports() -> str:
    return "ok"


def settings(**limits: object) -> ServiceSettings:
    return ServiceSettings(name=f"a{uuid4().hex}", rate_limit=RateLimitSettings(**limits))  # type: ignore[arg-type]


async def statuses(
    made: ServiceSettings, keys: list[str], path: str = "/reports", header: str = "X-API-Key"
) -> list[int]:
    async with running(create_app(made, routers=[router])) as client:
        return [(await client.get(path, headers={header: key})).status_code for key in keys]


async def test_each_api_key_has_a_bucket_of_its_own() -> None:
    answers = await statuses(settings(), ["ann", "ann", "ann", "bob"])
    assert answers == [200, 200, 429, 200]


async def test_without_an_api_key_the_address_is_counted() -> None:
    assert await statuses(settings(), ["", "", ""]) == [200, 200, 429]
    answers = await statuses(settings(), ["a", "b", "c"], header="X-Other")
    assert answers == [200, 200, 429]


async def test_the_header_of_the_api_key_is_a_setting() -> None:
    made = settings(key_header="X-Shop-Key")
    assert await statuses(made, ["a", "a", "a", "b"], header="X-Shop-Key") == [200, 200, 429, 200]


async def test_an_api_key_made_up_for_each_request_escapes_no_limit_by_address() -> None:
    made_up = [uuid4().hex for _ in range(4)]
    assert await statuses(settings(default="3/hour"), made_up) == [200, 200, 200, 429]
    assert await statuses(settings(), made_up, "/exports") == [200, 200, 200, 429]


async def test_an_api_key_is_kept_as_a_digest_only(redis_url: str) -> None:
    made = ServiceSettings(name=f"a{uuid4().hex}", redis={"url": redis_url})  # type: ignore[arg-type]
    redis = share(made)["redis"]
    assert await statuses(made, ["a-raw-key"]) == [200]
    [kept] = await redis.execute("KEYS", f"{made.name}:limit:*per_key")
    assert b"a-raw-key" not in kept
    assert b"{key:" in kept
    await redis.aclose()


@pytest.mark.parametrize("name", ["", "X API Key", "X-Key:"])
def test_a_header_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="key_header"):
        RateLimitSettings(key_header=name)
