"""Event rows for tests of what comes after recording."""

from __future__ import annotations

import itertools
from typing import Any

from sqlalchemy import insert, update

from reconcile.ledger import attempts, bodies
from reconcile.ledger.tables import events
from reconcile.model import EventState, Occurrence, Origin

_numbers = itertools.count(1)


def add_event(tx, **values: Any) -> int:
    """Insert one waiting event, due now, of order 1; its seq."""
    number = next(_numbers)
    row = {
        "source": "shop",
        "id": f"evt_{number}",
        "topic": "orders/updated",
        "subject_type": "order",
        "subject_id": "1",
        "kind": Occurrence.STATE,
        "version": number,
        "position": number,
        "recorded_at": tx.now,
        "origin": Origin.LIVE,
        "headers": b"{}",
        "body": b'{"id": 1}',
        "state": EventState.WAITING,
        "next_at": tx.now,
    } | values
    row.setdefault("carried", row["version"])
    own, contents = bodies.split(row)
    seq = tx.connection.execute(insert(events).values(own).returning(events.c.seq)).scalar_one()
    bodies.add(tx, [(seq, contents)])
    return seq


def change(ledger, seq: int, **values: Any) -> None:
    """Set columns of one event."""
    with ledger.write() as tx:
        tx.connection.execute(update(events).where(events.c.seq == seq).values(**values))


def event(ledger, seq: int) -> Any:
    """One event row."""
    with ledger.read() as tx:
        return tx.connection.execute(bodies.whole_events().where(events.c.seq == seq)).one()


def states(ledger, *seqs: int) -> list[str]:
    """The states of events, in the order asked."""
    return [event(ledger, seq).state for seq in seqs]


def outcomes(ledger, seq: int) -> list[str]:
    """How each noted call of an event ended, in order."""
    with ledger.read() as tx:
        return [one.outcome for one in attempts.listed(tx, [seq])]
