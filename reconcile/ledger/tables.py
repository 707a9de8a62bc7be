"""The ledger's tables: events, whom they are about, what they carry, what became of them and where they go.

They have their own metadata: a handler's models on `SQLModel.metadata` never mix with them. Instants are stored as
microseconds since 1970 (`types.Instant`), so that both engines order and compare them alike. Text columns hold only
what we made or sanitised; provider bytes go into BLOB/BYTEA columns untouched.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, LargeBinary, text
from sqlmodel import Field

from reconcile.ledger.columns import Base, count, flag, instant, number, string, table_of
from reconcile.ledger.types import Key

#: The rows of the partial index. A query must say it word for word, or SQLite does not use the index.
OPEN_EVENTS = "state in ('held','waiting','claimed','dead')"


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


class TargetRow(Base, table=True):
    """Whether a source's target is paused, by hand or by failing."""

    __tablename__ = "reconcile_target"
    source: str = string(primary_key=True)
    paused: str = string()  # "" | hand | failing
    since: datetime | None = instant()
    reason: str = string()
    probe_at: datetime | None = instant()
    failing: str = string(default="[]")  # JSON: subjects that failed in a row


subjects = table_of(SubjectRow)
events = table_of(EventRow)
bodies = table_of(BodyRow)
aliases = table_of(AliasRow)
attempts = table_of(AttemptRow)
targets = table_of(TargetRow)
