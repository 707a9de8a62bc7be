"""The ledger's tables. Their own metadata: a handler's models on `SQLModel.metadata` never mix with them.

Instants are stored as microseconds since 1970 (`types.Instant`), so that both engines order and compare them alike.
Text columns hold only what we made or sanitised; provider bytes go into BLOB/BYTEA columns untouched.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text, text
from sqlmodel import Field, SQLModel

from reconcile.ledger.types import Instant, Key

metadata_of_ledger = MetaData()


#: The rows of the partial index. A query must say it word for word, or SQLite does not use the index.
OPEN_EVENTS = "state in ('held','waiting','claimed','dead')"


class Base(SQLModel):
    """Parent of every table; gives them the ledger's own metadata."""

    metadata = metadata_of_ledger


def _text(*, default: str = "", primary_key: bool = False) -> Any:
    return Field(
        default=default, sa_column=Column(Text, nullable=False, primary_key=primary_key, server_default=default)
    )


def _instant(*, nullable: bool = True, primary_key: bool = False) -> Any:
    column = Column(Instant, nullable=nullable, primary_key=primary_key)
    return Field(default=None, sa_column=column) if nullable else Field(sa_column=column)


def _count(default: int = 0) -> Any:
    return Field(default=default, sa_column=Column(BigInteger, nullable=False, server_default=str(default)))


def _number() -> Any:
    return Field(default=None, sa_column=Column(BigInteger, nullable=True))


def _flag() -> Any:
    return Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))


class HorizonRow(Base, table=True):
    """The instant from which completeness of a topic is promised."""

    __tablename__ = "reconcile_horizon"
    source: str = _text(primary_key=True)
    topic: str = _text(primary_key=True)
    at: datetime = _instant(nullable=False)
    reason: str = _text()  # since | first_run | baseline


class SubjectRow(Base, table=True):
    """A subject some recorded event is about: its newest known version, and the row that recording locks."""

    __tablename__ = "reconcile_subject"
    source: str = _text(primary_key=True)
    type: str = _text(primary_key=True)
    id: str = _text(primary_key=True)
    version: int | None = _number()
    deleted_at: datetime | None = _instant()

    __table_args__ = (Index("ix_reconcile_subject_version", "source", "type", "version"),)


class EventRow(Base, table=True):
    """One event, whatever road it came by. Short, for it is written anew at every step on its way."""

    __tablename__ = "reconcile_event"
    seq: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    source: str = _text()
    id: str = _text()
    topic: str = _text()
    subject_type: str = _text()
    subject_id: str = _text()
    kind: str = _text()  # Occurrence
    fact: str = _text()  # key; "" when the body could not be read
    version: int | None = _number()  # of the subject, as the body has it
    carried: int | None = _number()  # the version this event accounts for: see `Candidate.carried`
    position: int = _count()  # order within the subject: occurred_at, else recorded_at, in microseconds
    occurred_at: datetime | None = _instant()
    recorded_at: datetime = _instant(nullable=False)
    origin: str = _text()
    reconstructed: int = _flag()
    api_version: str = _text()
    body_hash: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False, default=b""))  # SHA-256
    duplicates: int = _count()  # deliveries of it that came again
    absorbed: int = _flag()  # a rebuilt event that has absorbed its one later delivery
    run_id: str = _text()  # the run that recorded it; "" for live
    stream: str = _text()  # the stream that listed it; "" for live
    state: str = _text()  # EventState
    attempts: int = _count()
    next_at: datetime | None = _instant()
    handled_at: datetime | None = _instant()
    called_at: datetime | None = _instant()  # when the call that handled it began; no other row tells of that call
    call_took: int | None = _number()  # microseconds
    late: int = _flag()
    error: str = _text()
    claim_owner: str = _text()
    claim_fence: int = _count()
    claim_until: datetime | None = _instant()
    takeovers: int = _count()  # claims found abandoned: such an event is claimed alone

    __table_args__ = (
        Index("ux_reconcile_event_id", "source", "id", unique=True),
        Index("ix_reconcile_event_fact", "source", "fact"),
        Index("ix_reconcile_event_subject", "source", "subject_type", "subject_id", "carried"),
        Index("ix_reconcile_event_bytes", "source", "topic", "body_hash"),
        Index(
            "ix_reconcile_event_open",
            "source",
            "state",
            "position",
            sqlite_where=text(OPEN_EVENTS),
            postgresql_where=text(OPEN_EVENTS),
        ),
        Index(
            "ix_reconcile_event_run",
            "run_id",
            "source",
            "stream",
            sqlite_where=text("run_id <> ''"),
            postgresql_where=text("run_id <> ''"),
        ),
    )


