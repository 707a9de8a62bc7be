"""The ledger's tables: which schedules have had their turn."""

from __future__ import annotations

from datetime import datetime

from reconcile.ledger.tables import Base, _instant, _table, _text


class TickRow(Base, table=True):
    """The newest turn of a schedule that somebody took: on one ledger each turn is taken once."""

    __tablename__ = "reconcile_tick"
    schedule: str = _text(primary_key=True)
    due_at: datetime = _instant(nullable=False)
    taken_at: datetime = _instant(nullable=False)
    by: str = _text()


ticks = _table(TickRow)
