"""Whether a source's target is paused, by hand or because it keeps failing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, or_, select, update

from reconcile.ledger.ledger import Tx
from reconcile.ledger.sql import insert
from reconcile.ledger.tables import targets as table

HAND, FAILING = "hand", "failing"


@dataclass(frozen=True, slots=True)
class TargetState:
    """`paused` is "", "hand" or "failing"; `probe_at` is when to try again; `failing` are the subjects that failed."""

    paused: str = ""
    since: datetime | None = None
    reason: str = ""
    probe_at: datetime | None = None
    failing: tuple[str, ...] = ()


def get(tx: Tx, source: str) -> TargetState:
    """The state of a source's target."""
    row = tx.connection.execute(select(table).where(table.c.source == source)).first()
    return TargetState(row.paused, row.since, row.reason, row.probe_at, _decode(row.failing)) if row else TargetState()


def pause(tx: Tx, source: str, by: str, reason: str, probe_at: datetime | None = None) -> bool:
    """Stop delivering. By hand is stronger: failing changes nothing then. False if it was paused so already."""
    row = _lock(tx, source)
    if row.paused in {by, HAND}:
        return False
    values = {"paused": by, "since": tx.now, "reason": reason, "probe_at": None if by == HAND else probe_at}
    tx.connection.execute(update(table).where(table.c.source == source).values(values))
    return True


def resume(tx: Tx, source: str) -> bool:
    """Deliver again; False if it was not paused."""
    was = bool(_lock(tx, source).paused)
    tx.connection.execute(update(table).where(table.c.source == source).values(_RUNNING))
    return was


def note_failure(tx: Tx, source: str, subject: str) -> int:
    """Count a failed delivery of the kind that says the target is ill; how many different subjects failed in a row."""
    failing = _decode(_lock(tx, source).failing)
    if subject not in failing:
        failing = (*failing, subject)
        text = msgspec.json.encode(failing).decode()
        tx.connection.execute(update(table).where(table.c.source == source).values(failing=text))
    return len(failing)


def note_success(tx: Tx, source: str) -> bool:
    """End the row of failures, and the pause they caused; whether there was such a pause. Writes only if needed."""
    state = get(tx, source)
    if state.failing or state.paused == FAILING:
        running = {**_RUNNING} if state.paused == FAILING else {"failing": _RUNNING["failing"]}
        tx.connection.execute(
            update(table).where(table.c.source == source, table.c.paused == state.paused).values(running)
        )
    return state.paused == FAILING


def schedule_probe(tx: Tx, source: str, at: datetime) -> bool:
    """Put the next probe off to `at`; True for the one caller who may make the probe that is due now."""
    due = (
        table.c.source == source,
        table.c.paused == FAILING,
        or_(table.c.probe_at.is_(None), table.c.probe_at <= tx.now),
    )
    return bool(tx.connection.execute(update(table).where(*due).values(probe_at=at)).rowcount)


_RUNNING: dict[str, Any] = {"paused": "", "since": None, "reason": "", "probe_at": None, "failing": "[]"}


def _lock(tx: Tx, source: str) -> Row[Any]:
    tx.connection.execute(insert(tx.dialect, table).values(source=source).on_conflict_do_nothing())
    return tx.connection.execute(select(table).where(table.c.source == source).with_for_update()).one()


def _decode(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])
