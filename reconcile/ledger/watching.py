"""What whoever watches asks the ledger: open gaps with their events, when runs ended well, when deliveries came."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select, text

from reconcile.errors import ENDED_WELL
from reconcile.ledger.ledger import Tx
from reconcile.ledger.rowset import chunks
from reconcile.ledger.tables import events
from reconcile.ledger.tables_alerts import LIVE_EVENTS
from reconcile.ledger.tables_coverage import gaps
from reconcile.ledger.tables_runs import runs
from reconcile.ledger.tables_transactions import transactions
from reconcile.model import GapKind, Subject

#: Stands for the sources of a run of which nobody knows any more which they were.
EVERY = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """When the first run that named a source began, and when each job last ended well for each."""

    begun: dict[str, datetime] = field(default_factory=dict)
    well: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def since(self, job: str, source: str) -> datetime | None:
        """Since when `job` has ended well for `source` no more; one that never did counts from its first chance."""
        of = (source, EVERY)
        told = [*(self.well.get((job, one)) for one in of), *(self.begun.get(one) for one in of)]
        return next((one for one in told if one is not None), None)


@dataclass(frozen=True, slots=True)
class OpenGap:
    """An open gap, with how often its event was tried, if it has one."""

    id: int
    kind: GapKind
    key: str
    subject: Subject | None
    topic: str
    reason: str
    opened_at: datetime
    attempts: int


def open_gap_ids(tx: Tx, source: str, without: Collection[GapKind]) -> set[int]:
    """The numbers of a source's open gaps, but for those of some kinds."""
    query = select(gaps.c.id).where(gaps.c.state == "open", gaps.c.source == source, gaps.c.kind.not_in(without))
    return set(tx.connection.execute(query).scalars())


def open_gaps(tx: Tx, ids: Collection[int]) -> list[OpenGap]:
    """These gaps, oldest first; asked for a thousand at a time, since a statement may bind only so many values."""
    found: list[OpenGap] = []
    for some in chunks(sorted(ids), 1000):
        query = (
            select(gaps, events.c.attempts)
            .join_from(gaps, events, events.c.seq == gaps.c.seq, isouter=True)
            .where(gaps.c.id.in_(some))
            .order_by(gaps.c.id)
        )
        for row in tx.connection.execute(query):
            subject = Subject(row.subject_type, row.subject_id) if row.subject_type or row.subject_id else None
            kind, tries = GapKind(row.kind), row.attempts or 0
            found.append(OpenGap(row.id, kind, row.key, subject, row.topic, row.reason, row.opened_at, tries))
    return found


def left(tx: Tx, source: str, states: Collection[str]) -> list[Subject]:
    """A source's transactions in these states, by name."""
    query = select(transactions.c.type, transactions.c.id).where(transactions.c.source == source)
    return [Subject(*row) for row in tx.connection.execute(query.where(transactions.c.state.in_(states)))]


def seen(tx: Tx) -> Seen:
    """When runs began, and when they ended well, in one look at an index."""
    columns = (runs.c.jobs, runs.c.exit_code, runs.c.sources)
    query = select(*columns, func.min(runs.c.started_at), func.max(runs.c.finished_at)).group_by(*columns)
    found = Seen()
    for jobs, exit_code, sources, began, ended in tx.connection.execute(query):
        for source in sources.split() or (EVERY,):
            found.begun[source] = min(began, found.begun.get(source, began))
            if exit_code in ENDED_WELL:
                found.well.update(
                    {(job, source): max(ended, found.well.get((job, source), ended)) for job in jobs.split()}
                )
    return found


def last_live(tx: Tx, source: str) -> datetime | None:
    """When the newest live delivery of a source came."""
    query = select(events.c.recorded_at).where(events.c.source == source, text(LIVE_EVENTS))
    found: datetime | None = tx.connection.execute(query.order_by(events.c.recorded_at.desc()).limit(1)).scalar()
    return found


def live_within(tx: Tx, source: str, until: datetime, span: timedelta) -> int:
    """How many live deliveries of a source came within `span` before `until`, that one included."""
    query = select(func.count()).select_from(events).where(events.c.source == source, text(LIVE_EVENTS))
    recent = query.where(events.c.recorded_at > until - span, events.c.recorded_at <= until)
    return int(tx.connection.execute(recent).scalar_one())
