"""The ledger's tables: transactions and the questions asked about them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, text

from reconcile.ledger.columns import Base, count, flag, instant, string, table_of

#: The rows of the partial index. A query must say it word for word, or SQLite does not use the index.
PENDING = "state = 'pending'"


class TransactionRow(Base, table=True):
    """Something whose end we wait for. Its next rung counts from `since`, so that a changed ladder holds at once."""

    __tablename__ = "reconcile_transaction"
    source: str = string(primary_key=True)
    type: str = string(primary_key=True)
    id: str = string(primary_key=True)
    state: str = string(default="pending")  # pending | settled | unresolved | mismatch | resolved
    status: str = string(default="pending")  # TransactionStatus
    raw: str = string()  # the provider's own word for it
    amount: str = string()  # exact decimal, "" where nobody said it
    currency: str = string()
    tracked: int = flag()  # the app named it, and its amount is the app's
    at: datetime | None = instant()  # the transaction's own time
    known_at: datetime = instant(nullable=False)
    changed_at: datetime | None = instant()  # when it got its status, by the provider
    ended_at: datetime | None = instant()  # when we learned of its end
    since: datetime = instant(nullable=False)
    attempts: int = count()  # how often it was asked about
    asked_at: datetime | None = instant()
    answer: str = string()  # what came of the last question
    note: str = string()  # what a person said who settled it
    claim_owner: str = string()
    claim_fence: int = count()
    claim_until: datetime | None = instant()

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


transactions = table_of(TransactionRow)
