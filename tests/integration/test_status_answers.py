"""What providers answer about a transaction, and what becomes of it (P1, P2, P4), with a clock that is set."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from support.asking import asked, climb, processing
from support.pending import (
    deliver,
    known,
    later,
    one,
    open_gaps,
    open_incidents,
    post,
    shop_at,
    stripe_at,
)
from support.running import a_bench, at_failpoint

from reconcile.clock import Stop
from reconcile.ledger import transactions
from reconcile.ledger.process import Holder
from reconcile.model import Reported, Subject, TransactionStatus
from reconcile.sandbox.fake import respond
from reconcile.transactions import hearing
from reconcile.transactions.answers import Came
from reconcile.transactions.asking import Asker
from reconcile.transactions.decide import Road
from reconcile.transactions.transaction import LADDER, State


@pytest.fixture
def bench(sqlite_databases, tmp_path):
    with a_bench(sqlite_databases, tmp_path) as made:
        yield made


@pytest.fixture
def stripe(bench):
    return stripe_at(bench)


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


def test_an_answer_about_another_transaction_is_none(bench, stripe):
    """P2, P4: a proxy that answers with another payment's body must not end this one, whatever the amounts."""
    intent, other = processing(bench, stripe), processing(bench, stripe)
    stripe.succeed(other)

    def mixed_up(request, handle):
        return handle(httpx.Request("GET", str(request.url).replace(intent, other), headers=request.headers))

    bench.faults["pay"].add(mixed_up, path=f"payment_intents/{intent}", times=0)
    later(bench, minutes=5)
    report = bench.run("status-checks", "dispatch")
    assert (report.exit_code, report.transactions["resolved"]) == (4, 1)
    assert (one(bench, intent).status, one(bench, intent).attempts) == (TransactionStatus.PENDING, 1)
    assert bench.handled("pay", "payment_intent.succeeded") == {other: 1}


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


def test_an_app_that_cannot_be_asked_what_it_handled_spends_no_rung(bench):
    """P2, P3: the provider has told the end; nobody is asked to settle it by hand while the app cannot say."""
    book = bench.folder / "app.db"
    recorded = f"recorded: {{database: 'sqlite:///{book}', query: 'select k from handled where k in :keys'}}"
    stripe = stripe_at(bench, more=f"handler: app:take\n    {recorded}")
    intent = processing(bench, stripe)
    stripe.succeed(intent)
    report = climb(bench)
    assert (report.exit_code, report.transactions["checked"]) == (2, 0)
    assert "the query of `recorded:` failed" in report.errors[0]
    assert (one(bench, intent).attempts, open_incidents(bench)) == (0, [])
    with closing(sqlite3.connect(book)) as table:
        table.execute("create table handled (k text)")
    assert bench.run("status-checks").transactions["resolved"] == 1


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


# What a run is besides.


def test_an_end_that_a_list_shows_during_the_last_question_is_asked_about(bench, stripe):
    """P3: the answer on its way is the older news: nobody is asked to settle by hand what has just ended."""
    intent = processing(bench, stripe)
    climb(bench, rungs=4)

    def listed():
        stripe.succeed(intent)
        shown = Reported(Subject("payment_intent", intent), TransactionStatus.SUCCEEDED, "succeeded")
        with bench.ledger.write() as tx:
            hearing.hear(tx, "pay", [shown], Road.LIST)

    later(bench, hours=24)
    with at_failpoint("transaction.asked", listed):
        report = bench.run("status-checks")
    assert (report.transactions["resolved"], open_incidents(bench)) == (1, [])
    assert (one(bench, intent).attempts, one(bench, intent).state) == (6, State.SETTLED)


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


def test_two_runs_of_one_process_leave_each_others_claims_alone(bench, stripe):
    """H1: two schedules of a daemon about one source at the same time: what one has asked about is not asked again."""
    intent = processing(bench, stripe)
    stripe.succeed(intent)
    later(bench, minutes=5)
    context = bench.context()
    source = context.config.sources["pay"]
    one_run, other = (Asker(context, source, context.connector(source), context.clock.now()) for _ in range(2))
    with at_failpoint("transaction.claimed", other.run):
        tally = one_run.run()
    assert tally.came == {Came.RESOLVED: 1}
    assert asked(stripe, intent) == 1


def test_claims_are_of_the_process_the_run_is_of(bench, stripe):
    """H1: what a runner elsewhere claims is named after that runner, not after whoever happens to ask."""
    processing(bench, stripe)
    later(bench, minutes=5)
    context = bench.context()
    context.holder = Holder("elsewhere:1:x", "elsewhere", 1, "x")
    source, found = context.config.sources["pay"], []

    def look():
        with bench.ledger.read() as tx:
            found.extend(transactions.owners(tx, "pay"))

    with at_failpoint("transaction.claimed", look):
        Asker(context, source, context.connector(source), context.clock.now()).run()
    assert [owner.startswith("elsewhere:1:") for owner in found] == [True]


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
