"""What a body tells, read by the checker alone: nothing here comes from the code under test.

Shopify's bodies name their facts themselves; Stripe's carry an event id. Instants are whole unix seconds, as both
providers show them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

STATE_TOPIC = "orders/updated"


@dataclass(frozen=True, slots=True)
class Fact:
    """One happening: of a state topic the occurrence is the version; `at` is its own time."""

    source: str
    topic: str
    subject: str
    occurrence: str
    at: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it this one and no other."""
        return (self.source, self.topic, self.subject, self.occurrence)


@dataclass(frozen=True, slots=True)
class Told:
    """A fact as some body tells it. `version` is the version of the order that the body shows, if it shows one."""

    fact: Fact
    version: int | None

    def carried(self, *, reconstructed: bool) -> int | None:
        """The version that whoever handled this has seen and was told of."""
        if reconstructed and self.fact.topic != STATE_TOPIC and self.version != self.fact.at:
            return None
        return self.version


def seconds(text: str) -> int:
    """Unix seconds of an instant in a body."""
    return int(datetime.fromisoformat(text).timestamp())


@lru_cache(maxsize=4096)
def of_shopify(source: str, topic: str, body: bytes) -> Told:
    """The fact of one body of Shopify's."""
    data = json.loads(body)
    if topic == "orders/delete":
        return Told(Fact(source, topic, str(data["id"]), "", 0), None)
    if topic == "refunds/create":
        return Told(Fact(source, topic, str(data["order_id"]), str(data["id"]), seconds(data["created_at"])), None)
    version = seconds(data["updated_at"])
    at, occurrence = version, str(version)
    if topic == "orders/create":
        at, occurrence = seconds(data["created_at"]), ""
    elif topic == "orders/cancelled":
        at, occurrence = seconds(data["cancelled_at"]), ""
    elif topic == "orders/fulfilled":
        parcel = max(data["fulfillments"], key=lambda one: one["id"])
        at, occurrence = seconds(parcel["created_at"]), str(parcel["id"])
    return Told(Fact(source, topic, str(data["id"]), occurrence, at), version)


@lru_cache(maxsize=4096)
def of_stripe(source: str, topic: str, body: bytes) -> Told:
    """The event of one body of Stripe's: its own id is the occurrence."""
    data = json.loads(body)
    return Told(Fact(source, topic, str(data["data"]["object"].get("id", "")), data["id"], data["created"]), None)


def read(source: str, topic: str, body: bytes) -> Told:
    """What a body tells, by the provider its source is at."""
    return (of_shopify if source == "shop" else of_stripe)(source, topic, body)
