"""Letting go of what need not be kept: what events carry, later the keys by which they are known, and old runs.

Each call does one batch, so that nobody waits long for the ledger. Only what is done with is let go: an event that
waits, is held or is dead keeps all it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, and_, delete, select

from reconcile.ledger import horizons
from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables import aliases, attempts, bodies, coverage, events, gaps, run_streams, runs, streams
from reconcile.model import DONE_STATES

#: Rows looked at in one commit.
BATCH = 2000
#: Runs that are kept whatever their age: what `status` shows, and the last success of each job.
RUNS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Batch:
    """How many rows went, and after which to look next; None at the end."""

    gone: int
    after: int | None


def payloads(tx: Tx, source: str, before: datetime, after: int) -> Batch:
    """Let go of the bodies and headers of events recorded before `before`, from row `after` on."""
    joined = bodies.join(events, events.c.seq == bodies.c.seq)
    query = select(events.c.seq, events.c.recorded_at, events.c.state, events.c.source).select_from(joined)
    rows = tx.connection.execute(query.where(bodies.c.seq > after).order_by(bodies.c.seq).limit(BATCH)).all()
    old = [row for row in rows if row.recorded_at < before and row.state in DONE_STATES and row.source == source]
    _delete(tx, bodies, [row.seq for row in old])
    # Rows are numbered in the order they were recorded: after a batch of young ones there are no old ones.
    more = len(rows) == BATCH and any(row.recorded_at < before for row in rows)
    return Batch(len(old), rows[-1].seq if more else None)


def keys(tx: Tx, source: str, before: datetime, after: int) -> Batch:
    """Forget events that were recorded and happened before `before`, from row `after` on, with all that names them."""
    query = select(events.c.seq, events.c.recorded_at, events.c.occurred_at, events.c.state)
    query = query.where(events.c.source == source, events.c.seq > after).order_by(events.c.seq).limit(BATCH)
    rows = tx.connection.execute(query).all()
    old = [
        row.seq
        for row in rows
        if row.recorded_at < before
        and (row.occurred_at is None or row.occurred_at < before)
        and row.state in DONE_STATES
    ]
    for table in (aliases, attempts, bodies, gaps, events):
        _delete(tx, table, old)
    more = len(rows) == BATCH and any(row.recorded_at < before for row in rows)
    return Batch(len(old), rows[-1].seq if more else None)


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
    tx.connection.execute(delete(run_streams).where(run_streams.c.run_id.in_(ids)))
    return tx.connection.execute(delete(runs).where(runs.c.id.in_(ids))).rowcount


def _delete(tx: Tx, table: Table, seqs: list[int]) -> None:
    # Overwritten with zeros on SQLite, where deleted bytes otherwise stay in the file until they are used again.
    if tx.dialect == "sqlite":
        tx.connection.exec_driver_sql("PRAGMA secure_delete = ON")
    for start in range(0, len(seqs), 500):
        tx.connection.execute(delete(table).where(table.c.seq.in_(seqs[start : start + 500])))
