"""The ledger's tables: subscriptions recorded as ours, and the secrets their providers gave us."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, LargeBinary
from sqlmodel import Field

from reconcile.ledger.tables import Base, _instant, _table, _text


class SubscriptionRow(Base, table=True):
    """A subscription that we asked a provider to make; without an id as long as it is not known what came of it."""

    __tablename__ = "reconcile_subscription"
    source: str = _text(primary_key=True)
    key: str = _text(primary_key=True)  # of the attempt: the provider's idempotency key, where it takes one
    id: str = _text()  # the provider's
    url: str = _text()
    topics: str = _text(default="[]")  # JSON
    api_version: str = _text()
    format: str = _text()
    secret: str = _text()  # "" (none was given) | kept | lost
    asked_at: datetime = _instant(nullable=False)
    made_at: datetime | None = _instant()
    missed_at: datetime | None = _instant()  # since when the provider does not list it


class SecretRow(Base, table=True):
    """What a subscription's deliveries are signed with, encrypted."""

    __tablename__ = "reconcile_secret"
    source: str = _text(primary_key=True)
    subscription: str = _text(primary_key=True)  # the provider's id
    sealed: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    kept_at: datetime = _instant(nullable=False)


subscriptions = _table(SubscriptionRow)
secrets = _table(SecretRow)
