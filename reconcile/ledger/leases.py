"""Leases per (source, job): one runner works, everyone else is told who.

A lease is a row with a fencing number that every acquisition raises. Whoever writes under a lease calls `check` in
the same transaction, so that a runner that slept through its lease can commit nothing (L1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, select, update
from sqlalchemy.sql import ColumnElement

from reconcile.errors import Busy, LeaseLost
from reconcile.ledger.ledger import Tx
from reconcile.ledger.process import Holder
from reconcile.ledger.sql import insert
from reconcile.ledger.tables_runs import leases as table
from reconcile.model import iso

__all__ = ["LIFE", "RENEW_EVERY", "Holder", "Lease", "acquire", "check", "held", "release", "renew"]

LIFE = timedelta(seconds=30)
RENEW_EVERY = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on (source, job), until then unless renewed; `fence` proves it."""

    source: str
    job: str
    holder: Holder
    fence: int
    until: datetime


def acquire(tx: Tx, source: str, job: str, holder: Holder) -> Lease:
    """Take a lease that is free, ran out, or whose holder's process is gone; `Busy` names the holder otherwise."""
    tx.connection.execute(insert(tx.dialect, table).values(source=source, job=job).on_conflict_do_nothing())
    row = tx.connection.execute(select(table).where(_of(source, job)).with_for_update()).one()
    if _is_held(row, tx.now):
        held = f"{job} of {source} is held by {row.host}:{row.pid} since {iso(row.since)}"
        raise Busy(f"{held}; run again when that one has ended")
    lease = Lease(source, job, holder, row.fence + 1, tx.now + LIFE)
    values = {
        "holder": holder.name,
        "host": holder.host,
        "pid": holder.pid,
        "process_started": holder.process_started,
        "fence": lease.fence,
        "since": tx.now,
        "until": lease.until,
    }
    tx.connection.execute(update(table).where(_of(source, job)).values(values))
    return lease


def renew(tx: Tx, lease: Lease) -> Lease:
    """Hold on for another 30 s, also after it ran out if nobody took it; `LeaseLost` if somebody did."""
    until = tx.now + LIFE
    if not tx.connection.execute(update(table).where(_held_by(lease)).values(until=until)).rowcount:
        raise _lost(lease)
    return replace(lease, until=until)


def check(tx: Tx, lease: Lease) -> None:
    """Raise `LeaseLost` unless the lease is still ours; nobody can take it before this commit is made."""
    query = select(table.c.fence).where(_held_by(lease)).with_for_update(read=True)
    if tx.connection.execute(query).first() is None:
        raise _lost(lease)


def held(tx: Tx) -> list[tuple[str, str, Holder, datetime]]:
    """Every lease that somebody holds now: its source and job, its holder, and since when."""
    query = select(table).where(table.c.holder != "").order_by(table.c.source, table.c.job)
    rows = [row for row in tx.connection.execute(query) if _is_held(row, tx.now)]
    return [(row.source, row.job, _holder(row), row.since) for row in rows]


def release(tx: Tx, lease: Lease) -> None:
    """Give it back; one that was lost already belongs to somebody else and stays theirs."""
    tx.connection.execute(update(table).where(_held_by(lease)).values(holder="", since=None, until=None))


def _is_held(row: Row[Any], now: datetime) -> bool:
    if not row.holder or row.until <= now:
        return False
    return not _holder(row).gone()


def _holder(row: Row[Any]) -> Holder:
    return Holder(row.holder, row.host, row.pid, row.process_started)


def _of(source: str, job: str) -> ColumnElement[bool]:
    return and_(table.c.source == source, table.c.job == job)


def _held_by(lease: Lease) -> ColumnElement[bool]:
    return and_(_of(lease.source, lease.job), table.c.fence == lease.fence, table.c.holder == lease.holder.name)


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(
        f"the lease on {lease.job} of {lease.source} was taken by another runner; this one abandons its work,"
        " what it committed before stays"
    )
