"""An event as it travels: the attributes of CloudEvents 1.0, one field of the stream each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import orjson
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_TRACE_CONTEXT = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that has happened, as the service tells that it happened to.

    Attributes:
        id: unique among the events of the source; the same each time that it is delivered.
        source: the service that tells of it.
        type: what happened, such as `order.placed`.
        subject: to what; the events of one subject are in the order in which they happened.
        time: when.
        data: what else there is to say, as JSON.
        traceparent: the span in which it happened (W3C Trace Context).
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Any
    traceparent: str | None = None

    @classmethod
    def of(cls, fields: Mapping[str, bytes]) -> Self:
        """Return the event that the fields of a stream's entry hold.

        Raises:
            KeyError: an attribute is missing.
            ValueError: an attribute is not what it must be.
        """
        names = ("id", "source", "type", "subject")
        parent = fields.get("traceparent")
        return cls(
            **{name: fields[name].decode() for name in names},
            time=datetime.fromisoformat(fields["time"].decode()),
            data=orjson.loads(fields["data"]),
            traceparent=parent.decode() if parent else None,
        )

    @property
    def context(self) -> Context:
        """The trace that the event belongs to, for the spans of those who handle it."""
        carrier = {"traceparent": self.traceparent} if self.traceparent else {}
        return _TRACE_CONTEXT.extract(carrier, Context())


def attributes(row: Any, source: str) -> dict[str, str]:
    """Return the fields of a stored event."""
    fields = {
        "specversion": "1.0",
        "id": str(row.id),
        "source": source,
        "type": row.type,
        "subject": row.subject,
        "time": row.time.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": row.data,
    }
    return fields | ({"traceparent": row.traceparent} if row.traceparent else {})


def traceparent() -> str | None:
    """Return the present span, as others can continue it."""
    carrier: dict[str, str] = {}
    _TRACE_CONTEXT.inject(carrier)
    return carrier.get("traceparent")
