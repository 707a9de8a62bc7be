"""What a person does about transactions: settle one by hand, put one back on its ladder, have some asked about now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconcile.errors import ConfigError
from reconcile.ledger import transactions
from reconcile.ledger.ledger import Tx
from reconcile.model import EPOCH, TransactionStatus
from reconcile.transactions import hearing
from reconcile.transactions.transaction import State, Transaction


def resolve(tx: Tx, one: Transaction, note: str) -> None:
    """It is settled by hand: nobody asks about it or is told of it any more. What it came to stays as far as known."""
    (one,) = _now(tx, [one])
    transactions.save(tx, [replace(one, state=State.RESOLVED, note=note, ended_at=one.ended_at or tx.now)])
    hearing.close(tx, one, note)


def reopen(tx: Tx, one: Transaction) -> bool:
    """Back on its ladder, from the first asking, which is due at once; False for one that is on it already."""
    (one,) = _now(tx, [one])
    if one.state is State.PENDING:
        return False
    begun = replace(one, attempts=0, since=EPOCH, ended_at=None, changed_at=None, note="")
    transactions.save(tx, [replace(begun, state=State.PENDING, status=TransactionStatus.PENDING)])
    hearing.close(tx, one, "it is asked about again")
    return True


def ask_now(tx: Tx, some: Iterable[Transaction]) -> int:
    """Put those that wait, or were given up, at the head of the queue; how many."""
    asked = [one for one in _now(tx, some) if one.state in (State.PENDING, State.UNRESOLVED)]
    for one in asked:
        hearing.ask_now(tx, one)
    return len(asked)


def _now(tx: Tx, some: Iterable[Transaction]) -> list[Transaction]:
    """These as they are now, under lock: what one has come to since it was looked up must stay (P1).

    Raises `ConfigError` if one of them is gone.
    """
    in_order = sorted(some, key=lambda one: (one.source, str(one.subject)))  # nobody waits in a circle
    return [_one_now(tx, one) for one in in_order]


def _one_now(tx: Tx, one: Transaction) -> Transaction:
    now = transactions.known(tx, one.source, [one.subject], lock=True).get(one.subject)
    if now is None:
        raise ConfigError(
            f"{one.source}: {one.subject} is not kept any more: it ended long ago, and was purged at this moment; "
            "nothing was changed"
        )
    return now
