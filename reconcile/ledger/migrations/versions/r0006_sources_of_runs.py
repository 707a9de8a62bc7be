"""Which sources a run was for, so that one schedule's runs do not hide another's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Of older runs nobody knows: theirs stay empty. The index holds all that is asked of many runs."""
    op.add_column("reconcile_run", sa.Column("sources", sa.Text(), server_default="", nullable=False))
    op.drop_index("ix_reconcile_run_result", table_name="reconcile_run")
    op.create_index(
        "ix_reconcile_run_result",
        "reconcile_run",
        ["jobs", "exit_code", "sources", "finished_at", "started_at"],
        unique=False,
    )
