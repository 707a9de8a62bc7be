"""The ledger's tables: what of a stream is proven, how far its open windows came, and what was found wrong."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index
from sqlmodel import Field

from reconcile.ledger.columns import Base, count, flag, instant, number, string, table_of
from reconcile.ledger.types import Key


class HorizonRow(Base, table=True):
    """The instant from which completeness of a topic is promised."""

    __tablename__ = "reconcile_horizon"
    source: str = string(primary_key=True)
    topic: str = string(primary_key=True)
    at: datetime = instant(nullable=False)
    reason: str = string()  # since | first_run | serve | daemon | baseline | purged


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


horizons = table_of(HorizonRow)
coverage = table_of(CoverageRow)
checkpoints = table_of(CheckpointRow)
streams = table_of(StreamRow)
gaps = table_of(GapRow)
