"""Deliveries that share a commit come to what they would have come to one after the other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.pending import known, one, receiver_of, shop_at, signed
from support.running import NOON, Bench

from reconcile.model import TransactionStatus, iso
from reconcile.receiving.parcel import Parcel
from reconcile.sandbox.clock import SettableClock


@pytest.fixture
def bench(tmp_path, ledger_url):
    """A shop that is told of its payments."""
    made = Bench(tmp_path, ledger_url, SettableClock(NOON))
    shop_at(made)
    yield made
    made.ledger.close()


def together(bench: Bench, *orders: tuple[str, str, float]) -> None:
    """Store deliveries about one order, each with its topic, money and minutes after noon, in one commit."""
    receiver = receiver_of(bench)
    parcels = []
    for topic, money, minutes in orders:
        at = iso(NOON + timedelta(minutes=minutes))
        body = f'{{"id": 7, "created_at": "{iso(NOON)}", "updated_at": "{at}", "financial_status": "{money}"}}'.encode()
        headers = {name.lower(): value for name, value in signed(bench, "shop", topic, body, f"{topic} {at}").items()}
        entry = receiver.enter("shop", headers, "")
        parcels.append(receiver.take(entry, headers, body))
    assert all(isinstance(parcel, Parcel) for parcel in parcels)
    assert [answer.status for answer in receiver.store(parcels)] == [200] * len(parcels)


def test_an_older_delivery_in_the_same_commit_does_not_undo_an_end(bench):
    """P1: refunded, and late in the same commit the word that it was paid: it stays refunded."""
    together(bench, ("orders/create", "pending", 0))
    together(bench, ("orders/cancelled", "refunded", 9), ("orders/paid", "paid", 3))
    assert one(bench, 7).status is TransactionStatus.REFUNDED


def test_a_transaction_that_begins_and_ends_in_one_commit_is_not_left_on_the_ladder(bench):
    """P5: nobody has to ask about what its own delivery has told the end of."""
    together(bench, ("orders/create", "pending", 0), ("orders/paid", "paid", 3))
    assert [(found.subject.id, found.status) for found in known(bench)] == [("7", TransactionStatus.SUCCEEDED)]
