"""What became of a payment: of one transaction of an order, and of the order's money as a whole.

A transaction is asked for with its order (`orders/ORDER/transactions/ID.json`), so its subject names both:
`order_transaction/ORDER/ID`. Statuses: https://shopify.dev/docs/api/admin-rest, resources "Transaction" and "Order".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec

from connectors.shopify.shapes import Instant
from reconcile import surrogates
from reconcile.model import Reported, Snapshot, Subject, TransactionStatus

T = TypeVar("T")
ORDER, TRANSACTION = "order", "order_transaction"

_SUCCEEDED, _PENDING = TransactionStatus.SUCCEEDED, TransactionStatus.PENDING
STATUSES = {
    TRANSACTION: {
        "success": _SUCCEEDED,
        "failure": TransactionStatus.FAILED,
        "error": TransactionStatus.FAILED,
    },
    ORDER: {
        "paid": _SUCCEEDED,
        "partially_refunded": _SUCCEEDED,
        "refunded": TransactionStatus.REFUNDED,
        "voided": TransactionStatus.CANCELLED,
        "expired": TransactionStatus.CANCELLED,
    },
}


class Movement(msgspec.Struct):
    """One transaction of an order."""

    id: int
    order_id: int | None = None
    kind: str = ""
    status: str | None = None
    amount: str | None = None
    currency: str | None = None
    created_at: Instant | None = None
    processed_at: Instant | None = None


class _Refund(msgspec.Struct):
    id: int
    order_id: int | None = None
    transactions: list[Movement] | None = None


class _Order(msgspec.Struct):
    id: int
    financial_status: str | None = None
    total_price: str | None = None
    currency: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    refunds: list[_Refund] | None = None


MOVEMENT, _REFUND = msgspec.json.Decoder(Movement), msgspec.json.Decoder(_Refund)
ORDER_BODY = msgspec.json.Decoder(_Order)


def told(topic: str, body: bytes) -> Sequence[Reported]:
    """What an order, refund or transaction tells; raises `ValueError` if it cannot be read."""
    family = topic.partition("/")[0]
    if topic == "orders/delete":
        return ()
    if family == "orders" and topic != "orders/edited":
        return of_order(_decode(ORDER_BODY, body))
    if family == "order_transactions":
        return of_movements([_decode(MOVEMENT, body)], None)
    if family == "refunds":
        refund = _decode(_REFUND, body)
        return of_movements(refund.transactions or (), refund.order_id)
    return ()


def listed(snapshot: Snapshot) -> Sequence[Reported]:
    """A listed order's money; read in full only while there is something to wait for."""
    if snapshot.subject.type != ORDER:
        return ()
    raw = snapshot.fields.financial_status or ""
    come_to = STATUSES[ORDER].get(raw, _PENDING)
    if come_to.terminal and not snapshot.fields.refunds:
        return (Reported(snapshot.subject, come_to, raw, changed_at=snapshot.at),)
    return of_order(ORDER_BODY.decode(snapshot.body)) if raw else ()


def subject_of(id_: str) -> Subject | None:
    """`1001` names an order, `1001/2002` one of its transactions."""
    order, slash, movement = id_.partition("/")
    if not is_id(order) or (slash and not is_id(movement)):
        return None
    return Subject(TRANSACTION if slash else ORDER, id_)


def is_id(text: str) -> bool:
    """Whether Shopify could have given it: an id of anything else is asked for in vain, or somewhere else."""
    return text.isascii() and text.isdigit()


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return surrogates.decode(decoder, body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a Shopify webhook body: {error}") from None


def of_order(order: _Order) -> list[Reported]:
    """The order's own money first, then the movements of its refunds."""
    found = [one for refund in order.refunds or () for one in of_movements(refund.transactions or (), order.id)]
    raw = order.financial_status
    if not raw:
        return found
    return [
        Reported(
            subject=Subject(ORDER, str(order.id)),
            status=STATUSES[ORDER].get(raw, _PENDING),
            raw=raw,
            amount=_amount(order.total_price),
            currency=order.currency or "",
            at=_utc(order.created_at),
            changed_at=_utc(order.updated_at),
        ),
        *found,
    ]


def of_movements(movements: Sequence[Movement], order: int | None) -> list[Reported]:
    """Those that name their order, or are told with it."""
    named = [(one, one.order_id or order) for one in movements]
    return [_of_movement(one, parent) for one, parent in named if parent]


def _of_movement(movement: Movement, order: int) -> Reported:
    raw = movement.status or ""
    status = STATUSES[TRANSACTION].get(raw, _PENDING)
    return Reported(
        subject=Subject(TRANSACTION, f"{order}/{movement.id}"),
        status=status,
        raw=raw,
        amount=_amount(movement.amount),
        currency=movement.currency or "",
        at=_utc(movement.created_at),
        changed_at=_utc(movement.processed_at) if status.terminal else None,
    )


def _amount(text: str | None) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None


def _utc(when: datetime | None) -> datetime | None:
    return when.astimezone(UTC) if when else None
