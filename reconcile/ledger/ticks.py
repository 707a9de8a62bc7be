"""The turns of schedules: several daemons on one ledger find the same turn due, and one of them takes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from reconcile.ledger.ledger import Tx
from reconcile.ledger.sql import insert
from reconcile.ledger.tables_schedules import ticks as table


def newest(tx: Tx, schedules: Sequence[str]) -> dict[str, datetime]:
    """The newest turn taken of each schedule that ever had one."""
    query = select(table.c.schedule, table.c.due_at).where(table.c.schedule.in_(schedules))
    return {row.schedule: row.due_at for row in tx.connection.execute(query)}


def take(tx: Tx, schedule: str, due: datetime, by: str, *, beyond: datetime | None = None) -> bool:
    """Take the turn that was due at `due`; False if that one, or a newer one, was taken before.

    One from after `beyond` does not count: it was taken by a clock that was ahead.
    """
    values = {"due_at": due, "taken_at": tx.now, "by": by}
    statement = insert(tx.dialect, table).values(schedule=schedule, **values)
    free = table.c.due_at < statement.excluded.due_at
    if beyond is not None:
        free = or_(free, table.c.due_at > beyond)
    statement = statement.on_conflict_do_update(index_elements=["schedule"], set_=values, where=free)
    return tx.connection.execute(statement.returning(table.c.schedule)).first() is not None


def give_back(tx: Tx, schedule: str, by: str) -> None:
    """Let the newest turn be taken once more, if it was taken by `by`: nothing came of it."""
    ours = (table.c.schedule == schedule, table.c.by == by)
    due: datetime | None = tx.connection.execute(select(table.c.due_at).where(*ours).with_for_update()).scalar()
    if due is not None:
        before = due - timedelta(microseconds=1)
        tx.connection.execute(update(table).where(*ours).values(due_at=before, by=""))
