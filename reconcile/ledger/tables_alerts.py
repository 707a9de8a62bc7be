"""The ledger's tables: incidents, the mails about them, and who silenced them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, text
from sqlmodel import Field

from reconcile.ledger.columns import Base, count, flag, instant, string, table_of
from reconcile.ledger.tables import events
from reconcile.ledger.types import Key

#: The rows of the partial indexes. A query must say them word for word, or SQLite does not use the index.
OPEN_INCIDENTS = "state = 'open'"
UNSETTLED_INCIDENTS = "settled = 0"
LIVE_EVENTS = "origin = 'live'"
UNSENT = "state in ('queued','dead')"


class IncidentRow(Base, table=True):
    """One episode of something people are told of; when it comes back after it was closed, it is another row."""

    __tablename__ = "reconcile_incident"
    id: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    source: str = string()
    kind: str = string()  # IncidentKind
    key: str = string()
    state: str = string(default="open")  # open | closed
    settled: int = flag()  # closed, and nothing about it is left to tell
    happened: int = flag()  # over as soon as it was: told once, without a recovery
    summary: str = string()
    tried: str = string()  # what was tried, "" for what its kind always tries
    note: str = string()  # why it was closed
    command: str = string()  # the command line that resolves it
    reference: str = string()
    amount: str = string()
    currency: str = string()
    third_party: int = flag()  # the source's third parties are told too
    since: datetime = instant(nullable=False)
    opened_at: datetime = instant(nullable=False)
    seen_at: datetime = instant(nullable=False)
    closed_at: datetime | None = instant()
    acked_at: datetime | None = instant()
    snoozed_until: datetime | None = instant()

    __table_args__ = (
        Index(
            "ux_reconcile_incident_open",
            "source",
            "kind",
            "key",
            unique=True,
            sqlite_where=text(OPEN_INCIDENTS),
            postgresql_where=text(OPEN_INCIDENTS),
        ),
        Index(
            "ix_reconcile_incident_unsettled",
            "state",
            "id",
            sqlite_where=text(UNSETTLED_INCIDENTS),
            postgresql_where=text(UNSETTLED_INCIDENTS),
        ),
    )


class NoticeRow(Base, table=True):
    """That one audience is told one thing of one incident, and in which mail: never twice (A2)."""

    __tablename__ = "reconcile_notice"
    id: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    incident_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: str = string()  # opened | repeated | escalated | cleared
    audience: str = string()  # operators | third-party | escalation
    step: int = count()  # which repetition, or which step of the escalation
    mail_id: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    at: datetime = instant(nullable=False)

    __table_args__ = (Index("ux_reconcile_notice_once", "incident_id", "state", "audience", "step", unique=True),)


class MailRow(Base, table=True):
    """A mail as it is to be sent, however often that takes: the same bytes under the same Message-ID (A3)."""

    __tablename__ = "reconcile_mail"
    id: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    message_id: str = string()
    audience: str = string()
    source: str = string()  # of a third party's mail
    step: int = count()  # of an escalation
    subject: str = string()
    plain: str = string()
    html: str = string()
    created_at: datetime = instant(nullable=False)

    __table_args__ = (Index("ux_reconcile_mail_message", "message_id", unique=True),)


class RecipientRow(Base, table=True):
    """One address a mail goes to: each is accepted, put off or refused by itself (A6)."""

    __tablename__ = "reconcile_recipient"
    mail_id: int = Field(sa_column=Column(BigInteger, nullable=False, primary_key=True))
    address: str = string(primary_key=True)
    state: str = string(default="queued")  # queued | sent | dead
    attempts: int = count()
    next_at: datetime = instant(nullable=False)
    error: str = string()
    done_at: datetime | None = instant()

    __table_args__ = (
        Index(
            "ix_reconcile_recipient_unsent",
            "state",
            "next_at",
            sqlite_where=text(UNSENT),
            postgresql_where=text(UNSENT),
        ),
    )


incidents = table_of(IncidentRow)
notices = table_of(NoticeRow)
mails = table_of(MailRow)
recipients = table_of(RecipientRow)

#: When a source's last live delivery came: asked for by whoever watches for silence.
Index(
    "ix_reconcile_event_live",
    events.c.source,
    events.c.recorded_at,
    sqlite_where=text(LIVE_EVENTS),
    postgresql_where=text(LIVE_EVENTS),
)
