"""Letting go of what need not be kept: what events carry, later the keys by which they are known, and what is over.

Each call does one batch, so that nobody waits long for the ledger. Only what is done with is let go: an event that
waits, is held or is dead keeps all it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Table, and_, delete, exists, func, or_, select, tuple_

from reconcile.ledger import horizons, subjects
from reconcile.ledger.ledger import Tx
from reconcile.ledger.rowset import chunks
from reconcile.ledger.tables import aliases, attempts, bodies, events
from reconcile.ledger.tables_alerts import incidents as incident
from reconcile.ledger.tables_alerts import mails, notices, recipients
from reconcile.ledger.tables_coverage import coverage, gaps, streams
from reconcile.ledger.tables_runs import findings, run_streams, runs
from reconcile.ledger.tables_transactions import transactions as transaction
from reconcile.model import DONE_STATES, Subject

#: Rows looked at in one commit.
BATCH = 2000
#: Runs that are kept whatever their age: what `status` shows, and the last success of each job.
RUNS_KEPT = 1000

_LOOK = tuple(
    events.c[name] for name in ("seq", "source", "subject_type", "subject_id", "recorded_at", "occurred_at", "state")
)


@dataclass(frozen=True, slots=True)
class Batch:
    """How many rows went, and after which to look next; None at the end."""

    gone: int
    after: int | None


def payloads(tx: Tx, source: str, before: datetime, after: int) -> Batch:
    """Let go of the bodies and headers of events recorded before `before`, from row `after` on."""
    joined = bodies.join(events, events.c.seq == bodies.c.seq)
    query = select(*_LOOK).select_from(joined)
    rows = tx.connection.execute(query.where(bodies.c.seq > after).order_by(bodies.c.seq).limit(BATCH)).all()
    old = [row for row in rows if row.recorded_at < before and row.state in DONE_STATES and row.source == source]
    gone = _held(tx, source, old)
    _delete(tx, bodies, gone)
    # Rows are numbered in the order they were recorded: after a batch of young ones there are no old ones.
    more = len(rows) == BATCH and any(row.recorded_at < before for row in rows)
    return Batch(len(gone), rows[-1].seq if more else None)


def keys(tx: Tx, source: str, before: datetime, after: int) -> Batch:
    """Forget events that were recorded and happened before `before`, from row `after` on, with all that names them."""
    query = select(*_LOOK).where(events.c.source == source, events.c.seq > after).order_by(events.c.seq).limit(BATCH)
    rows = tx.connection.execute(query).all()
    old = [
        row
        for row in rows
        if row.recorded_at < before
        and (row.occurred_at is None or row.occurred_at < before)
        and row.state in DONE_STATES
    ]
    kept = _last_told(tx)
    gone = [seq for seq in _held(tx, source, old) if seq != kept]
    for table in (aliases, attempts, bodies, gaps, events):
        _delete(tx, table, gone)
    if gone:
        horizons.forgot(tx, source, before)
    more = len(rows) == BATCH and any(row.recorded_at < before for row in rows)
    return Batch(len(gone), rows[-1].seq if more else None)


def _last_told(tx: Tx) -> int | None:
    """The event of the newest gap: it stays, for as long, because SQLite would give the gap's number to the next one,
    and people were told it.
    """
    return tx.connection.execute(select(gaps.c.seq).order_by(gaps.c.id.desc()).limit(1)).scalar()


def forgettable(tx: Tx, source: str, wanted: datetime) -> datetime:
    """`wanted`, or the beginning of the first hole of any stream where that is earlier.

    What is still to be read must find the keys of what was recorded, or would take it for missed.
    """
    horizon = min(horizons.get(tx, source).values(), default=wanted)
    read = tx.connection.execute(select(streams.c.stream).where(streams.c.source == source)).scalars()
    frontiers = dict.fromkeys(read, horizon)
    asked_now = and_(
        streams.c.source == coverage.c.source,
        streams.c.stream == coverage.c.stream,
        streams.c.fingerprint == coverage.c.fingerprint,
    )
    proven = tx.connection.execute(
        select(coverage.c.stream, coverage.c.start, coverage.c.end)
        .join(streams, asked_now)
        .where(coverage.c.source == source, coverage.c.end > horizon)
        .order_by(coverage.c.stream, coverage.c.start)
    )
    for stream, start, end in proven:
        reached = frontiers[stream]
        frontiers[stream] = max(reached, end) if start <= reached else reached
    return min([wanted, *frontiers.values()])


def old_runs(tx: Tx, before: datetime) -> int:
    """Forget runs that ended before `before`, but for the newest."""
    newest = tx.connection.execute(select(runs.c.id).order_by(runs.c.id.desc()).limit(RUNS_KEPT)).scalars().all()
    query = select(runs.c.id).where(runs.c.id < min(newest, default=""), runs.c.finished_at < before).limit(BATCH)
    ids = tx.connection.execute(query).scalars().all()
    for table in (run_streams, findings):  # the latter are left only of runs that were killed
        tx.connection.execute(delete(table).where(table.c.run_id.in_(ids)))
    return tx.connection.execute(delete(runs).where(runs.c.id.in_(ids))).rowcount


def transactions(tx: Tx, before: datetime) -> int:
    """Forget transactions that ended before `before`: what is listed of them from then on has ended too."""
    key = tuple_(transaction.c.source, transaction.c.type, transaction.c.id)
    over = transaction.c.state.in_(("settled", "resolved")), transaction.c.ended_at < before
    old = select(transaction.c.source, transaction.c.type, transaction.c.id).where(*over).limit(BATCH)
    # Once more, for one that is reopened at this moment: on PostgreSQL the list is older than the row it waits for.
    return tx.connection.execute(delete(transaction).where(*over, key.in_(old))).rowcount


def incidents(tx: Tx, before: datetime) -> int:
    """Forget incidents that were closed before `before` and are told to the end, with what was told of them; also those
    of whose beginning nobody was told, where no one tells.

    The newest one stays: SQLite gives the number of a last row that is gone to the next one, and whoever acknowledges
    the number in an old mail would silence another incident.
    """
    untold = and_(incident.c.happened == 0, ~exists().where(notices.c.incident_id == incident.c.id))
    over = or_(incident.c.settled == 1, untold), incident.c.closed_at < before
    newest = select(func.max(incident.c.id)).scalar_subquery()
    query = select(incident.c.id).where(*over, incident.c.id < newest).limit(BATCH)
    old = tx.connection.execute(query).scalars().all()
    tx.connection.execute(delete(notices).where(notices.c.incident_id.in_(old)))
    gone = tx.connection.execute(delete(incident).where(incident.c.id.in_(old))).rowcount
    told = exists().where(notices.c.mail_id == mails.c.id)
    waits = exists().where(recipients.c.mail_id == mails.c.id, recipients.c.state == "queued")
    idle = select(mails.c.id).where(mails.c.created_at < before, ~told, ~waits)
    unneeded = tx.connection.execute(idle.limit(BATCH)).scalars().all()
    tx.connection.execute(delete(recipients).where(recipients.c.mail_id.in_(unneeded)))
    return gone + tx.connection.execute(delete(mails).where(mails.c.id.in_(unneeded))).rowcount


def _held(tx: Tx, source: str, old: Sequence[Row[Any]]) -> list[int]:
    """The events of `old` that are still done with, held until the commit: one of them may have come again since it was
    looked at, or be replayed, and then it needs all it has.
    """
    if not old:
        return []
    named = {Subject(row.subject_type, row.subject_id) for row in old}
    subjects.lock(tx, source, sorted(named, key=str))
    still = select(events.c.seq).where(events.c.seq.in_([row.seq for row in old]), events.c.state.in_(DONE_STATES))
    return list(tx.connection.execute(still.order_by(events.c.seq).with_for_update(skip_locked=True)).scalars())


def _delete(tx: Tx, table: Table, seqs: list[int]) -> None:
    # Overwritten with zeros on SQLite, where deleted bytes otherwise stay in the file until they are used again.
    if tx.dialect == "sqlite":
        tx.connection.exec_driver_sql("PRAGMA secure_delete = ON")
    for some in chunks(seqs, 500):
        tx.connection.execute(delete(table).where(table.c.seq.in_(some)))
