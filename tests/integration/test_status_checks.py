"""The six behaviours of Kill Bill's Janitor, and the ladder (P1, P3, P5), with a clock that is set."""

from __future__ import annotations

from datetime import timedelta

from support.asking import asked, climb, processing
from support.pending import (
    deliver,
    known,
    later,
    one,
    open_incidents,
    origins,
    shop_at,
    stripe_at,
)
from support.running import at_failpoint

from reconcile.ledger import transactions
from reconcile.model import Subject, TransactionStatus
from reconcile.transactions.transaction import LADDER, State

# The six behaviours of the Janitor.


def test_pending_becomes_success_on_poll(bench, stripe):
    """Janitor 1, P5: what succeeded while its webhook was lost is found on the first rung, and handled once."""
    intent = processing(bench, stripe)
    stripe.succeed(intent)
    later(bench, minutes=5)
    report = bench.run("status-checks", "dispatch")
    assert report.transactions == {"checked": 1, "resolved": 1, "pending": 0, "unresolved": 0}
    assert bench.handled("pay", "payment_intent.succeeded") == {intent: 1}
    assert (one(bench, intent).state, one(bench, intent).status) == (State.SETTLED, TransactionStatus.SUCCEEDED)
    assert origins(bench, "payment_intent.succeeded") == [("status_check", "handled")]
    assert report.exit_code == 0


def test_pending_becomes_failure_on_poll(bench, stripe):
    """Janitor 2, P5: what was cancelled while its webhook was lost is told to the handler as that."""
    intent = processing(bench, stripe)
    stripe.cancel(intent)
    later(bench, minutes=5)
    bench.run("status-checks", "dispatch")
    assert bench.handled("pay", "payment_intent.canceled") == {intent: 1}
    assert one(bench, intent).status is TransactionStatus.CANCELLED


def test_unknown_stays_pending_and_the_next_asking_is_scheduled(bench, stripe):
    """Janitor 3, P2, P3: a status nobody knows is pending; it is asked again after the next rung, not before."""
    intent = processing(bench, stripe)
    stripe.change("payment_intent", intent, {"status": "pondering"})
    later(bench, minutes=5)
    report = bench.run("status-checks", "dispatch")
    assert report.transactions == {"checked": 1, "resolved": 0, "pending": 1, "unresolved": 0}
    assert (one(bench, intent).raw, one(bench, intent).attempts) == ("pondering", 1)
    assert one(bench, intent).due_at(LADDER) == bench.clock.now() + timedelta(minutes=30)
    later(bench, minutes=29, seconds=59)
    assert bench.run("status-checks").transactions["checked"] == 0
    later(bench, seconds=1)
    assert bench.run("status-checks").transactions["checked"] == 1
    assert report.exit_code == 0


def test_after_the_last_attempt_it_stays_unresolved_and_is_reported(bench, stripe):
    """Janitor 4, P3: after five askings it is unresolved: one incident, for its third party too, and exit 3."""
    intent = processing(bench, stripe)
    report = climb(bench)
    assert report.transactions == {"checked": 1, "resolved": 0, "pending": 0, "unresolved": 1}
    assert report.exit_code == 3
    assert asked(stripe, intent) == len(LADDER)
    assert open_incidents(bench) == [("unresolved", f"payment_intent/{intent}", True)]
    later(bench, days=30)
    again = bench.run("status-checks")
    assert again.transactions == {"checked": 0, "resolved": 0, "pending": 0, "unresolved": 1}
    assert again.exit_code == 3
    assert len(open_incidents(bench)) == 1


def test_a_terminal_state_set_in_between_is_not_overwritten(bench, stripe):
    """Janitor 5, P1: an answer that comes after the end was told otherwise is dropped."""
    intent = processing(bench, stripe)
    stripe.cancel(intent)
    later(bench, minutes=5)

    def ends():
        subject = Subject("payment_intent", intent)
        with bench.ledger.write() as tx:
            (row,) = transactions.known(tx, "pay", [subject]).values()
            transactions.change(tx, row, state=State.SETTLED, status=TransactionStatus.SUCCEEDED)

    with at_failpoint("transaction.asked", ends):
        report = bench.run("status-checks", "dispatch")
    assert one(bench, intent).status is TransactionStatus.SUCCEEDED
    assert bench.handled("pay", "payment_intent.canceled") == {}
    assert report.transactions["resolved"] == 0


def test_a_late_notification_during_the_check_wins(bench, stripe):
    """Janitor 6, P1, P5, H4: a webhook that arrives while the provider is asked ends it; the fact happens once."""
    intent = processing(bench, stripe)
    stripe.succeed(intent)
    later(bench, minutes=5)

    def arrives():
        assert deliver(bench, "pay", stripe, "payment_intent.succeeded", intent) == 200

    with at_failpoint("transaction.asked", arrives):
        report = bench.run("status-checks", "dispatch")
    assert report.transactions == {"checked": 1, "resolved": 0, "pending": 0, "unresolved": 0}
    assert origins(bench, "payment_intent.succeeded") == [("live", "handled")]
    assert bench.handled("pay", "payment_intent.succeeded") == {intent: 1}


