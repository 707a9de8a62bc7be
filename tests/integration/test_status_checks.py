"""The six behaviours of Kill Bill's Janitor and P1 to P5, at the fakes of real providers, with a clock that is set."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from support.pending import (
    deliver,
    known,
    later,
    one,
    open_gaps,
    open_incidents,
    origins,
    post,
    shop_at,
    stripe_at,
)
from support.running import a_bench, at_failpoint

from reconcile.clock import Stop
from reconcile.ledger import transactions
from reconcile.model import Subject, TransactionStatus
from reconcile.sandbox.fake import respond
from reconcile.transactions import hearing
from reconcile.transactions.transaction import LADDER, State

#: From the transaction's own time to its last asking.
WHOLE_LADDER = sum(LADDER, timedelta())


@pytest.fixture
def bench(sqlite_databases, tmp_path):
    with a_bench(sqlite_databases, tmp_path) as made:
        yield made


@pytest.fixture
def stripe(bench):
    return stripe_at(bench)


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


# P2: what keeps the state.


def test_not_known_to_the_provider_keeps_the_state_until_the_ladder_ends(bench, stripe):
    """P2: 404 may mean not yet; after the last rung it is a person's turn, and says why."""
    with bench.ledger.write() as tx:
        bench.config()
        hearing.track(tx, "pay", Subject("payment_intent", "pi_ghost"))
    report = climb(bench, len(LADDER) - 1)
    assert (report.transactions["pending"], report.exit_code) == (1, 0)
    bench.clock.set(bench.clock.now() + LADDER[-1])
    assert bench.run("status-checks").transactions["unresolved"] == 1
    assert one(bench, "pi_ghost").answer == "its provider does not know it"


def test_a_failing_provider_keeps_the_state(bench, stripe):
    """P2: 500 keeps it pending, and the run says that its provider could not be asked (exit 4)."""
    intent = processing(bench, stripe)
    stripe.succeed(intent)
    bench.faults["pay"].add(lambda *_: respond(500, b"{}", {}), path=intent, times=0)
    later(bench, minutes=5)
    report = bench.run("status-checks")
    assert report.exit_code == 4
    assert "answered 500" in report.errors[0]
    assert (one(bench, intent).status, one(bench, intent).attempts) == (TransactionStatus.PENDING, 1)
    bench.faults["pay"].clear()
    later(bench, minutes=30)
    assert bench.run("status-checks", "dispatch").transactions["resolved"] == 1


