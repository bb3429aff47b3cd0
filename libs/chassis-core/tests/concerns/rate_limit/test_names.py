from chassis_core import compose
from chassis_core.concerns.errors import errors
from chassis_core.concerns.rate_limit import RateLimit, RateLimitSettings, rate_limit
from chassis_core.testing import running
from fastapi import APIRouter, Depends


def resource(prefix: str, name: str | None = None) -> APIRouter:
    router = APIRouter(prefix=prefix)

    @router.get("", dependencies=[Depends(RateLimit("1/hour", name=name))])
    async def read() -> dict[str, str]:
        return {}

    read.__qualname__ = f"{prefix}.read"  # as in a module of its own
    return router


async def statuses(*routers: APIRouter) -> list[tuple[int, str]]:
    limits = rate_limit(RateLimitSettings(default=None))
    async with running(compose([limits, errors()], routers=routers)) as client:
        answers = [await client.get(path) for path in ("/books", "/pens", "/books")]
    return [(each.status_code, each.headers["ratelimit-policy"]) for each in answers]


async def test_two_functions_of_one_name_have_a_bucket_each() -> None:
    policy = '"read";q=1;w=3600'
    answers = await statuses(resource("/books"), resource("/pens"))
    assert answers == [(200, policy), (200, policy), (429, policy)]


async def test_routes_that_give_one_name_share_its_bucket() -> None:
    answers = await statuses(resource("/books", "shop"), resource("/pens", "shop"))
    assert [status for status, _ in answers] == [200, 429, 429]
