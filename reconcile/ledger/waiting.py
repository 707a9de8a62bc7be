"""What waits to be handled: how much of it may still go before some instant, and what waits though nothing holds it."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import select

from reconcile.ledger import queue
from reconcile.ledger.ledger import Tx
from reconcile.ledger.queue import RETRY_HOLDS
from reconcile.ledger.tables import events as table
from reconcile.model import instant, micros

#: Somebody else's claim may come back at any moment: how long to wait before looking again.
LOOK_AGAIN = timedelta(seconds=1)
#: Waiting events that are named where nobody delivers them: each becomes a gap.
_MOST = 1000


class Due(NamedTuple):
    """How many events may be handled before the instant asked for, and when the first of them may be tried."""

    number: int
    next_at: datetime | None


def due(tx: Tx, source: str, until: datetime) -> Due:
    """What may still be handled before `until`: waiting events, unless an earlier one of their subject comes later
    than that, and events someone has claimed, which may come back at any moment.
    """
    held = queue.hands(tx, source)
    waiting = list(queue.in_time(queue.whole(tx, source), micros(until), RETRY_HOLDS))
    tries = [instant(event.next_at) for event in queue.free(waiting, held.subjects, RETRY_HOLDS)]
    tries += [tx.now + LOOK_AGAIN] if held.number else []
    return Due(len(waiting) + held.number, min(tries, default=None))


def unhandled(tx: Tx, source: str) -> list[Any]:
    """Rows that are due and free and yet wait: no retry, claim or hold explains it. A pause might: ask for that."""
    free = queue.free(queue.whole(tx, source), queue.hands(tx, source).subjects, RETRY_HOLDS)
    seqs = list(islice((event.seq for event in free if event.next_at <= micros(tx.now)), _MOST))
    query = select(table).where(table.c.seq.in_(seqs)).order_by(table.c.position, table.c.seq)
    return list(tx.connection.execute(query))
