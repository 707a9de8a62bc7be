"""The ledger's tables: subscriptions recorded as ours, and the secrets their providers gave us."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, LargeBinary
from sqlmodel import Field

from reconcile.ledger.columns import Base, instant, string, table_of


class SubscriptionRow(Base, table=True):
    """A subscription that we asked a provider to make; without an id as long as it is not known what came of it."""

    __tablename__ = "reconcile_subscription"
    source: str = string(primary_key=True)
    key: str = string(primary_key=True)  # of the attempt: the provider's idempotency key, where it takes one
    id: str = string()  # the provider's
    url: str = string()
    topics: str = string(default="[]")  # JSON
    api_version: str = string()
    format: str = string()
    secret: str = string()  # "" (none was given) | kept | lost
    asked_at: datetime = instant(nullable=False)
    made_at: datetime | None = instant()
    missed_at: datetime | None = instant()  # since when the provider does not list it


class SecretRow(Base, table=True):
    """What a subscription's deliveries are signed with, encrypted."""

    __tablename__ = "reconcile_secret"
    source: str = string(primary_key=True)
    subscription: str = string(primary_key=True)  # the provider's id
    sealed: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    kept_at: datetime = instant(nullable=False)


subscriptions = table_of(SubscriptionRow)
secrets = table_of(SecretRow)
