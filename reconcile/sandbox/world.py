"""A seeded month of ordinary business at both fake providers."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconcile.sandbox import stories
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.deliveries import Network, run_until
from reconcile.sandbox.seeds import Dice
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.shopify.bodies import GOODS
from reconcile.sandbox.stories import DAY, Story
from reconcile.sandbox.stripe import FakeStripe

BURST = 0.1  # of all beginnings share their second with another: ties are ordinary


@dataclass
class Agenda:
    """Stories, and when each goes on."""

    clock: SettableClock
    networks: Sequence[Network] = ()
    _due: list[tuple[datetime, int, Story]] = field(default_factory=list)
    _added: int = 0

    def add(self, when: datetime, story: Story) -> None:
        """Let a story begin, or go on, at `when`."""
        self._added += 1
        heapq.heappush(self._due, (when, self._added, story))

    def run(self, end: datetime) -> None:
        """Tell every story up to `end`; what would happen later never does. Deliveries are made on the way."""
        while self._due and self._due[0][0] < end:
            when, _, story = heapq.heappop(self._due)
            run_until(when, self.clock, self.networks)
            wait = next(story, None)
            if wait is not None:
                self.add(when + timedelta(seconds=wait), story)
        run_until(end, self.clock, self.networks)


def make_history(
    seed: int,
    start: datetime,
    end: datetime,
    *,
    clock: SettableClock,
    shopify: FakeShopify | None = None,
    stripe: FakeStripe | None = None,
    networks: Sequence[Network] = (),
    orders: int = 300,
    deletes: bool = True,
) -> None:
    """Let `orders` orders and as many payments happen between `start` and `end`, with all that goes with them.

    The fakes' `clock` is set to `start` and stands at `end` afterwards; both tell the same history for the same
    seed. What happened is in each fake's `truth`. With `networks`, deliveries are attempted as they come due. Without
    `deletes` no order is ever deleted: what was lost about a deleted one, nobody can tell any more.
    """
    dice = Dice(seed)
    clock.set(start)
    agenda = Agenda(clock, networks)
    if shopify is not None:
        _open_shop(agenda, shopify, dice, start, end, orders, deletes=deletes)
    if stripe is not None:
        _open_account(agenda, stripe, dice, start, end, orders)
    agenda.run(end)


def _open_shop(
    agenda: Agenda, shop: FakeShopify, dice: Dice, start: datetime, end: datetime, orders: int, *, deletes: bool
) -> None:
    products = [shop.create_product(title, 900) for title in GOODS]
    customers = [shop.create_customer() for _ in range(max(3, orders // 8))]
    for when in _moments(dice, start, end, orders):
        agenda.add(when, stories.order(shop, dice, customers, products, deletes=deletes))
    for when in _moments(dice, start, end, orders // 20):
        agenda.add(when, stories.draft(shop, dice))


def _open_account(agenda: Agenda, stripe: FakeStripe, dice: Dice, start: datetime, end: datetime, orders: int) -> None:
    customers = [stripe.create_customer() for _ in range(max(3, orders // 8))]
    for when in _moments(dice, start, end, orders):
        agenda.add(when, stories.payment(stripe, dice, customers))
    for when in _moments(dice, start, end, orders // 10):
        agenda.add(when, stories.checkout(stripe, dice))
    for when in _moments(dice, start, end, orders // 25):
        agenda.add(when, stories.subscription(stripe, dice, dice.choice(customers)))
    for day in range(int((end - start).total_seconds() // DAY)):
        agenda.add(start + timedelta(days=day, hours=5), stories.payout(stripe, dice))


def _moments(dice: Dice, start: datetime, end: datetime, count: int) -> Iterator[datetime]:
    span = (end - start).total_seconds()
    last = start
    for _ in range(count):
        if not dice.chance(BURST):
            last = start + timedelta(seconds=dice.uniform(0, span))
        yield last
