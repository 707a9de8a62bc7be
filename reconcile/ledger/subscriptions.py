"""Subscriptions recorded as ours: those we asked a provider to make. Only these are ever moved or deleted (S3).

An attempt is recorded before it is made, under a key that goes with the request where the provider takes one, so
that after a crash between its answer and our commit the next run can find out what came of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, and_, delete, insert, select, update
from sqlalchemy.sql import ColumnElement

from reconcile.connector import Subscription, Wanted
from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables_subscriptions import subscriptions as table
from reconcile.safe import safe

_LONGEST = 2000  # characters of what a provider calls an address


class Secrecy(StrEnum):
    """What became of the signing secret that a provider shows once."""

    NONE = ""  # it gave none: deliveries are signed with what the configuration names
    KEPT = "kept"
    LOST = "lost"  # made, but its answer never came: nobody can verify what it sends


@dataclass(frozen=True, slots=True)
class Ours:
    """One subscription we asked for. `id` is "" while nobody knows whether it was made."""

    key: str
    id: str
    url: str
    topics: tuple[str, ...]
    api_version: str
    format: str
    secret: Secrecy
    asked_at: datetime
    made_at: datetime | None
    missed_at: datetime | None

    @property
    def wanted(self) -> Wanted:
        """What was asked for, under the same key."""
        return Wanted(self.url, self.topics, self.api_version, format=self.format, key=self.key)


def of(tx: Tx, source: str) -> list[Ours]:
    """All of a source, oldest first."""
    query = select(table).where(table.c.source == source).order_by(table.c.asked_at, table.c.key)
    return [_ours(row) for row in tx.connection.execute(query)]


def asked(tx: Tx, source: str, wanted: Wanted) -> None:
    """Record an attempt before it is made."""
    values = {"source": source, "key": wanted.key, "asked_at": tx.now} | _shape(wanted)
    tx.connection.execute(insert(table).values(values))


def made(tx: Tx, source: str, key: str, subscription: Subscription, secret: Secrecy) -> None:
    """Record what an attempt brought."""
    values = {"id": safe(subscription.id), "secret": secret, "made_at": tx.now} | _shape(subscription)
    tx.connection.execute(update(table).where(_one(source, key)).values(values))


def changed(tx: Tx, source: str, subscription: Subscription) -> None:
    """Record what one of ours looks like now; nothing if it is not ours."""
    of_id = and_(table.c.source == source, table.c.id == subscription.id)
    tx.connection.execute(update(table).where(of_id).values(_shape(subscription)))


def missed(tx: Tx, source: str, keys: Collection[str]) -> None:
    """The provider lists those of `keys` no longer: since now, if it did until now."""
    for key in keys:
        since = and_(_one(source, key), table.c.missed_at.is_(None))
        tx.connection.execute(update(table).where(since).values(missed_at=tx.now))


def listed(tx: Tx, source: str, keys: Collection[str]) -> None:
    """It lists these again."""
    for key in keys:
        tx.connection.execute(update(table).where(_one(source, key)).values(missed_at=None))


def forget(tx: Tx, source: str, key: str) -> None:
    """An attempt that brought nothing, or a subscription that is gone."""
    tx.connection.execute(delete(table).where(_one(source, key)))


def _one(source: str, key: str) -> ColumnElement[bool]:
    return and_(table.c.source == source, table.c.key == key)


def _shape(one: Wanted | Subscription) -> dict[str, object]:
    topics: Sequence[str] = one.topics
    # What a provider wrote may hold what PostgreSQL's TEXT refuses (NUL, lone surrogates): made visible here.
    return {
        "url": safe(one.url, _LONGEST),
        "topics": json.dumps(list(topics)),
        "api_version": safe(one.api_version),
        "format": safe(one.format),
    }


def _ours(row: Row[Any]) -> Ours:
    return Ours(
        key=row.key,
        id=row.id,
        url=row.url,
        topics=tuple(json.loads(row.topics)),
        api_version=row.api_version,
        format=row.format,
        secret=Secrecy(row.secret),
        asked_at=row.asked_at,
        made_at=row.made_at,
        missed_at=row.missed_at,
    )
