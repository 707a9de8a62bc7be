"""What one history is like: everything that is drawn from its seed before anything happens."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from reconcile.sandbox.deliveries import Fates

START = datetime(2024, 3, 9, 23, 50, tzinfo=UTC)
SHOP_TOPICS = ("orders/create", "orders/updated", "orders/cancelled", "orders/fulfilled", "refunds/create")
PAY_TOPICS = (
    "payment_intent.created",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "charge.succeeded",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "customer.created",
    "customer.updated",
)


@dataclass
class Plan:
    """The settings of a history. `lag` is how late lists show a change, at most; `drift` how wrong our clock is."""

    seed: int
    dice: random.Random
    sources: tuple[str, ...]
    topics: dict[str, tuple[str, ...]]
    subscribed: dict[str, tuple[str, ...]]
    settle: timedelta
    overlap: timedelta
    lag: float
    page: int
    drift: float
    drift_jumps: bool
    fates: Fates
    delay: float
    retries: bool
    keeps_webhook_id: bool
    outages: list[tuple[datetime, datetime]]
    span: float
    happenings: int
    every: float
    valve: int
    exactly_once: bool
    trouble: float
    crashes: float
    provider_faults: float
    intrusions: float
    first: str
    retry: tuple[timedelta, ...]
    first_window: timedelta
    forgets: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Whether lists are complete up to `settle` before now; else only what is older than `overlap` is."""
        return self.lag <= self.settle.total_seconds()


def draw(seed: int, *, forgets: bool | None = None) -> Plan:
    """The plan of `seed`."""
    dice = random.Random(seed)
    sources = dice.choice((("shop",), ("shop",), ("shop",), ("pay",), ("pay",), ("shop", "pay")))
    settle = dice.choice((2, 5, 10, 20))
    overlap = dice.choice((30, 60, 120, 300))
    lag = dice.choice(
        (0.0, dice.uniform(0, settle), dice.uniform(settle, overlap - 2), dice.uniform(settle, overlap - 2))
    )
    span = dice.choice((300.0, 900.0, 3600.0))
    topics = {"shop": _some(dice, SHOP_TOPICS), "pay": _some(dice, PAY_TOPICS) if dice.random() < 0.8 else ("*",)}
    subscribed = {name: _heard(dice, topics[name]) for name in topics}
    calm = dice.random() < 0.2
    plan = Plan(
        seed=seed,
        dice=dice,
        sources=sources,
        topics=topics,
        subscribed=subscribed,
        settle=timedelta(seconds=settle),
        overlap=timedelta(seconds=overlap),
        lag=lag,
        page=dice.choice((1, 2, 3, 5, 250)) if sources == ("shop",) else dice.choice((3, 5, 8, 250)),
        drift=dice.choice((0.0, 0.0, 7.0, -7.0, 200.0, -200.0))
        if "pay" in sources
        else dice.choice((0.0, 5.0, -5.0, 90.0, -90.0, 86_400.0, -86_400.0)),
        drift_jumps=dice.random() < 0.2,
        fates=_fates(dice, calm=calm),
        delay=dice.choice((0.0, 5.0, 120.0, 900.0)),
        retries=dice.random() < 0.7,
        keeps_webhook_id=dice.random() < 0.7,
        outages=_outages(dice, span),
        span=span,
        happenings=dice.randint(5, 15),
        every=span / dice.choice((1, 2, 2, 3, 4)),
        valve=dice.choice((500, 500, 500, 4)),
        exactly_once=dice.random() < 0.75,
        trouble=dice.choice((0.0, 0.0, 0.15, 0.4)),
        crashes=dice.choice((0.0, 0.3, 0.6)),
        provider_faults=dice.choice((0.0, 0.3, 0.6)),
        intrusions=dice.choice((0.0, 0.15, 0.4)),
        first=dice.choice(("plain", "plain", "since", "since", "baseline", "late")),
        retry=tuple(timedelta(seconds=s) for s in dice.choice(((5, 10), (5, 10, 20, 40, 80)))),
        first_window=timedelta(seconds=dice.choice((span / 8, span / 3, 86_400, 86_400))),
    )
    plan.forgets = dice.random() < 0.12 if forgets is None else forgets
    if plan.forgets:
        _make_forgetful(plan)
    return plan


def _make_forgetful(plan: Plan) -> None:
    """A list that leaves items out can only be noticed by what is known already: so every delivery arrives."""
    plan.sources = ("shop",)
    plan.fates, plan.outages, plan.delay = Fates(double=0.1), [], 0.0
    plan.subscribed = dict(plan.topics)
    plan.topics["shop"] = plan.subscribed["shop"] = SHOP_TOPICS
    plan.provider_faults = 0.0
    plan.first = "plain"


def _some(dice: random.Random, names: tuple[str, ...]) -> tuple[str, ...]:
    if dice.random() < 0.4:
        return names
    return tuple(name for name in names if dice.random() < 0.6) or names[:2]


def _heard(dice: random.Random, topics: tuple[str, ...]) -> tuple[str, ...]:
    """Some subscriptions are missing at the provider: all their events are missed."""
    return topics if dice.random() < 0.7 else tuple(name for name in topics if dice.random() < 0.5)


def _fates(dice: random.Random, *, calm: bool) -> Fates:
    if calm:
        return Fates()
    return Fates(*(dice.choice((0.0, 0.0, 0.15, 0.4)) for _ in range(5)))


def _outages(dice: random.Random, span: float) -> list[tuple[datetime, datetime]]:
    if dice.random() < 0.5:
        return []
    begin = dice.uniform(0, span)
    return [(START + timedelta(seconds=begin), START + timedelta(seconds=begin + dice.uniform(0, span)))]
