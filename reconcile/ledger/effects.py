"""A handler's effect and the mark that its event is handled, in one commit: exactly once.

The mark is refused unless the claim is still ours, and then the effect is undone with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, Update, bindparam, exists, select, update
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlmodel import Session

from reconcile import failpoints
from reconcile.clock import Clock
from reconcile.ledger import gaps
from reconcile.ledger.errors import explain
from reconcile.ledger.handler_session import HandlerSession
from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables import events
from reconcile.ledger.tables_coverage import gaps as gap_table
from reconcile.model import EventState, micros

_READ_BACK_WAITS = (0.0, 0.2, 0.5, 1.0, 2.0)  # seconds before each try; a server that fails over needs a few


class Effect(StrEnum):
    """What became of a handler's transaction."""

    KEPT = "kept"  # committed, with the mark
    UNMARKED = "unmarked"  # there was none, and the mark could not be written
    UNDONE = "undone"
    LOST = "lost"  # undone: the claim is another's; or nobody can say


@dataclass(frozen=True, slots=True)
class Settled:
    """How it ended, and why if not well."""

    effect: Effect
    error: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """What `mark_handled` writes: the claim's fencing number, the attempt's number and its times, UTC."""

    seq: int
    fence: int
    number: int
    started_at: datetime
    finished_at: datetime


_CLAIM = (events.c.seq == bindparam("which"), events.c.claim_fence == bindparam("fence"))
_GAP_OPEN = exists().where(gap_table.c.seq == bindparam("which"), gap_table.c.state == "open")
_HANDLE = (
    update(events)
    .where(*_CLAIM, events.c.state == EventState.CLAIMED.value)
    .values(
        state=EventState.HANDLED.value,
        handled_at=bindparam("finished"),
        called_at=bindparam("started"),
        call_took=bindparam("took"),
        attempts=bindparam("number"),
        next_at=None,
        error="",
        claim_owner="",
        claim_until=None,
    )
    .returning(_GAP_OPEN)
)
_STATE = select(events.c.state).where(*_CLAIM)


def mark_handled(connection: Connection, mark: Mark) -> bool:
    """Mark a claimed event handled and note the call, in the connection's transaction; False if the claim is lost.

    Open gaps about the event close with it.
    """
    row = _run(connection, _HANDLE, **_bound(mark)).fetchone()
    if row is None:
        return False
    if row[0]:
        gaps.close_for_events(Tx(connection, connection.dialect.name, mark.finished_at), [mark.seq])
    return True


def _bound(mark: Mark) -> dict[str, int]:
    started, finished = micros(mark.started_at), micros(mark.finished_at)
    times = {"started": started, "finished": finished, "took": finished - started}
    return {"which": mark.seq, "fence": mark.fence, "number": mark.number} | times


def _run(connection: Connection, statement: Update, **values: int) -> DBAPICursor:
    """Execute on the driver's own cursor: SQLAlchemy's way there would cost more than the rest of the mark."""
    compiled, constants = _compiled(statement, connection.dialect)
    parameters = {**constants, **values}
    names = compiled.positiontup
    cursor = connection.connection.cursor()
    cursor.execute(compiled.string, tuple(parameters[name] for name in names) if names else parameters)
    return cursor


@cache
def _compiled(statement: Update, dialect: Dialect) -> tuple[SQLCompiler, dict[str, Any]]:
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)  # noqa: S101 - narrows for mypy: these are no DDL
    return compiled, dict(compiled.params)


def settle(session: HandlerSession, mark: Mark, clock: Clock) -> Settled:
    """End the transaction of a handler that returned: its effect and the mark are kept together, or neither is."""
    untouched = session.untouched
    try:
        refused = _mark(session, mark)
    except Exception as error:  # noqa: BLE001 - a flush runs the application's own hooks too
        session.drop()
        if untouched:
            return Settled(Effect.UNMARKED)
        return Settled(Effect.UNDONE, f"what the handler left in its session could not be written: {_text(error)}")
    if refused is not None:
        session.drop()
        return refused
    return _keep(session, mark, clock)


def _mark(session: HandlerSession, mark: Mark) -> Settled | None:
    fault = session.fault()
    if fault:
        return Settled(Effect.UNDONE, fault)
    session.flush()
    if not mark_handled(session.held(), mark):
        return Settled(Effect.LOST, "another dispatcher took over the claim; what the handler wrote was undone")
    return None


def _keep(session: HandlerSession, mark: Mark, clock: Clock) -> Settled:
    failpoints.reach("handler.before_commit")
    try:
        session.keep()
    except SQLAlchemyError as error:
        bind = session.get_bind().engine  # its connection may be the one that failed
        session.drop()
        with Session(bind) as other:
            return _read_back(other, mark, clock, str(explain(error)))
    failpoints.reach("handler.committed")
    session.drop()
    return Settled(Effect.KEPT)


def _read_back(session: Session, mark: Mark, clock: Clock, why: str) -> Settled:
    """The answer to COMMIT may be lost although the commit is not: the row knows."""
    for wait in _READ_BACK_WAITS:
        clock.wait(wait)
        try:
            return _standing(session, mark, why)
        except SQLAlchemyError as error:
            session.rollback()
            why = str(explain(error))
    return Settled(Effect.LOST, f"whether the effect was committed is not known: {why}")


def _standing(session: Session, mark: Mark, why: str) -> Settled:
    # The lock waits for a backend that is still committing; reading without it could see the state before.
    bound = {"which": mark.seq, "fence": mark.fence}
    state = session.connection().execute(_STATE.with_for_update(), bound).scalar()
    session.rollback()
    if state == EventState.HANDLED:
        return Settled(Effect.KEPT)
    if state == EventState.CLAIMED:
        return Settled(Effect.UNDONE, why)
    return Settled(Effect.LOST, why)


def _text(error: Exception) -> str:
    """Its kind and first line; the lines after it quote statements and values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return f"{type(cause).__name__}: {(str(cause).splitlines() or [''])[0]}"
