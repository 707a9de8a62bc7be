"""When each topic's fact happened, read from the record: shared by live deliveries and by rebuilding.

One table for both is what makes a live `refunds/create` and one rebuilt from its order the same fact.
A refund or fulfillment belongs to its order's subject, and its own id is the occurrence, so that everything
that happens to an order is handled in order. `fulfillments/update` adds the time: it happens again.
`orders/fulfilled` is told apart by the fulfillment that completed it, since an edited order is fulfilled twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from connectors.shopify.shapes import Child, Record
from reconcile.model import iso

PAID_ONCE = frozenset({"paid", "partially_refunded", "refunded"})
FULFILLMENT_UPDATE = "fulfillments/update"
TRANSACTIONS = "order_transactions/create"
#: An instant (with the offset it came in), and the text that tells the fact from others of its topic.
#: A bare tuple, because two of them are made for every listed item.
Moment = tuple[datetime, str]


def _created(record: Record) -> Moment | None:
    return (record.created_at, "") if record.created_at else None


def _updated(record: Record) -> Moment | None:
    return (record.updated_at, iso(record.updated_at)) if record.updated_at else None


def _cancelled(record: Record) -> Moment | None:
    return (record.cancelled_at, "") if record.cancelled_at else None


def _paid(record: Record) -> Moment | None:
    """Not before it was created: the earliest instant that is sure, so that no older payment is called missing."""
    return _created(record) if record.financial_status in PAID_ONCE else None


def _fulfilled(record: Record) -> Moment | None:
    return _last_fulfillment(record) if record.fulfillment_status == "fulfilled" else None


def _partially_fulfilled(record: Record) -> Moment | None:
    return _last_fulfillment(record) if record.fulfillment_status == "partial" else None


def _last_fulfillment(record: Record) -> Moment | None:
    done = [
        (one.created_at, one.id) for one in record.fulfillments or () if one.created_at and one.status != "cancelled"
    ]
    if not done:
        return None
    at, child = max(done)
    return at, str(child)


def _child_created(child: Child) -> Moment | None:
    return (child.created_at, str(child.id)) if child.created_at else None


def _child_updated(child: Child) -> Moment | None:
    return (child.updated_at, f"{child.id}:{iso(child.updated_at)}") if child.updated_at else None


def transaction_moment(child_id: int, status: str | None, at: datetime | None) -> Moment | None:
    """A transaction is told of once for each status it comes to: only success, failure and error are."""
    return (at, f"{child_id}:{status}" if status else str(child_id)) if at else None


# In the order in which facts of one instant are told.
WHOLE: dict[str, Callable[[Record], Moment | None]] = {
    "orders/create": _created,
    "customers/create": _created,
    "products/create": _created,
    "draft_orders/create": _created,
    "orders/paid": _paid,
    "orders/partially_fulfilled": _partially_fulfilled,
    "orders/fulfilled": _fulfilled,
    "orders/cancelled": _cancelled,
    "orders/updated": _updated,
    "customers/update": _updated,
    "products/update": _updated,
    "draft_orders/update": _updated,
}
CHILDREN: dict[str, tuple[str, Callable[[Child], Moment | None]]] = {
    "fulfillments/create": ("fulfillments", _child_created),
    FULFILLMENT_UPDATE: ("fulfillments", _child_updated),
    "refunds/create": ("refunds", _child_created),
}
