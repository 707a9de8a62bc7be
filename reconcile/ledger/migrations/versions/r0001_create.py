"""Create every table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# SQLite only auto-increments a column declared INTEGER.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From nothing to the first schema."""
    _alias()
    _attempt()
    _body()
    _checkpoint()
    _coverage()
    _event()
    _finding()
    _gap()
    _horizon()
    _lease()
    _run()
    _run_stream()
    _stream()
    _subject()
    _target()


def _alias() -> None:
    op.create_table(
        "reconcile_alias",
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "id"),
    )
    op.create_index(op.f("ix_reconcile_alias_seq"), "reconcile_alias", ["seq"], unique=False)


def _attempt() -> None:
    op.create_table(
        "reconcile_attempt",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_reconcile_attempt_seq"), "reconcile_attempt", ["seq"], unique=False)


def _body() -> None:
    op.create_table(
        "reconcile_body",
        sa.Column("seq", KEY, autoincrement=False, nullable=False),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )


def _checkpoint() -> None:
    op.create_table(
        "reconcile_checkpoint",
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("stream", sa.Text(), server_default="", nullable=False),
        sa.Column("fingerprint", sa.Text(), server_default="", nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.Column("floors", sa.Text(), server_default="{}", nullable=False),
        sa.Column("cursor", sa.Text(), server_default="", nullable=False),
        sa.Column("pages", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("items", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("source", "stream", "fingerprint", "start", "end"),
    )


def _coverage() -> None:
    op.create_table(
        "reconcile_coverage",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("stream", sa.Text(), server_default="", nullable=False),
        sa.Column("fingerprint", sa.Text(), server_default="", nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.Column("floors", sa.Text(), server_default="{}", nullable=False),
        sa.Column("run_id", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_reconcile_coverage_stream",
        "reconcile_coverage",
        ["source", "stream", "fingerprint", "start"],
        unique=False,
    )


def _event() -> None:
    op.create_table(
        "reconcile_event",
        sa.Column("seq", KEY, autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("topic", sa.Text(), server_default="", nullable=False),
        sa.Column("subject_type", sa.Text(), server_default="", nullable=False),
        sa.Column("subject_id", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("fact", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("carried", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Text(), server_default="", nullable=False),
        sa.Column("reconstructed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("api_version", sa.Text(), server_default="", nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("absorbed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("run_id", sa.Text(), server_default="", nullable=False),
        sa.Column("stream", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("handled_at", sa.BigInteger(), nullable=True),
        sa.Column("called_at", sa.BigInteger(), nullable=True),
        sa.Column("call_took", sa.BigInteger(), nullable=True),
        sa.Column("late", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("claim_owner", sa.Text(), server_default="", nullable=False),
        sa.Column("claim_fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("claim_until", sa.BigInteger(), nullable=True),
        sa.Column("takeovers", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("ix_reconcile_event_bytes", "reconcile_event", ["source", "topic", "body_hash"], unique=False)
    op.create_index("ix_reconcile_event_fact", "reconcile_event", ["source", "fact"], unique=False)
    op.create_index(
        "ix_reconcile_event_open",
        "reconcile_event",
        ["source", "state", "position"],
        unique=False,
        sqlite_where=sa.text("state in ('held','waiting','claimed','dead')"),
        postgresql_where=sa.text("state in ('held','waiting','claimed','dead')"),
    )
    op.create_index(
        "ix_reconcile_event_run",
        "reconcile_event",
        ["run_id", "source", "stream"],
        unique=False,
        sqlite_where=sa.text("run_id <> ''"),
        postgresql_where=sa.text("run_id <> ''"),
    )
    op.create_index(
        "ix_reconcile_event_subject",
        "reconcile_event",
        ["source", "subject_type", "subject_id", "carried"],
        unique=False,
    )
    op.create_index("ux_reconcile_event_id", "reconcile_event", ["source", "id"], unique=True)


def _finding() -> None:
    op.create_table(
        "reconcile_finding",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("stream", sa.Text(), server_default="", nullable=False),
        sa.Column("item", sa.Text(), server_default="", nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("gap_id", sa.BigInteger(), nullable=True),
        sa.Column("recorded", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_reconcile_finding_run", "reconcile_finding", ["run_id", "source", "stream", "item"], unique=False
    )


def _gap() -> None:
    op.create_table(
        "reconcile_gap",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("stream", sa.Text(), server_default="", nullable=False),
        sa.Column("subject_type", sa.Text(), server_default="", nullable=False),
        sa.Column("subject_id", sa.Text(), server_default="", nullable=False),
        sa.Column("topic", sa.Text(), server_default="", nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.Text(), server_default="", nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=True),
        sa.Column("end", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_reconcile_gap_seq", "reconcile_gap", ["seq"], unique=False)
    op.create_index("ix_reconcile_gap_state", "reconcile_gap", ["state", "source", "kind"], unique=False)
    op.create_index("ux_reconcile_gap_key", "reconcile_gap", ["source", "kind", "key"], unique=True)


def _horizon() -> None:
    op.create_table(
        "reconcile_horizon",
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("topic", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("source", "topic"),
    )


def _lease() -> None:
    op.create_table(
        "reconcile_lease",
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("job", sa.Text(), server_default="", nullable=False),
        sa.Column("holder", sa.Text(), server_default="", nullable=False),
        sa.Column("host", sa.Text(), server_default="", nullable=False),
        sa.Column("pid", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("process_started", sa.Text(), server_default="", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("source", "job"),
    )


def _run() -> None:
    op.create_table(
        "reconcile_run",
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("command", sa.Text(), server_default="", nullable=False),
        sa.Column("jobs", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("exit_code", sa.BigInteger(), nullable=True),
        sa.Column("code_version", sa.Text(), server_default="", nullable=False),
        sa.Column("host", sa.Text(), server_default="", nullable=False),
        sa.Column("pid", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("process_started", sa.Text(), server_default="", nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_reconcile_run_result", "reconcile_run", ["jobs", "exit_code", "finished_at", "started_at"], unique=False
    )


def _run_stream() -> None:
    op.create_table(
        "reconcile_run_stream",
        sa.Column("run_id", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("stream", sa.Text(), server_default="", nullable=False),
        sa.Column("listed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("already_handled", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("superseded", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("filtered", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("events", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unlisted_gaps", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("run_id", "source", "stream"),
    )


def _stream() -> None:
    op.create_table(
        "reconcile_stream",
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("stream", sa.Text(), server_default="", nullable=False),
        sa.Column("fingerprint", sa.Text(), server_default="", nullable=False),
        sa.Column("density", sa.Float(), nullable=False),
        sa.Column("trusted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("valve_closed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("source", "stream"),
    )


def _subject() -> None:
    op.create_table(
        "reconcile_subject",
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("type", sa.Text(), server_default="", nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("source", "type", "id"),
    )
    op.create_index("ix_reconcile_subject_version", "reconcile_subject", ["source", "type", "version"], unique=False)


def _target() -> None:
    op.create_table(
        "reconcile_target",
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("paused", sa.Text(), server_default="", nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("probe_at", sa.BigInteger(), nullable=True),
        sa.Column("failing", sa.Text(), server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )
