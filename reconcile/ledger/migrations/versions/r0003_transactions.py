"""Transactions and the questions asked about them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TABLE = "reconcile_transaction"


def upgrade() -> None:
    """The status checks' table."""
    op.create_table(
        TABLE,
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("type", sa.Text(), server_default="", nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("raw", sa.Text(), server_default="", nullable=False),
        sa.Column("amount", sa.Text(), server_default="", nullable=False),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.Column("tracked", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("claim_owner", sa.Text(), server_default="", nullable=False),
        sa.Column("claim_fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("claim_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("source", "type", "id"),
    )
    op.create_index(
        "ix_reconcile_transaction_pending",
        TABLE,
        ["source", "attempts", "since"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_reconcile_transaction_state", TABLE, ["state", "source", "known_at"], unique=False)
    op.create_index("ix_reconcile_transaction_id", TABLE, ["id"], unique=False)
