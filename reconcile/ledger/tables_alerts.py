"""The ledger's tables: incidents, the mails about them, and who silenced them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, text
from sqlmodel import Field

from reconcile.ledger.tables import Base, _count, _flag, _instant, _table, _text, events
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
    source: str = _text()
    kind: str = _text()  # IncidentKind
    key: str = _text()
    state: str = _text(default="open")  # open | closed
    settled: int = _flag()  # closed, and nothing about it is left to tell
    happened: int = _flag()  # over as soon as it was: told once, without a recovery
    summary: str = _text()
    tried: str = _text()  # what was tried, "" for what its kind always tries
    note: str = _text()  # why it was closed
    command: str = _text()  # the command line that resolves it
    reference: str = _text()
    amount: str = _text()
    currency: str = _text()
    third_party: int = _flag()  # the source's third parties are told too
    since: datetime = _instant(nullable=False)
    opened_at: datetime = _instant(nullable=False)
    seen_at: datetime = _instant(nullable=False)
    closed_at: datetime | None = _instant()
    acked_at: datetime | None = _instant()
    snoozed_until: datetime | None = _instant()

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
    state: str = _text()  # opened | repeated | escalated | cleared
    audience: str = _text()  # operators | third-party | escalation
    step: int = _count()  # which repetition, or which step of the escalation
    mail_id: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    at: datetime = _instant(nullable=False)

    __table_args__ = (Index("ux_reconcile_notice_once", "incident_id", "state", "audience", "step", unique=True),)


class MailRow(Base, table=True):
    """A mail as it is to be sent, however often that takes: the same bytes under the same Message-ID (A3)."""

    __tablename__ = "reconcile_mail"
    id: int | None = Field(default=None, sa_column=Column(Key, primary_key=True, autoincrement=True))
    message_id: str = _text()
    audience: str = _text()
    source: str = _text()  # of a third party's mail
    step: int = _count()  # of an escalation
    subject: str = _text()
    plain: str = _text()
    html: str = _text()
    created_at: datetime = _instant(nullable=False)

    __table_args__ = (Index("ux_reconcile_mail_message", "message_id", unique=True),)


class RecipientRow(Base, table=True):
    """One address a mail goes to: each is accepted, put off or refused by itself (A6)."""

    __tablename__ = "reconcile_recipient"
    mail_id: int = Field(sa_column=Column(BigInteger, nullable=False, primary_key=True))
    address: str = _text(primary_key=True)
    state: str = _text(default="queued")  # queued | sent | dead | dropped
    attempts: int = _count()
    next_at: datetime = _instant(nullable=False)
    error: str = _text()
    done_at: datetime | None = _instant()

    __table_args__ = (
        Index(
            "ix_reconcile_recipient_unsent",
            "state",
            "next_at",
            sqlite_where=text(UNSENT),
            postgresql_where=text(UNSENT),
        ),
    )


incidents = _table(IncidentRow)
notices = _table(NoticeRow)
mails = _table(MailRow)
recipients = _table(RecipientRow)

#: When a source's last live delivery came: asked for by whoever watches for silence.
Index(
    "ix_reconcile_event_live",
    events.c.source,
    events.c.recorded_at,
    sqlite_where=text(LIVE_EVENTS),
    postgresql_where=text(LIVE_EVENTS),
)
