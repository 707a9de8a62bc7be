"""${message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Change the schema; `reconcile.ledger.upgrade.REVISIONS` must name this revision too."""
    ${upgrades if upgrades else "pass"}
