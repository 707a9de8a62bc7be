"""Asking a shop what became of a payment, and the facts that the answer proves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from connectors.shopify.listing import Listing
from connectors.shopify.moments import PAID_ONCE, TRANSACTIONS, transaction_moment
from connectors.shopify.rebuild import rebuild
from connectors.shopify.status import (
    MOVEMENT,
    ORDER,
    ORDER_BODY,
    STATUSES,
    TRANSACTION,
    Movement,
    is_id,
    of_movements,
    of_order,
)
from reconcile.errors import NotFound, Rejected
from reconcile.http import ProviderClient
from reconcile.model import Candidate, Occurrence, Reported, Snapshot, Subject, TransactionStatus, micros

_PAID, _CANCELLED, _REFUNDED = "orders/paid", "orders/cancelled", "refunds/create"


class _One(msgspec.Struct):
    transaction: msgspec.Raw


class _All(msgspec.Struct):
    transactions: list[Movement]


_ONE, _ALL = msgspec.json.Decoder(_One), msgspec.json.Decoder(_All)


class Asking:
    """Asks one shop in one API version."""

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
        known = [id_ for id_ in ids if is_id(id_)]
        for snapshot in self._listing.some(client, "orders", known) if known else ():
            order = ORDER_BODY.decode(snapshot.body)
            if not order.financial_status or order.financial_status in PAID_ONCE:
                continue
            reported = of_order(order)[0]
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
        movement = MOVEMENT.decode(found.transaction)
        reported = of_movements([movement], int(order))[0]
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
        snapshot = self._listing.read(client, "orders", id_) if is_id(id_) else None
        if snapshot is None:
            return None
        order = ORDER_BODY.decode(snapshot.body)
        reported = of_order(order)[0] if order.financial_status else None
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
        if not (is_id(order) and is_id(movement)):
            return None
        return self._listing.path(f"orders/{order}/transactions/{movement}")
