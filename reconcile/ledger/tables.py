"""The ledger's tables. Their own metadata: a handler's models on `SQLModel.metadata` never mix with them.

Instants are stored as microseconds since 1970 (`types.Instant`), so that both engines order and compare them alike.
Text columns hold only what we made or sanitised; provider bytes go into BLOB/BYTEA columns untouched.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, LargeBinary, text
from sqlmodel import Field

from reconcile.ledger.columns import Base, count, flag, instant, number, string, table_of
from reconcile.ledger.types import Key

#: The rows of the partial index. A query must say it word for word, or SQLite does not use the index.
OPEN_EVENTS = "state in ('held','waiting','claimed','dead')"


class HorizonRow(Base, table=True):
    """The instant from which completeness of a topic is promised."""

    __tablename__ = "reconcile_horizon"
    source: str = string(primary_key=True)
    topic: str = string(primary_key=True)
    at: datetime = instant(nullable=False)
    reason: str = string()  # since | first_run | serve | daemon | baseline | purged


class SubjectRow(Base, table=True):
    """A subject some recorded event is about: its newest known version, and the row that recording locks."""

    __tablename__ = "reconcile_subject"
    source: str = string(primary_key=True)
    type: str = string(primary_key=True)
    id: str = string(primary_key=True)
    version: int | None = number()
    deleted_at: datetime | None = instant()

    __table_args__ = (Index("ix_reconcile_subject_version", "source", "type", "version"),)


class EventRow(Base, table=True):
    """One event, whatever road it came by. Short, for it is written anew at every step on its way."""

    __tablename__ = "reconcile_event"
    seq: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    source: str = string()
    id: str = string()
    topic: str = string()
    subject_type: str = string()
    subject_id: str = string()
    kind: str = string()  # Occurrence
    fact: str = string()  # key; "" when the body could not be read
    version: int | None = number()  # of the subject, as the body has it
    carried: int | None = number()  # the version this event accounts for: see `Candidate.carried`
    position: int = count()  # order within the subject: occurred_at, else recorded_at, in microseconds
    occurred_at: datetime | None = instant()
    recorded_at: datetime = instant(nullable=False)
    origin: str = string()
    reconstructed: int = flag()
    api_version: str = string()
    body_hash: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False, default=b""))  # SHA-256
    duplicates: int = count()  # deliveries of it that came again
    absorbed: int = flag()  # a rebuilt event that has absorbed its one later delivery
    run_id: str = string()  # the run that recorded it; "" for live
    stream: str = string()  # the stream that listed it; "" for live
    state: str = string()  # EventState
    attempts: int = count()
    next_at: datetime | None = instant()
    handled_at: datetime | None = instant()
    called_at: datetime | None = instant()  # when the call that handled it began; no other row tells of that call
    call_took: int | None = number()  # microseconds
    late: int = flag()
    error: str = string()
    claim_owner: str = string()
    claim_fence: int = count()
    claim_until: datetime | None = instant()
    takeovers: int = count()  # claims found abandoned: such an event is claimed alone

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
    source: str = string(primary_key=True)
    id: str = string(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    seen_at: datetime = instant(nullable=False)


class AttemptRow(Base, table=True):
    """One call of a target, for the timeline; the one that handled an event is told by the event's own row."""

    __tablename__ = "reconcile_attempt"
    id: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    seq: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    number: int = count()
    started_at: datetime = instant(nullable=False)
    finished_at: datetime = instant(nullable=False)
    outcome: str = string()  # failed | dead | superseded | refused | unknown; handled, of an event sent again
    error: str = string()


class CoverageRow(Base, table=True):
    """A window of a stream whose every item is accounted for."""

    __tablename__ = "reconcile_coverage"
    id: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    source: str = string()
    stream: str = string()  # StreamRef as text
    fingerprint: str = string()  # of (account, stream, filter)
    start: datetime = instant(nullable=False)
    end: datetime = instant(nullable=False)
    read_at: datetime = instant(nullable=False)  # provider time when its listing began
    floors: str = string(default="{}")  # JSON: topic → earliest fact time judged, microseconds
    run_id: str = string()

    __table_args__ = (Index("ix_reconcile_coverage_stream", "source", "stream", "fingerprint", "start"),)


class CheckpointRow(Base, table=True):
    """An open window: how far its listing came."""

    __tablename__ = "reconcile_checkpoint"
    source: str = string(primary_key=True)
    stream: str = string(primary_key=True)
    fingerprint: str = string(primary_key=True)
    start: datetime = instant(nullable=False, primary_key=True)
    end: datetime = instant(nullable=False, primary_key=True)
    read_at: datetime = instant(nullable=False)
    floors: str = string(default="{}")
    cursor: str = string()
    pages: int = count()
    items: int = count()


class StreamRow(Base, table=True):
    """What is remembered of a stream between runs."""

    __tablename__ = "reconcile_stream"
    source: str = string(primary_key=True)
    stream: str = string(primary_key=True)
    fingerprint: str = string()  # of the question it was last asked
    density: float = Field(default=0.0)  # items per second of provider time; 0 = unknown
    trusted: int = flag()  # a baseline or a --force happened: the valve's ratio no longer applies
    valve_closed: int = flag()
    error: str = string()  # of the last run that read it


class GapRow(Base, table=True):
    """Something found wrong. One row per (source, kind, key); it is reopened, not repeated."""

    __tablename__ = "reconcile_gap"
    id: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    source: str = string()
    kind: str = string()  # GapKind
    key: str = string()  # fact key, event id, subject, or stream
    stream: str = string()
    subject_type: str = string()
    subject_id: str = string()
    topic: str = string()
    seq: int | None = number()  # the event, if there is one
    reason: str = string()
    state: str = string(default="open")  # open | ignored | closed
    note: str = string()  # why it was ignored or closed
    opened_at: datetime = instant(nullable=False)
    seen_at: datetime = instant(nullable=False)
    closed_at: datetime | None = instant()
    run_id: str = string()
    start: datetime | None = instant()  # of the stretch it speaks of, if any
    end: datetime | None = instant()

    __table_args__ = (
        Index("ux_reconcile_gap_key", "source", "kind", "key", unique=True),
        Index("ix_reconcile_gap_state", "state", "source", "kind"),
        Index("ix_reconcile_gap_seq", "seq"),
    )


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


class TargetRow(Base, table=True):
    """Whether a source's target is paused, by hand or by failing."""

    __tablename__ = "reconcile_target"
    source: str = string(primary_key=True)
    paused: str = string()  # "" | hand | failing
    since: datetime | None = instant()
    reason: str = string()
    probe_at: datetime | None = instant()
    failing: str = string(default="[]")  # JSON: subjects that failed in a row


horizons = table_of(HorizonRow)
subjects = table_of(SubjectRow)
events = table_of(EventRow)
bodies = table_of(BodyRow)
aliases = table_of(AliasRow)
attempts = table_of(AttemptRow)
coverage = table_of(CoverageRow)
checkpoints = table_of(CheckpointRow)
streams = table_of(StreamRow)
gaps = table_of(GapRow)
runs = table_of(RunRow)
run_streams = table_of(RunStreamRow)
findings = table_of(FindingRow)
leases = table_of(LeaseRow)
targets = table_of(TargetRow)
