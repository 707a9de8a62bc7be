"""A shop's resources and the one place where something happens in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from reconcile.clock import Clock
from reconcile.sandbox.fake import Fake, Json, Lag
from reconcile.sandbox.shopify.hooks import Hooks, Signing
from reconcile.sandbox.shopify.store import Table
from reconcile.sandbox.truth import Happened

FIRST_ID = 2**53 + 1  # a float would merge neighbours: whoever parses ids as one is found out
RESOURCES = ("orders", "customers", "products", "draft_orders")


class News(NamedTuple):
    """One topic of an action."""

    topic: str
    subject_id: int
    body: bytes
    parent_id: str = ""


class Shop(Fake):
    """What a shop has. Instants in bodies are in the shop's own offset, whole seconds, as REST shows them."""

    def __init__(self, clock: Clock, seed: int, lag: Lag, timezone: str, signing: Signing) -> None:
        super().__init__(clock, seed, lag)
        self.zone = ZoneInfo(timezone)
        self.tables = {name: Table() for name in RESOURCES}
        self.transactions: dict[int, list[Json]] = {}
        self.hooks = Hooks(clock, self.dice, signing)
        self._last_id = FIRST_ID

    def stamp(self, when: datetime | None = None) -> str:
        """`when`, or now, as `2026-08-28T06:59:14-04:00`."""
        return (when or self.clock.now()).astimezone(self.zone).isoformat(timespec="seconds")

    def new_id(self) -> int:
        """An id above 2**53, larger than every one before."""
        self._last_id += self.dice.randint(1, 9)
        return self._last_id

    def save(self, table: str, body: Json) -> bytes:
        """Make `body` current; returns its JSON."""
        return self.tables[table].put(body, self.visible_at())

    def change(self, table: str, resource_id: int, **changes: object) -> bytes:
        """Replace keys of a resource and move its `updated_at` to now; returns its JSON."""
        body = {**self.tables[table].body(resource_id), "updated_at": self.stamp(), **changes}
        return self.save(table, body)

    def happen(self, *news: News) -> None:
        """Write one action into the truth and queue what its subscribers are owed: one event id for all of it."""
        event_id = self.dice.uuid()
        for item in news:
            happened = Happened(item.topic, str(item.subject_id), self.clock.now(), item.body, event_id, item.parent_id)
            self.truth.append(happened)
            self.outbox.extend(self.hooks.owed_for(happened))

    def erase(self, table: str, topic: str, resource_id: int) -> None:
        """Delete a resource; its webhook carries the id alone."""
        self.tables[table].body(resource_id)
        self.tables[table].remove(resource_id, self.visible_at())
        self.happen(News(topic, resource_id, msgspec.json.encode({"id": resource_id})))


def encoded(body: Json) -> bytes:
    """The JSON of a body."""
    return msgspec.json.encode(body)


def topics(body: bytes, resource_id: int, names: Sequence[str]) -> list[News]:
    """The same body under several topics."""
    return [News(name, resource_id, body) for name in names]
