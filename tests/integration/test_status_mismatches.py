"""Money that differs, and ends that change: what contradicts what was known is a person's turn (P1, P4)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from support.asking import climb, processing
from support.pending import (
    deliver,
    known,
    later,
    one,
    open_gaps,
    open_incidents,
    shop_at,
    stripe_at,
)

from reconcile.model import Subject, TransactionStatus
from reconcile.transactions import hearing


def test_another_amount_is_a_mismatch_and_nothing_is_delivered(bench, stripe):
    """P4: an end over another amount than the app expects is a gap and an incident; nobody mends or delivers it."""
    intent = stripe.create_payment_intent(2500)
    with bench.ledger.write() as tx:
        bench.config()
        hearing.track(tx, "pay", Subject("payment_intent", intent), amount="1999", currency="usd")
    stripe.succeed(intent)
    later(bench, minutes=5)
    report = bench.run("status-checks", "dispatch")
    assert report.transactions == {"checked": 1, "resolved": 0, "pending": 0, "unresolved": 1}
    assert report.exit_code == 3
    assert open_gaps(bench) == [
        ("status_mismatch", f"payment_intent/{intent}", "it ended as succeeded, but over 2500 instead of 1999")
    ]
    assert open_incidents(bench) == [("status_mismatch", f"payment_intent/{intent}", False)]
    assert bench.handled("pay") == {}
    later(bench, days=3)
    assert bench.run("status-checks").transactions["checked"] == 0


def test_the_same_amount_is_compared_as_a_number_in_any_case_of_its_currency(bench):
    """P4: "19.90" and 19.9 are one amount, "usd" and "USD" one currency; a cent is none."""
    shop = shop_at(bench)
    order = shop.create_order()
    payment = shop.start_payment(order)
    total = Decimal(shop.transactions[order][0]["amount"])
    subject = Subject("order_transaction", f"{order}/{payment}")
    with bench.ledger.write() as tx:
        bench.config()
        hearing.track(tx, "shop", subject, amount=f"{total}0", currency="usd")
    shop.settle_payment(order, payment)
    later(bench, minutes=5)
    report = bench.run("status-checks", "dispatch")
    assert report.transactions["resolved"] == 1
    assert bench.handled("shop", "order_transactions/create") == {str(order): 1}


def test_another_currency_is_a_mismatch(bench, stripe):
    """P4: the same number in another currency is another amount."""
    intent = stripe.create_payment_intent(1999, "eur")
    with bench.ledger.write() as tx:
        bench.config()
        hearing.track(tx, "pay", Subject("payment_intent", intent), amount="1999", currency="usd")
    stripe.succeed(intent)
    later(bench, minutes=5)
    bench.run("status-checks")
    assert open_gaps(bench)[0][2] == "it ended as succeeded, but in eur instead of usd"


def test_a_payout_that_fails_after_it_was_paid_is_a_gap(bench, stripe):
    """P1: paid → failed is told, never taken over in silence: Stripe lets a payout fail days later."""
    payout = stripe.create_payout(100_000)
    deliver(bench, "pay", stripe, "payout.created", payout)
    later(bench, days=2)
    stripe.pay_payout(payout)
    later(bench, minutes=5)
    bench.run("status-checks", "dispatch")
    assert one(bench, payout).status is TransactionStatus.SUCCEEDED
    later(bench, days=2)
    stripe.fail_payout(payout)
    assert deliver(bench, "pay", stripe, "payout.failed", payout) == 200
    report = bench.run("status-checks", "dispatch")
    assert one(bench, payout).status is TransactionStatus.SUCCEEDED
    assert open_gaps(bench) == [
        ("status_mismatch", f"payout/{payout}", "it had ended as succeeded, and its provider now says failed")
    ]
    assert bench.handled("pay", "payout.failed") == {payout: 1}
    assert report.exit_code == 3


def test_a_refund_that_fails_after_it_succeeded_is_a_gap(bench, stripe):
    """P1: succeeded → failed of a refund likewise."""
    charge = stripe.succeed(stripe.create_payment_intent())
    refund = stripe.refund(charge, status="pending")
    deliver(bench, "pay", stripe, "refund.created", refund)
    stripe.settle_refund(refund)
    later(bench, minutes=5)
    bench.run("status-checks", "dispatch")
    assert bench.handled("pay", "refund.updated") == {refund: 1}
    later(bench, days=2)
    stripe.settle_refund(refund, "failed")
    deliver(bench, "pay", stripe, "refund.failed", refund)
    assert [kind for kind, _, _ in open_gaps(bench)] == ["status_mismatch"]
    assert one(bench, refund).status is TransactionStatus.SUCCEEDED


@pytest.mark.parametrize("told", ["live", "missed"])
def test_what_was_never_pending_here_is_not_taken_back_unseen_either(bench, told):
    """P1: a refund succeeds at once and a payout is paid, as most do; days later both fail, however we hear of it."""
    stripe = stripe_at(bench, topics="refund.created, refund.failed, payout.paid, payout.failed")
    charge = stripe.succeed(stripe.create_payment_intent())
    refund, payout = stripe.refund(charge), stripe.create_payout(100_000)
    stripe.pay_payout(payout)
    if told == "live":
        deliver(bench, "pay", stripe, "refund.created", refund)
        deliver(bench, "pay", stripe, "payout.paid", payout)
    bench.run("backfill", "dispatch", since=timedelta(days=5))
    later(bench, days=2)
    bench.run("backfill", "dispatch", since=timedelta(days=5))
    assert open_gaps(bench) == []
    stripe.settle_refund(refund, "failed")
    stripe.fail_payout(payout)
    if told == "live":
        deliver(bench, "pay", stripe, "refund.failed", refund)
        deliver(bench, "pay", stripe, "payout.failed", payout)
    later(bench, days=1)
    report = bench.run("backfill", "dispatch", since=timedelta(days=5))
    found = [(kind, key) for kind, key, _ in open_gaps(bench)]
    assert sorted(found) == [("status_mismatch", f"payout/{payout}"), ("status_mismatch", f"refund/{refund}")]
    assert report.exit_code == 3


def test_a_type_that_is_not_followed_is_not_kept(bench):
    """`transactions: []` follows nothing: an end that may be taken back is none of our business either."""
    stripe = stripe_at(bench, more="handler: app:take\n    transactions: []")
    payout = stripe.create_payout(100_000)
    stripe.pay_payout(payout)
    deliver(bench, "pay", stripe, "payout.paid", payout)
    assert known(bench) == []


def test_an_older_event_that_comes_late_contradicts_nothing(bench, stripe):
    """P1: deliveries have no order: a pending status from before the end is stale, not a regression."""
    intent = processing(bench, stripe)
    later(bench, minutes=1)
    stripe.require_action(intent)
    later(bench, minutes=1)
    stripe.succeed(intent)
    deliver(bench, "pay", stripe, "payment_intent.succeeded", intent)
    deliver(bench, "pay", stripe, "payment_intent.requires_action", intent)
    assert one(bench, intent).status is TransactionStatus.SUCCEEDED
    assert open_gaps(bench) == []


def test_a_late_end_resolves_what_was_given_up(bench, stripe):
    """P3: an unresolved transaction whose webhook comes at last is settled, and its incident is closed."""
    intent = processing(bench, stripe)
    climb(bench)
    stripe.succeed(intent)
    deliver(bench, "pay", stripe, "payment_intent.succeeded", intent)
    report = bench.run("status-checks", "dispatch")
    assert (report.exit_code, report.transactions["unresolved"]) == (0, 0)
    assert open_incidents(bench) == []
