"""How claims live on while their owner works, and come back once nobody does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import func, select, text, update

from reconcile.ledger import marks
from reconcile.ledger.claims import CLAIM_LIFE, lock
from reconcile.ledger.ledger import Tx
from reconcile.ledger.marks import Call
from reconcile.ledger.process import owner_gone
from reconcile.ledger.tables import OPEN_EVENTS
from reconcile.ledger.tables import events as table
from reconcile.model import EventState

#: How often an owner renews its claims.
RENEW_EVERY = timedelta(seconds=10)


def renew(tx: Tx, owner: str, fences: Mapping[int, int]) -> set[int]:
    """Prolong claims, `{seq: fence}`; the seqs of those that somebody took over.

    A claim that ran out but that nobody took is still ours. A row that a handler's own transaction has locked is left
    alone: nobody can take it over either.
    """
    if not fences:
        return set()
    these = select(table.c.seq, table.c.state, table.c.claim_owner, table.c.claim_fence)
    found = list(tx.connection.execute(these.where(table.c.seq.in_(list(fences)))))
    taken = {row.seq for row in found if row.claim_fence != fences[row.seq]}
    ours = [row.seq for row in found if row.seq not in taken and row.state == EventState.CLAIMED]
    locked = select(table.c.seq).where(table.c.seq.in_(ours)).order_by(table.c.seq).with_for_update(skip_locked=True)
    free = tx.connection.execute(locked).scalars().all()
    longer = update(table).where(
        table.c.seq.in_(free), table.c.state == EventState.CLAIMED, table.c.claim_owner == owner
    )
    tx.connection.execute(longer.values(claim_until=tx.now + CLAIM_LIFE))
    return taken


def sweep(tx: Tx, source: str, retry: Sequence[timedelta], gone: Callable[[str], bool] = owner_gone) -> int:
    """Put abandoned claims back: those that ran out, and those whose owner `gone` says is no more. Says how many.

    Nobody knows whether the call was made, so a call of unknown outcome is noted. It counts as an attempt when the
    event alone can have been at fault: its owner held no other, or it was abandoned before and so claimed alone.
    """
    lock(tx, source)
    query = select(table).where(table.c.source == source, text(OPEN_EVENTS))
    query = query.where(table.c.state == EventState.CLAIMED)
    claimed = list(tx.connection.execute(query.order_by(table.c.seq).with_for_update(skip_locked=True)))
    dead_owners = {owner for owner in {row.claim_owner for row in claimed} if gone(owner)}
    stale = [
        row for row in claimed if row.claim_until is None or row.claim_until < tx.now or row.claim_owner in dead_owners
    ]
    if not stale:
        return 0
    alone = _holding_one(tx, {row.claim_owner for row in stale})
    calls = [
        Call(row, row.attempts + 1, tx.now, tx.now, f"its dispatcher {row.claim_owner} went away") for row in stale
    ]
    marks.abandon(tx, calls, retry, {row.seq for row in stale if row.claim_owner in alone})
    return len(stale)


def _holding_one(tx: Tx, owners: Iterable[str]) -> set[str]:
    """Those owners whose process had exactly one event in hand, over all sources."""
    query = select(table.c.claim_owner, func.count()).where(text(OPEN_EVENTS), table.c.state == EventState.CLAIMED)
    query = query.where(table.c.claim_owner.in_(list(owners))).group_by(table.c.claim_owner)
    return {owner for owner, number in tx.connection.execute(query) if number == 1}
