"""What of a run's listing says nothing of how much could be missed: repeats, and what is listed anew after a kill."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Of older runs nobody knows: all that they listed counts."""
    for name in ("beside", "unfinished"):
        op.add_column("reconcile_run_stream", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