class BodyRow(Base, table=True):
    """What an event carries. None of an event without a body, and none once it is kept no longer."""

    __tablename__ = "reconcile_body"
    seq: int = Field(sa_column=Column(Key, primary_key=True, autoincrement=False))
    headers: bytes = Field(default=b"{}", sa_column=Column(LargeBinary, nullable=False))  # JSON object
    body: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))


class AliasRow(Base, table=True):
    """Another id by which an event is known: a delivery it absorbed, or the id it had when it was rebuilt."""

    __tablename__ = "reconcile_alias"
    source: str = _text(primary_key=True)
    id: str = _text(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    seen_at: datetime = _instant(nullable=False)


class AttemptRow(Base, table=True):
    """One call of a target, for the timeline; the one that handled an event is told by the event's own row."""

    __tablename__ = "reconcile_attempt"
    id: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    seq: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    number: int = _count()
    started_at: datetime = _instant(nullable=False)
    finished_at: datetime = _instant(nullable=False)
    outcome: str = _text()  # failed | dead | superseded | refused | unknown; handled, of an event sent again
    error: str = _text()


class CoverageRow(Base, table=True):
    """A window of a stream whose every item is accounted for."""

    __tablename__ = "reconcile_coverage"
    id: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    source: str = _text()
    stream: str = _text()  # StreamRef as text
    fingerprint: str = _text()  # of (account, stream, filter)
    start: datetime = _instant(nullable=False)
    end: datetime = _instant(nullable=False)
    read_at: datetime = _instant(nullable=False)  # provider time when its listing began
    floors: str = _text(default="{}")  # JSON: topic → earliest fact time judged, microseconds
    run_id: str = _text()

    __table_args__ = (Index("ix_reconcile_coverage_stream", "source", "stream", "fingerprint", "start"),)


class CheckpointRow(Base, table=True):
    """An open window: how far its listing came."""

    __tablename__ = "reconcile_checkpoint"
    source: str = _text(primary_key=True)
    stream: str = _text(primary_key=True)
    fingerprint: str = _text(primary_key=True)
    start: datetime = _instant(nullable=False, primary_key=True)
    end: datetime = _instant(nullable=False, primary_key=True)
    read_at: datetime = _instant(nullable=False)
    floors: str = _text(default="{}")
    cursor: str = _text()
    pages: int = _count()
    items: int = _count()


class StreamRow(Base, table=True):
    """What is remembered of a stream between runs."""

    __tablename__ = "reconcile_stream"
    source: str = _text(primary_key=True)
    stream: str = _text(primary_key=True)
    fingerprint: str = _text()  # of the question it was last asked
    density: float = Field(default=0.0)  # items per second of provider time; 0 = unknown
    trusted: int = _flag()  # a baseline or a --force happened: the valve's ratio no longer applies
    valve_closed: int = _flag()
    error: str = _text()  # of the last run that read it


class GapRow(Base, table=True):
    """Something found wrong. One row per (source, kind, key); it is reopened, not repeated."""

    __tablename__ = "reconcile_gap"
    id: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    source: str = _text()
    kind: str = _text()  # GapKind
    key: str = _text()  # fact key, event id, subject, or stream
    stream: str = _text()
    subject_type: str = _text()
    subject_id: str = _text()
    topic: str = _text()
    seq: int | None = _number()  # the event, if there is one
    reason: str = _text()
    state: str = _text(default="open")  # open | ignored | closed
    note: str = _text()  # why it was ignored or closed
    opened_at: datetime = _instant(nullable=False)
    seen_at: datetime = _instant(nullable=False)
    closed_at: datetime | None = _instant()
    run_id: str = _text()
    start: datetime | None = _instant()  # of the stretch it speaks of, if any
    end: datetime | None = _instant()

    __table_args__ = (
        Index("ux_reconcile_gap_key", "source", "kind", "key", unique=True),
        Index("ix_reconcile_gap_state", "state", "source", "kind"),
        Index("ix_reconcile_gap_seq", "seq"),
    )


class RunRow(Base, table=True):
    """One run: started, window, result, code version. Without an end it crashed, once its process is gone."""

    __tablename__ = "reconcile_run"
    id: str = _text(primary_key=True)
    command: str = _text()
    jobs: str = _text()  # what it set out to do, separated by spaces
    started_at: datetime = _instant(nullable=False)
    finished_at: datetime | None = _instant()
    since: datetime | None = _instant()
    until: datetime | None = _instant()
    exit_code: int | None = _number()
    code_version: str = _text()
    host: str = _text()
    pid: int = _count()
    process_started: str = _text()
    report: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False, default=b""))  # JSON

    __table_args__ = (Index("ix_reconcile_run_result", "jobs", "exit_code", "finished_at", "started_at"),)


