"""The audit trail: who did what to which order, said once it is true."""

from chassis_core import get_logger
from opentelemetry import trace
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from orders.models import Order

_log = get_logger(__name__)


def audit(session: AsyncSession, action: str, order: Order) -> None:
    """Name the order on the request's span, and write the audit line when `session` commits."""
    ids = {"order_id": str(order.id), "customer_id": order.customer_id}
    trace.get_current_span().set_attribute("order.id", ids["order_id"])

    def write(_: object) -> None:
        _log.info(action, **ids)

    event.listen(session.sync_session, "after_commit", write, once=True)
