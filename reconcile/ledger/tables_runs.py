"""The ledger's tables: runs and what they counted, and who holds a job."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index, LargeBinary
from sqlmodel import Field

from reconcile.ledger.columns import Base, count, flag, instant, number, string, table_of
from reconcile.ledger.types import Key


class RunRow(Base, table=True):
    """One run: started, window, result, code version. Without an end it crashed, once its process is gone."""

    __tablename__ = "reconcile_run"
    id: str = string(primary_key=True)
    command: str = string()
    jobs: str = string()  # what it set out to do, separated by spaces
    sources: str = string()  # for which sources, likewise; empty for runs of before this was kept
    started_at: datetime = instant(nullable=False)
    finished_at: datetime | None = instant()
    since: datetime | None = instant()
    until: datetime | None = instant()
    exit_code: int | None = number()
    code_version: str = string()
    host: str = string()
    pid: int = count()
    process_started: str = string()
    report: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False, default=b""))  # JSON

    __table_args__ = (Index("ix_reconcile_run_result", "jobs", "exit_code", "sources", "finished_at", "started_at"),)


class RunStreamRow(Base, table=True):
    """The counts of one stream in one run, kept with each commit so that the valve can ask a crashed run too."""

    __tablename__ = "reconcile_run_stream"
    run_id: str = string(primary_key=True)
    source: str = string(primary_key=True)
    stream: str = string(primary_key=True)
    listed: int = count()
    already_handled: int = count()
    superseded: int = count()
    filtered: int = count()
    beside: int = count()  # of `filtered`: repeats, and what lay outside the windows
    unfinished: int = count()  # of windows that are listed anew if the run is killed now: what left no row of its own
    events: int = count()
    unlisted_gaps: int = count()


class FindingRow(Base, table=True):
    """A listed item that was not simply handled, until its run has ended and counted it."""

    __tablename__ = "reconcile_finding"
    id: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    run_id: str = string()
    source: str = string()
    stream: str = string()
    item: str = string()  # the run's own number for the listed item
    seq: int | None = number()
    gap_id: int | None = number()
    recorded: int = flag()  # this run recorded the event

    __table_args__ = (Index("ix_reconcile_finding_run", "run_id", "source", "stream", "item"),)


class LeaseRow(Base, table=True):
    """Who holds a (source, job), until when, and the fencing number its writes must carry."""

    __tablename__ = "reconcile_lease"
    source: str = string(primary_key=True)
    job: str = string(primary_key=True)
    holder: str = string()  # "" = free
    host: str = string()
    pid: int = count()
    process_started: str = string()
    fence: int = count()
    since: datetime | None = instant()
    until: datetime | None = instant()


runs = table_of(RunRow)
run_streams = table_of(RunStreamRow)
findings = table_of(FindingRow)
leases = table_of(LeaseRow)
