"""Payments that are pending, and a bench that asks about them."""

from __future__ import annotations

from reconcile.transactions.transaction import LADDER
from support.pending import (
    deliver,
)


def processing(bench, stripe, amount=1999):
    """A payment on its way, whose webhook arrived."""
    intent = stripe.create_payment_intent(amount)
    stripe.start_processing(intent)
    assert deliver(bench, "pay", stripe, "payment_intent.processing", intent) == 200
    return intent


def climb(bench, rungs=5):
    """Run the job at each rung in turn; the last report."""
    report = None
    for rung in LADDER[:rungs]:
        bench.clock.set(bench.clock.now() + rung)
        report = bench.run("status-checks", "dispatch")
    return report


def asked(stripe, intent):
    return sum(1 for seen in stripe.requests if seen.path.endswith(intent))
