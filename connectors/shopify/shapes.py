"""What is decoded of Shopify's JSON: ids, times and states; the rest stays raw bytes.

REST times carry the shop's own offset (`2026-08-28T06:59:14+02:00`): one without an offset is refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Child(msgspec.Struct):
    """A refund, fulfillment or transaction, alone in a delivery or embedded in its order."""

    id: int
    order_id: int | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    processed_at: Instant | None = None
    status: str | None = None


class Record(msgspec.Struct):
    """An order, customer, product or draft order; fields it does not have stay at their default."""

    id: int
    created_at: Instant | None = None
    updated_at: Instant | None = None
    cancelled_at: Instant | None = None
    financial_status: str | None = None
    fulfillment_status: str | None = None
    refunds: list[Child] | None = None
    fulfillments: list[Child] | None = None


class RawChildren(msgspec.Struct):
    """An order's children as the bytes they came in."""

    refunds: list[msgspec.Raw] = msgspec.field(default_factory=list)
    fulfillments: list[msgspec.Raw] = msgspec.field(default_factory=list)


class Other(msgspec.Struct):
    """Any other body: whose it is, if it says so."""

    id: int | str | None = None
    order_id: int | str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
