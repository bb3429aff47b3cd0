"""The pytest plugin: fixtures for services that stand on the chassis."""

from collections.abc import AsyncIterator

import pytest

from chassis_core.testing.issuer import Issuer
from chassis_core.testing.telemetry import Telemetry

pytest_plugins = ("chassis_core.testing.stores", "chassis_core.testing.promises")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run every async test on asyncio, the loop that the services run on."""
    return "asyncio"


@pytest.fixture
def telemetry() -> Telemetry:
    """A fresh capture of spans, log lines and metrics: `create_app(..., **telemetry.shared())`."""
    return Telemetry()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer of tokens whose key set is served: `settings(auth=issuer.settings())`."""
    async with Issuer().serve() as serving:
        yield serving
