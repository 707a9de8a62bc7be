"""The signing secrets providers gave us, as bytes that are encrypted already: in the clear they never come here."""

from __future__ import annotations

from sqlalchemy import and_, delete, select

from reconcile.ledger.ledger import Tx
from reconcile.ledger.sql import insert
from reconcile.ledger.tables_subscriptions import secrets as table


def keep(tx: Tx, source: str, subscription: str, sealed: bytes) -> None:
    """Keep the secret of a subscription, in place of one kept for it before."""
    values = {"source": source, "subscription": subscription, "sealed": sealed, "kept_at": tx.now}
    statement = insert(tx.dialect, table).values(values)
    again = {"sealed": statement.excluded.sealed, "kept_at": statement.excluded.kept_at}
    tx.connection.execute(statement.on_conflict_do_update(index_elements=["source", "subscription"], set_=again))


def accepted(tx: Tx, source: str) -> dict[str, bytes]:
    """Every kept secret of a source by its subscription, newest first, still encrypted."""
    query = select(table.c.subscription, table.c.sealed).where(table.c.source == source)
    rows = tx.connection.execute(query.order_by(table.c.kept_at.desc(), table.c.subscription))
    return {subscription: bytes(sealed) for subscription, sealed in rows}


def forget(tx: Tx, source: str, subscription: str) -> None:
    """Keep it no longer."""
    of_it = and_(table.c.source == source, table.c.subscription == subscription)
    tx.connection.execute(delete(table).where(of_it))
