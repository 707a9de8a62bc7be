"""Totals for the metrics, in few statements: each reads a small index or adds up what runs counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text

from reconcile.ledger.gaps import OPEN
from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables_alerts import OPEN_INCIDENTS, incidents
from reconcile.ledger.tables_coverage import gaps
from reconcile.ledger.tables_transactions import PENDING, transactions
from reconcile.model import instant


@dataclass(frozen=True, slots=True)
class Ended:
    """The finished runs of the same jobs with the same exit code: how many, how long in all (seconds), the newest."""

    jobs: tuple[str, ...]
    exit_code: int
    number: int
    seconds: float
    newest: datetime


@dataclass(frozen=True, slots=True)
class Counted:
    """What all runs counted of one source's listed items, and the events they recorded because they were missing."""

    source: str
    listed: int
    already_handled: int
    superseded: int
    filtered: int
    recorded: int


def ended(tx: Tx) -> list[Ended]:
    """Every finished run, by jobs and exit code."""
    rows = tx.connection.execute(
        text("""
        select jobs, exit_code, count(*), sum(finished_at - started_at), max(finished_at) from reconcile_run
        where finished_at is not null and exit_code is not null group by jobs, exit_code order by jobs, exit_code
        """)
    )
    return [
        Ended(tuple(jobs.split()), int(code), int(number), int(took) / 1e6, instant(int(newest)))
        for jobs, code, number, took, newest in rows
    ]


def counted(tx: Tx) -> list[Counted]:
    """What runs counted, by source."""
    rows = tx.connection.execute(
        text("""
        select source, sum(listed), sum(already_handled), sum(superseded), sum(filtered), sum(events)
        from reconcile_run_stream group by source order by source
        """)
    )
    return [Counted(source, *map(int, numbers)) for source, *numbers in rows]


def oldest_gap(tx: Tx) -> datetime | None:
    """Since when the oldest open gap is open."""
    found: datetime | None = tx.connection.execute(
        select(func.min(gaps.c.opened_at)).where(gaps.c.state == OPEN)
    ).scalar()
    return found


def pending_transactions(tx: Tx) -> dict[str, int]:
    """How many transactions are waited for, by source."""
    query = select(transactions.c.source, func.count()).where(text(PENDING)).group_by(transactions.c.source)
    return {source: int(number) for source, number in tx.connection.execute(query)}


def open_incidents(tx: Tx) -> dict[tuple[str, str], int]:
    """How many incidents are open, by source and kind."""
    named = (incidents.c.source, incidents.c.kind)
    query = select(*named, func.count()).where(text(OPEN_INCIDENTS)).group_by(*named)
    return {(source, kind): int(number) for source, kind, number in tx.connection.execute(query)}
