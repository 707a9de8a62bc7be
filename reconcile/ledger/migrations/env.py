"""Run by alembic: uses the connection, and the transaction, of whoever asked."""

from __future__ import annotations

from alembic import context

from reconcile.ledger import tables_alerts, tables_schedules, tables_subscriptions, tables_transactions  # noqa: F401 - fill the metadata
from reconcile.ledger.tables import metadata_of_ledger
from reconcile.ledger.upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata_of_ledger,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # SQLite's too, since we begin its transactions ourselves
)
with context.begin_transaction():
    context.run_migrations()
