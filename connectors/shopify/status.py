"""What became of a payment: of one transaction of an order, and of the order's money as a whole.

A transaction is asked for with its order (`orders/ORDER/transactions/ID.json`), so its subject names both:
`order_transaction/ORDER/ID`. Statuses: https://shopify.dev/docs/api/admin-rest, resources "Transaction" and "Order".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec

from connectors.shopify.listing import Listing
from connectors.shopify.moments import PAID_ONCE, TRANSACTIONS, transaction_moment
from connectors.shopify.rebuild import rebuild
from connectors.shopify.shapes import Instant
from reconcile import surrogates
from reconcile.errors import NotFound, Rejected
from reconcile.http import ProviderClient
from reconcile.model import Candidate, Occurrence, Reported, Snapshot, Subject, TransactionStatus, micros

T = TypeVar("T")
ORDER, TRANSACTION = "order", "order_transaction"
_PAID, _CANCELLED, _REFUNDED = "orders/paid", "orders/cancelled", "refunds/create"

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


class _One(msgspec.Struct):
    transaction: msgspec.Raw


class _All(msgspec.Struct):
    transactions: list[Movement]


_MOVEMENT, _REFUND = msgspec.json.Decoder(Movement), msgspec.json.Decoder(_Refund)
_ORDER = msgspec.json.Decoder(_Order)
_ONE, _ALL = msgspec.json.Decoder(_One), msgspec.json.Decoder(_All)


def told(topic: str, body: bytes) -> Sequence[Reported]:
    """What an order, refund or transaction tells; raises `ValueError` if it cannot be read."""
    family = topic.partition("/")[0]
    if topic == "orders/delete":
        return ()
    if family == "orders" and topic != "orders/edited":
        return _of_order(_decode(_ORDER, body))
    if family == "order_transactions":
        return _of_movements([_decode(_MOVEMENT, body)], None)
    if family == "refunds":
        refund = _decode(_REFUND, body)
        return _of_movements(refund.transactions or (), refund.order_id)
    return ()


def listed(snapshot: Snapshot) -> Sequence[Reported]:
    """A listed order's money; read in full only while there is something to wait for."""
    if snapshot.subject.type != ORDER:
        return ()
    raw = snapshot.fields.financial_status or ""
    come_to = STATUSES[ORDER].get(raw, _PENDING)
    if come_to.terminal and not snapshot.fields.refunds:
        return (Reported(snapshot.subject, come_to, raw, changed_at=snapshot.at),)
    return _of_order(_ORDER.decode(snapshot.body)) if raw else ()


