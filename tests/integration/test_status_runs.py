"""Runs that ask about transactions: dry, again, stopped, side by side, killed; each is asked about once (P5)."""

from __future__ import annotations

import pytest
from support.asking import asked, climb, processing
from support.pending import (
    known,
    later,
    one,
    open_incidents,
)
from support.running import at_failpoint

from reconcile.clock import Stop
from reconcile.ledger import transactions
from reconcile.ledger.process import Holder
from reconcile.model import Reported, Subject, TransactionStatus
from reconcile.transactions import hearing
from reconcile.transactions.answers import Came
from reconcile.transactions.asking import Asker
from reconcile.transactions.decide import Road
from reconcile.transactions.transaction import State


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
    assert report.notes == [f"pay: would ask about 1 transaction: payment_intent/{intent}"]
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