class RunStreamRow(Base, table=True):
    """The counts of one stream in one run, kept with each commit so that the valve can ask a crashed run too."""

    __tablename__ = "reconcile_run_stream"
    run_id: str = _text(primary_key=True)
    source: str = _text(primary_key=True)
    stream: str = _text(primary_key=True)
    listed: int = _count()
    already_handled: int = _count()
    superseded: int = _count()
    filtered: int = _count()
    events: int = _count()
    unlisted_gaps: int = _count()


class FindingRow(Base, table=True):
    """A listed item that was not simply handled, until its run has ended and counted it."""

    __tablename__ = "reconcile_finding"
    id: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    run_id: str = _text()
    source: str = _text()
    stream: str = _text()
    item: str = _text()  # the run's own number for the listed item
    seq: int | None = _number()
    gap_id: int | None = _number()
    recorded: int = _flag()  # this run recorded the event

    __table_args__ = (Index("ix_reconcile_finding_run", "run_id", "source", "stream", "item"),)


class LeaseRow(Base, table=True):
    """Who holds a (source, job), until when, and the fencing number its writes must carry."""

    __tablename__ = "reconcile_lease"
    source: str = _text(primary_key=True)
    job: str = _text(primary_key=True)
    holder: str = _text()  # "" = free
    host: str = _text()
    pid: int = _count()
    process_started: str = _text()
    fence: int = _count()
    since: datetime | None = _instant()
    until: datetime | None = _instant()


class TargetRow(Base, table=True):
    """Whether a source's target is paused, by hand or by failing."""

    __tablename__ = "reconcile_target"
    source: str = _text(primary_key=True)
    paused: str = _text()  # "" | hand | failing
    since: datetime | None = _instant()
    reason: str = _text()
    probe_at: datetime | None = _instant()
    failing: str = _text(default="[]")  # JSON: subjects that failed in a row


def _table(model: type[SQLModel]) -> Table:
    table = model.__table__  # type: ignore[attr-defined]  # SQLModel adds it to table=True classes
    assert isinstance(table, Table)  # noqa: S101 - narrows for mypy; true by construction
    return table


horizons = _table(HorizonRow)
subjects = _table(SubjectRow)
events = _table(EventRow)
bodies = _table(BodyRow)
aliases = _table(AliasRow)
attempts = _table(AttemptRow)
coverage = _table(CoverageRow)
checkpoints = _table(CheckpointRow)
streams = _table(StreamRow)
gaps = _table(GapRow)
runs = _table(RunRow)
run_streams = _table(RunStreamRow)
findings = _table(FindingRow)
leases = _table(LeaseRow)
targets = _table(TargetRow)
