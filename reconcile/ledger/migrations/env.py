"""Run by alembic: uses the connection, and the transaction, of whoever asked."""

from __future__ import annotations

from alembic import context

from reconcile.ledger.columns import whole_metadata
from reconcile.ledger.upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=whole_metadata(),
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # SQLite's too, since we begin its transactions ourselves
)
with context.begin_transaction():
    context.run_migrations()
