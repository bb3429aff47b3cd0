"""What is wrong with the collector, for `chassis doctor`."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from chassis_core.concern import Fault
from chassis_core.concerns.tracing.aside import aside
from chassis_core.concerns.tracing.provider import endpoint, exporter
from chassis_core.reach import address, silence, unreachable

_FIX = "start it, or correct OTEL_EXPORTER_OTLP_ENDPOINT: only spans are lost"


async def diagnose(within: float) -> Sequence[Fault]:
    """Return what is wrong with the collector, which is sent no span, in the SDK's own way."""
    if (sender := exporter(timeout=math.ceil(within))) is None:
        return []
    try:
        async with asyncio.timeout(within):
            taken = await _taken(sender)
    except TimeoutError:
        why = await silence(*address(endpoint()), within)
    else:
        if taken:
            return []
        why = await unreachable(*address(endpoint()), within) or f"{endpoint()} refuses spans"
    return [Fault(f"the collector: {why}", _FIX, warning=True)]


async def _taken(sender: SpanExporter) -> bool:
    with suppress(Exception):
        return await aside(partial(sender.export, ())) is SpanExportResult.SUCCESS
    return False
