"""The ledger's tables: transactions and the questions asked about them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, text

from reconcile.ledger.tables import Base, _count, _flag, _instant, _table, _text

#: The rows of the partial index. A query must say it word for word, or SQLite does not use the index.
PENDING = "state = 'pending'"


class TransactionRow(Base, table=True):
    """Something whose end we wait for. Its next rung counts from `since`, so that a changed ladder holds at once."""

    __tablename__ = "reconcile_transaction"
    source: str = _text(primary_key=True)
    type: str = _text(primary_key=True)
    id: str = _text(primary_key=True)
    state: str = _text(default="pending")  # pending | settled | unresolved | mismatch | resolved
    status: str = _text(default="pending")  # TransactionStatus
    raw: str = _text()  # the provider's own word for it
    amount: str = _text()  # exact decimal, "" where nobody said it
    currency: str = _text()
    tracked: int = _flag()  # the app named it, and its amount is the app's
    at: datetime | None = _instant()  # the transaction's own time
    known_at: datetime = _instant(nullable=False)
    changed_at: datetime | None = _instant()  # when it got its status, by the provider
    ended_at: datetime | None = _instant()  # when we learned of its end
    since: datetime = _instant(nullable=False)
    attempts: int = _count()  # how often it was asked about
    asked_at: datetime | None = _instant()
    answer: str = _text()  # what came of the last question
    note: str = _text()  # what a person said who settled it
    claim_owner: str = _text()
    claim_fence: int = _count()
    claim_until: datetime | None = _instant()

    __table_args__ = (
        Index(
            "ix_reconcile_transaction_pending",
            "source",
            "attempts",
            "since",
            sqlite_where=text(PENDING),
            postgresql_where=text(PENDING),
        ),
        Index("ix_reconcile_transaction_state", "state", "source", "known_at"),
        Index("ix_reconcile_transaction_id", "id"),
    )


transactions = _table(TransactionRow)
