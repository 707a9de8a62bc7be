"""Calls of a target, for the timeline. The call that handled an event is told by the event's own row, which is written
for the mark in any case; every other call has a row of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Row, Select, insert, literal, select, type_coerce, union_all

from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables import attempts as table
from reconcile.ledger.tables import events
from reconcile.ledger.types import Instant
from reconcile.model import micros

_COLUMNS = ("seq", "number", "started_at", "finished_at", "outcome", "error")
_HANDLED = "handled"
_ENDED = type_coerce(type_coerce(events.c.called_at, BigInteger) + events.c.call_took, Instant)


def row(seq: int, number: int, started: datetime, finished: datetime, outcome: str, error: str = "") -> dict[str, Any]:
    """One call as `note` takes it; `number` is the attempt's, from 1, and the times are UTC."""
    return dict(zip(_COLUMNS, (seq, number, started, finished, outcome, error), strict=True))


def note(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """Keep calls that did not handle their event."""
    if rows:
        tx.connection.execute(insert(table), rows)


def handled_by(number: int, started: datetime, finished: datetime) -> dict[str, Any]:
    """The columns of an event that tell of the call that handled it."""
    return {"attempts": number, "called_at": started, "call_took": micros(finished) - micros(started)}


def set_aside(tx: Tx, seq: int) -> None:
    """Give the call that handled an event a row of its own: the event's will tell of another one."""
    tx.connection.execute(insert(table).from_select(_COLUMNS, _of_events([seq])))


def listed(tx: Tx, seqs: Sequence[int]) -> list[Row[Any]]:
    """Every call of a target for these events, oldest first."""
    noted = select(*(table.c[name] for name in _COLUMNS)).where(table.c.seq.in_(seqs))
    both = union_all(noted, _of_events(seqs))
    return list(tx.connection.execute(both.order_by(both.selected_columns.started_at, both.selected_columns.number)))


def _of_events(seqs: Sequence[int]) -> Select[Any]:
    told = (events.c.seq, events.c.attempts.label("number"), events.c.called_at.label("started_at"))
    how = (_ENDED.label("finished_at"), literal(_HANDLED).label("outcome"), literal("").label("error"))
    return select(*told, *how).where(events.c.seq.in_(seqs), events.c.called_at.is_not(None))
