"""What surrounds the handling of an event, as a request is surrounded: span, lines, deadline."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import SpanKind, StatusCode, Tracer

from chassis_core import context
from chassis_core.concerns.outbox.event import Event
from chassis_core.concerns.outbox.subscription import Subscription


@contextmanager
def handling(
    event: Event, subscription: Subscription, tracer: Tracer, *, limit: float
) -> Iterator[None]:
    """Continue the event's trace, and take its id for that of the request in flight.

    Args:
        event: what is handled.
        subscription: by whom.
        tracer: of the span.
        limit: seconds that it may take; calls to other services know of it.
    """
    attributes = {
        "messaging.system": "redis",
        "messaging.operation.type": "process",
        "messaging.destination.name": subscription.stream,
        "messaging.consumer.group.name": subscription.group,
        "messaging.message.id": event.id,
        "cloudevents.event_type": event.type,
    }
    with tracer.start_as_current_span(
        f"process {subscription.stream}",
        event.context,
        SpanKind.CONSUMER,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            with _in_flight(event, limit):
                yield
        except BaseException as error:
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(StatusCode.ERROR)
            raise


@contextmanager
def _in_flight(event: Event, limit: float) -> Iterator[None]:
    deadline = time.monotonic() + limit
    fields = {"event_type": event.type, "event_subject": event.subject}
    token = context.enter(context.RequestContext(event.id, deadline=deadline, fields=fields))
    try:
        yield
    finally:
        context.leave(token)
