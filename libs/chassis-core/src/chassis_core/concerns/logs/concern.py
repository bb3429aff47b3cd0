"""The concern that logs."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

from starlette.middleware import Middleware

from chassis_core.concern import Concern, Layer, Service
from chassis_core.concerns.logs.access import AccessLogMiddleware
from chassis_core.concerns.logs.logger import bridged
from chassis_core.concerns.logs.pipeline import (
    LogsSettings,
    Pipeline,
    current_pipeline,
    use_pipeline,
)


def logs(
    settings: LogsSettings, *, service: Service | None = None, stream: BinaryIO | None = None
) -> Concern:
    """Return the concern that logs, to `stream` or standard output."""
    pipeline = Pipeline(settings, service=service or Service(), stream=stream)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        before = current_pipeline()
        use_pipeline(pipeline)
        try:
            with bridged(pipeline):
                yield {}
        finally:
            use_pipeline(before)

    layer = Middleware(AccessLogMiddleware, pipeline=pipeline, enabled=settings.access)
    return Concern(name="logs", middleware={Layer.ACCESS_LOG: layer}, lifespan=lifespan)
