"""The six behaviours of Kill Bill's Janitor and P1 to P5, at the fakes of real providers, with a clock that is set."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.running import NOON, a_bench, a_shop, a_stripe

from reconcile.ledger import transactions
from reconcile.ledger.transactions import Chosen
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe

TOPICS = "payment_intent.succeeded, payment_intent.processing, payment_intent.canceled"


@pytest.fixture
def bench(sqlite_databases, tmp_path):
    with a_bench(sqlite_databases, tmp_path) as made:
        yield made


@pytest.fixture
def stripe(bench):
    fake = FakeStripe(clock=bench.clock, api_key="sk_test_dummycanary7f3a", throttle=False)
    bench.add("pay", a_stripe("pay", TOPICS), fake)
    return fake


def found(bench, **chosen):
    with bench.ledger.read() as tx:
        return transactions.find(tx, Chosen(**chosen), 100)


def later(bench, **delta):
    bench.clock.set(bench.clock.now() + timedelta(**delta))


def test_thread(bench, stripe):
    intent = stripe.create_payment_intent(1999)
    stripe.start_processing(intent)
    later(bench, minutes=4)
    report = bench.run("backfill", "status-checks", "dispatch")
    assert report.transactions == {"checked": 0, "resolved": 0, "pending": 1, "unresolved": 0}
    stripe.succeed(intent)
    later(bench, minutes=2)
    report = bench.run("status-checks", "dispatch")
    assert report.transactions == {"checked": 1, "resolved": 1, "pending": 0, "unresolved": 0}
    assert bench.handled("pay", "payment_intent.succeeded") == {intent: 1}
    later(bench, minutes=10)
    report = bench.run("backfill", "status-checks", "dispatch")
    assert bench.handled("pay", "payment_intent.succeeded") == {intent: 1}
    assert report.exit_code == 0
