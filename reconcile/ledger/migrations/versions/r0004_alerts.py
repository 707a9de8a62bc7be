"""Incidents, the mails about them, and who silenced them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# SQLite only auto-increments a column declared INTEGER.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """The alerts job's tables."""
    _incident()
    _notice()
    _mail()
    _recipient()
    op.create_index(
        "ix_reconcile_event_live",
        "reconcile_event",
        ["source", "recorded_at"],
        unique=False,
        sqlite_where=sa.text("origin = 'live'"),
        postgresql_where=sa.text("origin = 'live'"),
    )


def _incident() -> None:
    op.create_table(
        "reconcile_incident",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("settled", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("happened", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("tried", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("command", sa.Text(), server_default="", nullable=False),
        sa.Column("reference", sa.Text(), server_default="", nullable=False),
        sa.Column("amount", sa.Text(), server_default="", nullable=False),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.Column("third_party", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("acked_at", sa.BigInteger(), nullable=True),
        sa.Column("snoozed_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ux_reconcile_incident_open",
        "reconcile_incident",
        ["source", "kind", "key"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_reconcile_incident_unsettled",
        "reconcile_incident",
        ["state", "id"],
        unique=False,
        sqlite_where=sa.text("settled = 0"),
        postgresql_where=sa.text("settled = 0"),
    )


def _notice() -> None:
    op.create_table(
        "reconcile_notice",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("audience", sa.Text(), server_default="", nullable=False),
        sa.Column("step", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("mail_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ux_reconcile_notice_once", "reconcile_notice", ["incident_id", "state", "audience", "step"], unique=True
    )
    op.create_index(op.f("ix_reconcile_notice_mail_id"), "reconcile_notice", ["mail_id"], unique=False)


def _mail() -> None:
    op.create_table(
        "reconcile_mail",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("audience", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("step", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("plain", sa.Text(), server_default="", nullable=False),
        sa.Column("html", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ux_reconcile_mail_message", "reconcile_mail", ["message_id"], unique=True)


def _recipient() -> None:
    op.create_table(
        "reconcile_recipient",
        sa.Column("mail_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("mail_id", "address"),
    )
    op.create_index(
        "ix_reconcile_recipient_unsent",
        "reconcile_recipient",
        ["state", "next_at"],
        unique=False,
        sqlite_where=sa.text("state in ('queued','dead')"),
        postgresql_where=sa.text("state in ('queued','dead')"),
    )