class Asking:
    """Asks one shop in one API version. `subscribed` facts are built of what an answer shows."""

    def __init__(self, shop: str, api_version: str) -> None:
        self._listing = Listing(shop, api_version)
        self._version = api_version
        self._ways: dict[str, Callable[[ProviderClient, str], Reported | None]] = {
            ORDER: self._order,
            TRANSACTION: self._transaction,
        }

    def status(self, client: ProviderClient, subject: Subject) -> Reported | None:
        """The order or transaction as it is now, with the facts of a terminal status; None if there is none."""
        if subject.type not in self._ways:
            raise Rejected(f"Shopify has no {subject.type} with a status; there are: {', '.join(self._ways)}")
        return self._ways[subject.type](client, subject.id)

    def orders(self, client: ProviderClient, ids: Sequence[str]) -> Iterator[Reported]:
        """What one list says of many orders. One that was paid is left out: when, only a further question tells."""
        known = [id_ for id_ in ids if _is_id(id_)]
        for snapshot in self._listing.some(client, "orders", known) if known else ():
            order = _ORDER.decode(snapshot.body)
            if not order.financial_status or order.financial_status in PAID_ONCE:
                continue
            reported = _of_order(order)[0]
            facts = self._proven(snapshot, reported, None) if reported.status.terminal else ()
            yield replace(reported, facts=tuple(facts))

    def _transaction(self, client: ProviderClient, id_: str) -> Reported | None:
        order, _, movement_id = id_.partition("/")
        path = self._path(order, movement_id)
        if path is None:
            return None
        try:
            found = client.get_json(path, _ONE)
        except NotFound:
            return None
        movement = _MOVEMENT.decode(found.transaction)
        reported = _of_movements([movement], int(order))[0]
        return replace(reported, facts=tuple(self._settled(movement, order, bytes(found.transaction))))

    def _settled(self, movement: Movement, order: str, body: bytes) -> Iterator[Candidate]:
        """The topic fires for success, failure and error only (shopify.dev, `order_transactions/create`)."""
        moment = transaction_moment(movement.id, movement.status, movement.processed_at or movement.created_at)
        if moment and movement.status in STATUSES[TRANSACTION]:
            at = moment[0].astimezone(UTC)
            yield Candidate(
                TRANSACTIONS, Subject(ORDER, order), Occurrence.DATED, at, micros(at), lambda: body,
                occurrence=moment[1], api_version=self._version, whole=False,
            )  # fmt: skip

    def _order(self, client: ProviderClient, id_: str) -> Reported | None:
        snapshot = self._listing.read(client, "orders", id_) if _is_id(id_) else None
        if snapshot is None:
            return None
        order = _ORDER.decode(snapshot.body)
        reported = _of_order(order)[0] if order.financial_status else None
        if reported is None or not reported.status.terminal:
            return reported
        paid_at = self._paid_at(client, id_) if order.financial_status in PAID_ONCE else None
        return replace(reported, facts=tuple(self._proven(snapshot, reported, paid_at)))

    def _paid_at(self, client: ProviderClient, order: str) -> datetime | None:
        """When the last successful sale or capture was processed: the order itself does not say when it was paid."""
        movements = client.get_json(self._listing.path(f"orders/{order}/transactions"), _ALL).transactions
        taken = [one for one in movements if one.kind in ("sale", "capture") and one.status == "success"]
        return max((at for one in taken if (at := one.processed_at or one.created_at)), default=None)

    def _proven(self, snapshot: Snapshot, reported: Reported, paid_at: datetime | None) -> list[Candidate]:
        topics = {_CANCELLED} if reported.status is TransactionStatus.CANCELLED else {_PAID}
        topics |= {_REFUNDED} if reported.status is TransactionStatus.REFUNDED else set()
        facts = [self._dated(one, paid_at) for one in rebuild(snapshot, frozenset(topics), self._version)]
        return sorted(facts, key=lambda one: one.occurred_at)

    @staticmethod
    def _dated(candidate: Candidate, paid_at: datetime | None) -> Candidate:
        """What no list can build, for want of its time, an answer can."""
        if candidate.topic != _PAID or paid_at is None:
            return candidate
        return msgspec.structs.replace(candidate, occurred_at=paid_at.astimezone(UTC), reason="")

    def _path(self, order: str, movement: str) -> str | None:
        if not (_is_id(order) and _is_id(movement)):
            return None
        return self._listing.path(f"orders/{order}/transactions/{movement}")


def subject_of(id_: str) -> Subject | None:
    """`1001` names an order, `1001/2002` one of its transactions."""
    order, slash, movement = id_.partition("/")
    if not _is_id(order) or (slash and not _is_id(movement)):
        return None
    return Subject(TRANSACTION if slash else ORDER, id_)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return surrogates.decode(decoder, body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a Shopify webhook body: {error}") from None


def _of_order(order: _Order) -> list[Reported]:
    """The order's own money first, then the movements of its refunds."""
    found = [one for refund in order.refunds or () for one in _of_movements(refund.transactions or (), order.id)]
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


def _of_movements(movements: Sequence[Movement], order: int | None) -> list[Reported]:
    named = [(one, one.order_id or order) for one in movements]
    return [_of_movement(one, of_order) for one, of_order in named if of_order]


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