# The ladder and its beginnings.


def test_a_webhook_cancels_the_rung(bench, stripe):
    """P5: what ended by its webhook is never asked about."""
    intent = processing(bench, stripe)
    stripe.succeed(intent)
    deliver(bench, "pay", stripe, "payment_intent.succeeded", intent)
    later(bench, days=1)
    assert bench.run("status-checks").transactions["checked"] == 0
    assert asked(stripe, intent) == 0
    assert one(bench, intent).status is TransactionStatus.SUCCEEDED


def test_a_backfilled_event_begins_and_cancels_as_a_live_one_does(bench, stripe):
    """P5: what the event log tells of transactions counts in the commit that records it."""
    intent = stripe.create_payment_intent()
    stripe.start_processing(intent)
    later(bench, minutes=3)
    bench.run("backfill")
    assert one(bench, intent).state is State.PENDING
    stripe.succeed(intent)
    later(bench, minutes=3)
    bench.run("backfill")
    assert one(bench, intent).status is TransactionStatus.SUCCEEDED
    assert bench.run("status-checks", "dispatch").transactions["checked"] == 0
    assert bench.handled("pay", "payment_intent.succeeded") == {intent: 1}


def test_a_webhook_after_the_poll_is_a_duplicate(bench, stripe):
    """P5, H4: the late webhook of what a status check found is absorbed by it."""
    intent = processing(bench, stripe)
    stripe.succeed(intent)
    later(bench, minutes=5)
    bench.run("status-checks", "dispatch")
    assert deliver(bench, "pay", stripe, "payment_intent.succeeded", intent) == 200
    later(bench, minutes=10)
    bench.run("backfill", "status-checks", "dispatch")
    assert bench.handled("pay", "payment_intent.succeeded") == {intent: 1}


def test_an_old_transaction_is_asked_about_at_once(bench, stripe):
    """The first rung counts from the transaction's own time, each next one from the asking before it."""
    intent = stripe.create_payment_intent()
    stripe.start_processing(intent)
    later(bench, days=2)
    assert deliver(bench, "pay", stripe, "payment_intent.processing", intent) == 200
    assert bench.run("status-checks").transactions["checked"] == 1
    assert one(bench, intent).due_at(LADDER) == bench.clock.now() + LADDER[1]


def test_a_listed_order_is_followed_until_a_rebuilt_event_tells_its_end(bench):
    """From listings: a pending order becomes known by its page; what backfill rebuilds cancels the rung (P5)."""
    shop = shop_at(bench, topics="orders/updated, orders/paid")
    order = shop.create_order()
    later(bench, minutes=3)
    bench.run("backfill")
    assert (one(bench, order).subject.type, one(bench, order).raw) == ("order", "pending")
    shop.pay_order(order)
    later(bench, minutes=3)
    bench.run("backfill")
    assert bench.run("status-checks", "dispatch").transactions["checked"] == 0
    assert one(bench, order).status is TransactionStatus.SUCCEEDED


def test_a_list_alone_has_it_asked_about(bench):
    """Without a handler a list shows, and records no event: what it shows as ended is asked about at the next run."""
    shop = shop_at(bench, topics="orders/updated", more="")
    order = shop.create_order()
    later(bench, minutes=3)
    bench.run("backfill")
    shop.pay_order(order)
    later(bench, minutes=3)
    bench.run("backfill")
    assert one(bench, order).status is TransactionStatus.PENDING
    assert bench.run("status-checks").transactions["resolved"] == 1
    assert one(bench, order).status is TransactionStatus.SUCCEEDED


def test_a_ladder_of_its_own(bench):
    """A source may have its own ladder, and a transaction under way follows the one that is configured now."""
    stripe = stripe_at(bench, more="handler: app:take\n    ladder: [1h]")
    intent = processing(bench, stripe)
    later(bench, minutes=59)
    assert bench.run("status-checks").transactions["checked"] == 0
    later(bench, minutes=1)
    assert bench.run("status-checks").transactions == {"checked": 1, "resolved": 0, "pending": 0, "unresolved": 1}
    assert one(bench, intent).state is State.UNRESOLVED


def test_only_what_is_wanted_is_followed(bench):
    """`transactions` narrows what is followed to types, or to a type in one status; how others end is no matter."""
    stripe = stripe_at(bench, more="handler: app:take\n    transactions: [payment_intent/processing]")
    intent = stripe.create_payment_intent()
    deliver(bench, "pay", stripe, "payment_intent.created", intent)
    assert known(bench) == []
    stripe.start_processing(intent)
    deliver(bench, "pay", stripe, "payment_intent.processing", intent)
    assert [row.subject.id for row in known(bench)] == [intent]
