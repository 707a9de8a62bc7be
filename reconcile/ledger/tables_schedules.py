"""The ledger's tables: which schedules have had their turn."""

from __future__ import annotations

from datetime import datetime

from reconcile.ledger.columns import Base, instant, string, table_of


class TickRow(Base, table=True):
    """The newest turn of a schedule that somebody took: on one ledger each turn is taken once."""

    __tablename__ = "reconcile_tick"
    schedule: str = string(primary_key=True)
    due_at: datetime = instant(nullable=False)
    taken_at: datetime = instant(nullable=False)
    by: str = string()


ticks = table_of(TickRow)
