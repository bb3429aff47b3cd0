"""The two apps that are compared: the same route, bare and on the chassis."""

from chassis_core import ServiceSettings, create_app
from fastapi import APIRouter, FastAPI
from pydantic_settings import SettingsConfigDict

router = APIRouter()


@router.get("/ping")
async def ping() -> dict[str, str]:
    """Answer."""
    return {"status": "ok"}


class BenchSettings(ServiceSettings):
    """The defaults of a service, under a prefix that no environment sets."""

    model_config = SettingsConfigDict(env_prefix="BENCH_")
    name: str = "bench"


def bare() -> FastAPI:
    """Return plain FastAPI with one route."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    app.include_router(router)
    return app


def chassis() -> FastAPI:
    """Return every standard concern around the same route."""
    settings = BenchSettings(rate_limit={"default": "100000/second"})
    return create_app(settings, routers=[router])
