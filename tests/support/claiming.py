"""Claims as tests make them, and the marks on them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from reconcile.ledger import Ledger, Tx, claims
from reconcile.ledger.claims import Claimed
from reconcile.ledger.marks import Call
from reconcile.ledger.process import Holder, owner_name

ME = owner_name(Holder.me().name)
OTHER = "elsewhere:1:abcd:boot/1"
RETRY = (timedelta(seconds=10), timedelta(minutes=1))


def take(ledger: Ledger, limit: int = 10, owner: str = ME, **options: Any) -> Claimed:
    """Claim events of the source `shop` in a transaction of its own."""
    with ledger.write() as tx:
        return claims.claim(tx, "shop", owner, limit, **options)


def seqs(claimed: Claimed) -> list[int]:
    """Which events were claimed, in order."""
    return [row.seq for row in claimed.rows]


def call(tx: Tx, row: Any, number: int = 1, error: str = "") -> Call:
    """A call that took no time."""
    return Call(row, number, tx.now, tx.now, error)
