"""What one history of upkeep is like: everything that is drawn from its seed before anything happens."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reconcile.sandbox.deliveries import Fates

START = datetime(2024, 10, 25, 21, 40, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OVERLAP = MINUTE
TOPICS = {
    "pay": (
        "payment_intent.processing",
        "payment_intent.succeeded",
        "payment_intent.canceled",
        "payout.created",
        "payout.paid",
        "payout.failed",
        "refund.created",
        "refund.updated",
        "refund.failed",
    ),
    "shop": ("orders/create", "orders/paid", "orders/cancelled"),
    "gate": ("payment.pending", "payment.succeeded", "payment.failed", "payment.cancelled"),
}
LADDERS = (
    (5 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 24 * HOUR),
    (5 * MINUTE, 30 * MINUTE, HOUR),
    (MINUTE, 10 * MINUTE, 2 * HOUR),
)


@dataclass
class Plan:
    """The settings of a history. `lag` is how late a gateway knows its own payments, at most, in seconds."""

    seed: int
    dice: random.Random
    sources: tuple[str, ...]
    ladder: tuple[timedelta, ...]
    repeat: timedelta
    escalate: tuple[timedelta, ...]
    keep_payloads: timedelta
    keep_keys: timedelta | None
    sealed: bool
    subscribed: str
    lag: float
    drift: float
    fates: Fates
    delay: float
    steps: int
    waits: tuple[int, ...]
    crashes: float
    provider_faults: float
    intrusions: float
    post_trouble: float
    mischief: float
    exactly_once: bool = True
    trouble: float = 0.0


def draw(seed: int) -> Plan:
    """The plan of `seed`."""
    dice = random.Random(f"upkeep {seed}")
    calm = dice.random() < 0.15
    return Plan(
        seed=seed,
        dice=dice,
        sources=dice.choice((("pay",), ("pay",), ("gate",), ("shop",), ("pay", "gate"), ("pay", "shop"))),
        ladder=dice.choice(LADDERS),
        repeat=dice.choice((6 * HOUR, DAY, DAY)),
        escalate=dice.choice(((), (2 * HOUR,), (HOUR, 12 * HOUR))),
        keep_payloads=dice.choice((6 * HOUR, DAY, 3 * DAY)),
        keep_keys=dice.choice((None, None, 5 * DAY)),
        sealed=dice.random() < 0.5,
        subscribed=dice.choice(("right", "right", "missing", "disabled", "some")),
        lag=dice.choice((0.0, 0.0, 400.0, 5000.0)),
        drift=dice.choice((0.0, 0.0, 7.0, -7.0, 90.0, -90.0)),
        fates=Fates() if calm else Fates(*(dice.choice((0.0, 0.0, 0.15, 0.4)) for _ in range(5))),
        delay=dice.choice((0.0, 5.0, 900.0, 20_000.0)),
        steps=dice.randint(10, 18),
        waits=dice.choice(((0, 60, 310, 600), (60, 310, 1900, 3700), (310, 1900, 11_000, 40_000, 87_000))),
        crashes=dice.choice((0.0, 0.3, 0.6)),
        provider_faults=dice.choice((0.0, 0.3, 0.6)),
        intrusions=dice.choice((0.0, 0.15, 0.4)),
        post_trouble=dice.choice((0.0, 0.4, 0.7)),
        mischief=dice.choice((0.0, 0.3, 0.5)),
        trouble=dice.choice((0.0, 0.0, 0.0, 0.15)),
    )
