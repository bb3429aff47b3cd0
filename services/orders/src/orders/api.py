"""The routes of orders."""

from typing import Any
from uuid import UUID

from chassis_core import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    CurrentUser,
    Events,
    Idempotent,
    IfMatch,
    IfNoneMatch,
    Page,
    RateLimit,
    Session,
    etag,
    get_current_user,
)
from chassis_core.problem import responses
from fastapi import APIRouter, Depends, Response

from orders.audit import audit
from orders.customers import CurrentCustomer
from orders.events import tell_cancelled, tell_placed
from orders.models import Item, Order
from orders.queries import owned, recent
from orders.schemas import NewOrder, OrderPage, OrderView

router = APIRouter(prefix="/v1/orders", tags=["orders"], responses=responses(401))

# More than a person places, and few enough that a stolen token does little before it expires.
PLACING = RateLimit("30/minute", by="principal", name="place_order")
_TEXT = {"schema": {"type": "string"}}
_VERSIONED: dict[str, Any] = {"headers": {"ETag": _TEXT}}
_CREATED: dict[str, Any] = {"headers": {"ETag": _TEXT, "Location": _TEXT}}


@router.post(
    "",
    status_code=201,
    response_model=OrderView,
    responses={201: _CREATED} | responses(403, 409, 422, 502),
    openapi_extra=IDEMPOTENCY_KEY,
    dependencies=[Depends(get_current_user), Depends(PLACING)],
)
async def place_order(
    new: NewOrder,
    caller: CurrentUser,
    attempt: Idempotent,
    customer: CurrentCustomer,
    *,
    session: Session,
    events: Events,
) -> Response:
    """Place an order, once for each `Idempotency-Key`."""
    name = (await customer.profile()).name

    async def place() -> Response:
        order = Order.of(
            [Item(**item.model_dump()) for item in new.items],
            currency=new.currency,
            customer_id=caller.subject,
            customer_name=name,
        )
        session.add(order)
        await session.flush()
        audit(session, "order_placed", order)
        await tell_placed(events, session, order)
        return _answer(order, 201, {"Location": f"{router.prefix}/{order.id}"})

    return await attempt.once(session, place)


@router.get("", responses={200: {"headers": {"Link": _TEXT}}} | responses(404, 422))
async def list_orders(
    customer: CurrentUser, page: Page, session: Session, response: Response
) -> OrderPage:
    """List the caller's orders, newest first."""
    before = UUID(page.after) if page.after else None
    found = await recent(session, customer.subject, limit=page.limit + 1, before=before)
    items, cursor = page.cut(found, place=lambda order: order.id)
    if cursor is not None:
        response.headers["Link"] = page.link(cursor)
    return OrderPage(items=[OrderView.model_validate(item) for item in items], next_cursor=cursor)


@router.get(
    "/{order_id}",
    response_model=OrderView,
    responses={200: _VERSIONED, 304: {"description": "Not Modified"}} | responses(404, 422),
)
async def read_order(
    order_id: UUID, customer: CurrentUser, known: IfNoneMatch, session: Session
) -> Response:
    """Return one of the caller's orders."""
    order = await owned(session, customer.subject, order_id)
    headers = {"ETag": etag(order.version), "Cache-Control": "private, no-cache"}
    if known.holds(headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return _answer(order, 200, headers)


@router.post(
    "/{order_id}/cancel",
    response_model=OrderView,
    responses={200: _VERSIONED} | responses(404, 409, 412, 422, 428),
    openapi_extra=IF_MATCH,
)
async def cancel_order(
    order_id: UUID, customer: CurrentUser, meant: IfMatch, session: Session, events: Events
) -> Response:
    """Cancel one of the caller's orders, if it is still as the caller saw it."""
    order = await owned(session, customer.subject, order_id)
    meant.require(etag(order.version))
    order.cancel()
    await session.flush()
    audit(session, "order_cancelled", order)
    await tell_cancelled(events, session, order)
    return _answer(order)


def _answer(order: Order, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = OrderView.model_validate(order).model_dump_json()
    headers = {"ETag": etag(order.version)} | (headers or {})
    return Response(body, status, headers, "application/json")
