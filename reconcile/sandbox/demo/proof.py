"""What really happened against what the handlers saw, both counted: nothing here asks reconcile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from reconcile.model import micros
from reconcile.sandbox.demo.service import PAYMENT_TOPICS, PAYMENTS, SHOP, SHOP_TOPICS, Handled
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe
from reconcile.sandbox.truth import Happened

_STATE = "orders/updated"
_ORDERS = ("orders/create", "orders/updated", "orders/cancelled")


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of event: how many happened, how many of them a handler saw, and what is wrong with that.

    `twice` counts those seen more than once, `invented` those seen that never happened.
    """

    source: str
    what: str
    happened: int
    seen: int
    twice: int
    invented: int

    @property
    def missing(self) -> int:
        """What no handler ever saw."""
        return self.happened - self.seen

    @property
    def proven(self) -> bool:
        """Each exactly once."""
        return not (self.missing or self.twice or self.invented)


class _Order(msgspec.Struct):
    updated_at: datetime


def compare(shop: FakeShopify, stripe: FakeStripe, handled: Sequence[Handled]) -> list[Row]:
    """A row for each topic; for `orders/updated`, whose lists show the newest state only, one for those."""
    return [*_events(SHOP, SHOP_TOPICS, shop.truth, handled), _newest(shop.truth, handled),
            *_events(PAYMENTS, PAYMENT_TOPICS, stripe.truth, handled)]  # fmt: skip


def _events(source: str, topics: Sequence[str], truth: Sequence[Happened], handled: Sequence[Handled]) -> Iterator[Row]:
    for topic in topics:
        if topic != _STATE:
            happened = {one.event_id if source == PAYMENTS else one.subject_id for one in truth if one.topic == topic}
            yield _row(source, topic, happened, Counter(one.key for one in handled if one.topic == topic))


def _newest(truth: Sequence[Happened], handled: Sequence[Handled]) -> Row:
    """Whether every order was seen as it is now, whichever topic brought it, and no update was handled twice."""
    versions = {(one.subject_id, _version(one.body)) for one in truth if one.topic in _ORDERS}
    newest = dict(sorted(versions))
    seen = {(one.key, one.version) for one in handled if one.topic in _ORDERS}
    updates = Counter((one.key, one.version) for one in handled if one.topic == _STATE)
    return Row(
        source=SHOP,
        what=f"{_STATE}, newest state",
        happened=len(newest),
        seen=len(seen & set(newest.items())),
        twice=_repeats(updates),
        invented=len(seen - versions),
    )


def _row(source: str, what: str, happened: set[str], seen: Counter[str]) -> Row:
    return Row(source, what, len(happened), len(happened & seen.keys()), _repeats(seen), len(seen.keys() - happened))


def _repeats(seen: Counter[Any]) -> int:
    return sum(number > 1 for number in seen.values())


def _version(body: bytes) -> int:
    return micros(msgspec.json.decode(body, type=_Order).updated_at)


def paid(stripe: FakeStripe) -> int:
    """What customers really paid, in cents."""
    bodies = (one.body for one in stripe.truth if one.topic == "payment_intent.succeeded")
    return sum(msgspec.json.decode(body)["data"]["object"]["amount_received"] for body in bodies)


def real_orders(shop: FakeShopify) -> dict[str, tuple[str, str]]:
    """The orders as the shop has them: id → (total, status)."""
    table = shop.tables["orders"]
    bodies = [table.body(id_) for id_ in table.ids()]
    return {
        str(body["id"]): (body["total_price"], "cancelled" if body["cancelled_at"] else body["financial_status"])
        for body in bodies
    }