@pytest.mark.parametrize("body", [b"<html>soon</html>", b"[]", b'{"id": 7}', b"", b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_cannot_be_read_keeps_the_state(bench, stripe, body):
    """P2: HTML, another shape, another encoding or hostile nesting is no status."""
    intent = processing(bench, stripe)
    bench.faults["pay"].add(lambda *_: respond(200, body, {}), path=intent, times=0)
    later(bench, minutes=5)
    report = bench.run("status-checks")
    assert report.exit_code == 4
    assert one(bench, intent).status is TransactionStatus.PENDING


def test_a_provider_that_is_down_is_left_alone(bench, stripe):
    """P2: after five questions without an answer the rest waits for the next run, its rungs unspent."""
    intents = [processing(bench, stripe) for _ in range(9)]
    bench.faults["pay"].add(lambda *_: respond(503, b"{}", {}), path="payment_intents/", times=0)
    later(bench, minutes=5)
    report = bench.run("status-checks")
    assert report.transactions == {"checked": 5, "resolved": 0, "pending": 9, "unresolved": 0}
    assert sorted(one(bench, intent).attempts for intent in intents) == [0] * 4 + [1] * 5


def test_refused_credentials_spend_no_rung(bench, stripe):
    """P2: 401 is about us, not about the transaction: it is asked again as soon as the key is accepted."""
    intent = processing(bench, stripe)
    stripe.api_keys = {"sk_test_other"}
    later(bench, minutes=5)
    report = bench.run("status-checks")
    assert (report.exit_code, report.transactions["checked"]) == (4, 0)
    assert one(bench, intent).attempts == 0
    stripe.api_keys = {"sk_test_dummycanary7f3a"}
    assert bench.run("status-checks").transactions["checked"] == 1


def test_an_unreadable_body_never_loses_its_event(bench, stripe):
    """P2: an event whose object nobody can make out is recorded all the same, and follows nothing."""
    body = (
        b'{"id":"evt_odd","object":"event","type":"payment_intent.processing","created":1717243200,'
        b'"data":{"object":{"object":"payment_intent","id":"pi_odd","created":"yesterday","status":7}}}'
    )
    assert post(bench, "pay", "payment_intent.processing", body) == 200
    assert bench.recorded("pay") == [("payment_intent.processing", "pi_odd", "waiting")]
    assert known(bench) == []


# P4 and P1: money that differs, ends that change.


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


# What a run is besides.


def test_a_dry_run_asks_nobody_and_says_what_it_would_ask(bench, stripe):
    """S5's rule for this job: no request, no row; the notes name what is due."""
    intent = processing(bench, stripe)
    later(bench, minutes=5)
    before = (known(bench), len(stripe.requests))
    report = bench.run("status-checks", dry_run=True)
    assert report.transactions["checked"] == 1
    assert report.notes == [f"pay: would ask about 1 transactions: payment_intent/{intent}"]
    assert (known(bench), len(stripe.requests)) == before


def test_running_it_again_asks_nothing(bench, stripe):
    """H12: a second run right after the first asks nobody and calls no handler."""
    intent = processing(bench, stripe)
    stripe.succeed(intent)
    later(bench, minutes=5)
    bench.run("status-checks", "dispatch")
    requests = len(stripe.requests)
    bench.run("status-checks", "dispatch")
    assert len(stripe.requests) == requests
    assert bench.handled("pay", "payment_intent.succeeded") == {intent: 1}


def test_a_stop_gives_back_what_was_claimed(bench, stripe):
    """L2: a stopped run leaves nothing claimed, so that the next one need not wait."""
    for _ in range(3):
        processing(bench, stripe)
    later(bench, minutes=5)
    with at_failpoint("transaction.applied", bench.stop.set):
        report = bench.run("status-checks")
    assert report.exit_code == 143
    bench.stop = Stop()
    assert bench.run("status-checks").transactions["checked"] == 2


@pytest.mark.parametrize("place", ["transaction.claimed", "transaction.asked", "transaction.applied"])
def test_a_crash_anywhere_loses_and_doubles_nothing(bench, stripe, place):
    """L3, P1, P5: whatever the place, a run after the crash ends with the fact handled once."""
    intents = [processing(bench, stripe) for _ in range(3)]
    for intent in intents:
        stripe.succeed(intent)
    later(bench, minutes=5)

    def crash():
        raise KeyboardInterrupt

    with at_failpoint(place, crash, nth=2), pytest.raises(KeyboardInterrupt):
        bench.run("status-checks")
    later(bench, minutes=11)
    report = bench.run("status-checks", "dispatch")
    assert report.transactions["pending"] == 0
    assert bench.handled("pay", "payment_intent.succeeded") == dict.fromkeys(intents, 1)


def test_many_threads_ask_each_once(bench, stripe):
    """H1: threads share the claims; every transaction is asked about once and ends once."""
    bench.threads = 4
    intents = [processing(bench, stripe) for _ in range(40)]
    for intent in intents:
        stripe.succeed(intent)
    later(bench, minutes=5)
    report = bench.run("status-checks", "dispatch")
    assert report.transactions == {"checked": 40, "resolved": 40, "pending": 0, "unresolved": 0}
    assert {asked(stripe, intent) for intent in intents} == {1}
    assert bench.handled("pay", "payment_intent.succeeded") == dict.fromkeys(intents, 1)
