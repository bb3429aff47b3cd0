"""One worker of a limited service: `python -m bench.limiter.app users 8000 [redis-url]`."""

import sys

import uvicorn
from chassis_core import App, RateLimit, ServiceSettings, create_app
from fastapi import APIRouter, Depends
from pydantic_settings import SettingsConfigDict

BURST, SECONDS = 50, 2
router = APIRouter()


class Settings(ServiceSettings):
    """The defaults of a service, under a prefix that no environment sets."""

    model_config = SettingsConfigDict(env_prefix="BENCHED_")


@router.get("/flooded", dependencies=[Depends(RateLimit(f"{BURST}/{SECONDS} seconds"))])
async def flooded() -> str:
    """Answer."""
    return "ok"


@router.get("/scarce", dependencies=[Depends(RateLimit("2/4 seconds"))])
async def scarce() -> str:
    """Answer."""
    return "ok"


def app(name: str, redis: str | None) -> App:
    """Return a service of this name."""
    settings = Settings(
        name=name,
        redis={"url": redis, "timeout": 2},
        rate_limit={"default": "100000/second"},
    )
    return create_app(settings, routers=[router])


if __name__ == "__main__":
    service, port, *rest = sys.argv[1:]
    uvicorn.run(
        app(service, rest[0] if rest else None),
        host="127.0.0.1",
        port=int(port),
        access_log=False,
        log_level="warning",
    )
