"""What the API takes and gives. Money is an integer of the currency's minor unit."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from orders.currencies import Currency
from orders.models import Status

MOST_ITEMS = 100
HIGHEST_QUANTITY = 10_000
HIGHEST_PRICE = 9_000_000_000_000
"""Bounds whose product fits into 64 bits, so that no order can have a total that does not."""


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# JSON has one kind of number: 2.0 is the integer 2, while "2" and true are none.
WHOLE = BeforeValidator(_whole)


class Item(BaseModel):
    """One line of an order."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", from_attributes=True, use_attribute_docstrings=True
    )

    sku: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
    """The article."""
    quantity: Annotated[int, Field(strict=True, ge=1, le=HIGHEST_QUANTITY), WHOLE]
    """How many of it."""
    unit_price_minor: Annotated[int, Field(strict=True, ge=0, le=HIGHEST_PRICE), WHOLE]
    """The price of one: 1999 is 19.99 in EUR, and 1,999 in JPY."""


class NewOrder(BaseModel):
    """An order to be placed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    items: Annotated[list[Item], Field(min_length=1, max_length=MOST_ITEMS)]
    currency: Currency
    """The currency of all prices."""


class OrderView(BaseModel):
    """An order as its customer sees it."""

    model_config = ConfigDict(frozen=True, from_attributes=True, use_attribute_docstrings=True)

    id: UUID
    status: Status
    customer_name: str
    """What the customer was called when the order was placed."""
    items: list[Item]
    currency: Currency
    total_minor: int
    """The sum of the items, computed here."""
    placed_at: datetime
    cancelled_at: datetime | None


class OrderPage(BaseModel):
    """Some orders, newest first."""

    model_config = ConfigDict(frozen=True, from_attributes=True, use_attribute_docstrings=True)

    items: list[OrderView]
    next_cursor: str | None
    """The `cursor` of the next page; null on the last."""
