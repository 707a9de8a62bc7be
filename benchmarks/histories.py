"""One hour and a half of a busy shop, anew for each strategy: the same orders change at the same instants, and the
same deliveries are dropped, lost, doubled and held back. Lists lag, pages are small, and orders change while they are
read.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import httpx

from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.deliveries import Fates, Network, run_until
from reconcile.sandbox.seeds import Dice
from reconcile.sandbox.shopify import FakeShopify

START = datetime(2024, 3, 9, 12, tzinfo=UTC)
SPAN, EVERY = timedelta(minutes=90), timedelta(minutes=5)
LAG = 100.0  # seconds after which a list shows a change, at most
PAGE = 5
CHANGES = 250
SECRET = "whsec_dummy"  # noqa: S105 - a dummy
URL = "https://hooks.acme.example/shop"
FATES = Fates(drop=0.1, lose=0.2, double=0.05, reorder=0.1)
_LIMIT = re.compile("limit=[0-9]+")


@dataclass(frozen=True, slots=True)
class Handled:
    """One call of the handler: what it was told, and whether it was told that it comes late."""

    topic: str
    order: int
    version: int
    late: bool = False

    @classmethod
    def of(cls, topic: str, body: bytes, *, late: bool = False) -> Handled:
        """Of a webhook's body."""
        told = json.loads(body)
        return cls(topic, told["id"], seconds(told["updated_at"]), late)


class Strategy(Protocol):
    """A way of not losing webhooks. `handled` are the handler's calls, in order."""

    handled: list[Handled]

    def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """A live delivery; the status it is answered with."""
        ...

    def reconcile(self) -> None:
        """What runs every five minutes."""
        ...

    def reported(self) -> set[int]:
        """The orders of which it says itself that something is not handled."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


@dataclass
class Shop:
    """The provider, and the way to it."""

    seed: int
    clock: SettableClock = field(default_factory=lambda: SettableClock(START))

    def __post_init__(self) -> None:
        self.fake = FakeShopify(
            clock=self.clock,
            webhook_secret=SECRET,
            lag=(0.0, LAG),
            throttle=False,
            seed=self.seed,
            versions=("2026-10",),
        )
        for topic in ("orders/create", "orders/updated"):
            self.fake.subscribe(topic, URL, app_specific=True)
        dice = Dice(self.seed)
        self._changes = sorted(
            START + timedelta(seconds=dice.randint(0, int(SPAN.total_seconds()))) for _ in range(CHANGES)
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        """A page of five; the shop goes on while it is fetched."""
        url = _LIMIT.sub(f"limit={PAGE}", str(request.url))
        answer = self.fake.handle(httpx.Request(request.method, url, headers=request.headers))
        self.pass_time(self.clock.now() + timedelta(seconds=1))
        return answer

    def pass_time(self, until: datetime) -> None:
        """Let the orders change that are due by then."""
        while self._changes and self._changes[0] <= until:
            at = self._changes.pop(0)
            self.clock.set(max(self.clock.now(), at))
            self._change(Dice(f"{self.seed} {len(self._changes)}"))
        self.clock.set(max(self.clock.now(), until))

    def _change(self, dice: Dice) -> None:
        orders = self.fake.tables["orders"].ids()
        if len(orders) < 3 or dice.random() < 0.3:
            self.fake.create_order()
        else:
            self.fake.update_order(dice.choice(orders), note=f"note {dice.random()}")


@dataclass
class Score:
    """What a strategy came to, over any number of histories."""

    orders: int = 0
    lost: int = 0
    histories: int = 0
    reported: int = 0
    doubled: int = 0
    left_old: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def play(seed: int, make: Callable[[Shop], Strategy]) -> Score:
    """One history: business, deliveries and a run every five minutes; then a quiet day and two runs more."""
    shop = Shop(seed)
    strategy = make(shop)
    network = Network(
        shop.fake, shop.clock, strategy.receive, seed=seed, fates=FATES, delay=(0.0, 20.0), held_back=600.0
    )
    try:
        strategy.reconcile()
        at = START
        while at < START + SPAN:
            at += timedelta(seconds=30)
            shop.pass_time(at)
            run_until(shop.clock.now(), shop.clock, [network])
            if (at - START) % EVERY == timedelta():
                strategy.reconcile()
        for _ in range(2):
            run_until(shop.clock.now() + timedelta(days=1), shop.clock, [network])
            strategy.reconcile()
        return judge(shop, strategy)
    finally:
        strategy.close()


def judge(shop: Shop, strategy: Strategy) -> Score:
    """Against what happened: orders whose newest state the handler was never told, and of which nobody was told that;
    calls too many; and orders of which it was told an older state last, not marked as late.
    """
    newest = {
        one: seconds(shop.fake.tables["orders"].body(one)["updated_at"]) for one in shop.fake.tables["orders"].ids()
    }
    told = {call.order: call.version for call in strategy.handled if not call.late}
    best = {call.order: call.version for call in sorted(strategy.handled, key=lambda call: call.version)}
    lost = {order for order, version in newest.items() if best.get(order, -1) < version}
    unsaid = lost - strategy.reported()
    left_old = sum(told.get(order, version) < version for order, version in newest.items() if order not in lost)
    return Score(len(newest), len(unsaid), bool(unsaid), len(lost - unsaid), doubled(shop, strategy), left_old)


def doubled(shop: Shop, strategy: Strategy) -> int:
    """How many calls told the handler what an earlier one had: a creation again, or a version that happened once."""
    happened = Counter(Handled.of(one.topic, one.body) for one in shop.fake.truth if one.topic == "orders/updated")
    calls = Counter(
        Handled(one.topic, one.order, 0 if one.topic == "orders/create" else one.version) for one in strategy.handled
    )
    return sum(max(0, number - max(1, happened[call])) for call, number in calls.items())


def seconds(text: str) -> int:
    """A time as Shopify writes it, in Unix seconds."""
    return int(datetime.fromisoformat(text).timestamp())
