"""Two planes, topics that come later, logs that forget while they are read: nothing is lost, and nothing is claimed."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from support.running import Bench, a_stripe, add_stripe, arrive, at_failpoint, kinds, stream_of

from reconcile.ledger import gaps
from reconcile.model import Arrival, Description, GapKind, Occurrence, Origin, Subject, micros
from reconcile.reading import memory
from reconcile.sandbox import wire_faults as wires
from reconcile.sandbox.fake import Handle
from reconcile.sandbox.stripe import FakeStripe

SUCCEEDED, FAILED = "payment_intent.succeeded", "payment_intent.payment_failed"


def configure(bench: Bench, topics: str) -> None:
    """Set the topics anew, as an operator who edits the file does."""
    bench.text = a_stripe("pay", topics)


def stripe_of(bench: Bench) -> FakeStripe:
    """The fake behind the faults."""
    fake = bench.faults["pay"].fake
    assert isinstance(fake, FakeStripe)
    return fake


def paid(bench: Bench) -> str:
    """A payment intent that succeeds at once."""
    intent = stripe_of(bench).create_payment_intent()
    stripe_of(bench).succeed(intent)
    return intent


def days(bench: Bench, number: float) -> None:
    """Let days pass."""
    bench.clock.advance(number * 86_400)


def slow(bench: Bench, seconds: float) -> Callable[[httpx.Request, Handle], httpx.Response]:
    """Every answer takes a while, and the provider's clock goes on meanwhile."""

    def behave(request: httpx.Request, handle: Handle) -> httpx.Response:
        bench.clock.advance(seconds)
        return handle(request)

    return behave


def test_a_log_alone_says_what_it_has_forgotten(bench):
    """C11: `streams: [events]` reads no list, so a listed topic too is a gap before the log's memory."""
    add_stripe(bench, SUCCEEDED, more="handler: app:take\n    streams: [events]")
    paid(bench)
    days(bench, 45)
    report = bench.run(since=timedelta(days=60))
    assert (report.exit_code, kinds(report)) == (3, [GapKind.BEYOND_RETENTION])
    assert not stream_of(report, "pay", "events").covered
    assert bench.effects == []


def test_a_topic_added_later_is_promised_from_then_on_only(bench):
    """C11: what a new topic did before its horizon is nobody's promise, so no gap speaks of it."""
    add_stripe(bench, SUCCEEDED)
    assert bench.run(since=None).exit_code == 0
    old = paid(bench)
    for _ in range(9):
        days(bench, 10)
        assert bench.run(since=None).exit_code == 0
    configure(bench, f"{SUCCEEDED}, charge.updated")
    report = bench.run(since=None)
    assert (report.exit_code, kinds(report)) == (0, [])
    assert [one.stream for one in report.streams] == ["events"]
    assert stream_of(report, "pay").covered
    days(bench, 1)
    assert bench.run(since=None).exit_code == 0
    assert bench.handled("pay") == {old: 1}


def test_a_wildcard_named_more_closely_keeps_its_promise(bench):
    """C1: adding `payment_intent.succeeded` beside `payment_intent.*` forgets nothing the wildcard promised."""
    add_stripe(bench, "'payment_intent.*'")
    assert bench.run(since=None).exit_code == 0
    days(bench, 1)
    intent = paid(bench)
    days(bench, 1)
    configure(bench, f"{SUCCEEDED}, 'payment_intent.*'")
    assert bench.run(since=None).exit_code == 0
    assert bench.handled("pay", SUCCEEDED) == {intent: 1}


@pytest.mark.parametrize("threads", [0, 4])
def test_the_log_may_forget_while_it_is_read(bench, threads, monkeypatch):
    """C3, C11: what left the log's memory during the run is not covered by having found nothing there."""
    monkeypatch.setattr(memory, "LEEWAY", timedelta(minutes=1))
    bench.threads = threads
    add_stripe(bench, SUCCEEDED)
    intents = []
    for _ in range(40 * 4):
        intents.append(paid(bench))
        days(bench, 0.25)
    bench.faults["pay"].add(slow(bench, 25), path=r"/v1/events", times=0)
    report = bench.run("backfill", since=timedelta(days=45), force=True)
    assert report.exit_code == 4
    assert not stream_of(report, "pay", "events").covered
    bench.faults["pay"].clear()
    bench.run(since=None, force=True)
    assert bench.handled("pay", SUCCEEDED) == dict.fromkeys(intents, 1)


@pytest.mark.parametrize("threads", [0, 4])
def test_a_short_run_at_the_edge_of_the_logs_memory_is_covered(bench, threads):
    """C11: seconds that pass while reading are no reason to leave a hole at the edge."""
    bench.threads = threads
    add_stripe(bench, SUCCEEDED)
    intents = []
    for _ in range(40):
        intents.append(paid(bench))
        days(bench, 1)
    bench.faults["pay"].add(slow(bench, 2), times=0)
    report = bench.run(since=timedelta(days=45), force=True)
    assert [one.covered for one in report.streams] == [True, True]
    assert bench.handled("pay", SUCCEEDED) == dict.fromkeys(intents, 1)


@pytest.mark.parametrize("threads", [0, 4])
def test_a_repeated_fact_is_not_hidden_by_a_later_one_of_the_log(bench, threads):
    """The log comes first; a list then sees that one was recorded, and says that it cannot tell."""
    bench.threads = threads
    add_stripe(bench, FAILED)
    intent = stripe_of(bench).create_payment_intent()
    stripe_of(bench).fail(intent)
    days(bench, 35)
    stripe_of(bench).fail(intent)
    days(bench, 5)
    bench.faults["pay"].add(slow_really(), path=r"/v1/events", times=0)
    report = bench.run(since=timedelta(days=45))
    assert GapKind.NOT_REBUILDABLE in kinds(report)
    assert bench.handled("pay", FAILED) == {intent: 1}


def slow_really() -> Callable[[httpx.Request, Handle], httpx.Response]:
    """Let the other threads go first."""

    def behave(request: httpx.Request, handle: Handle) -> httpx.Response:
        threading.Event().wait(0.3)
        return handle(request)

    return behave


def test_a_recheck_does_not_forget_what_the_log_proved_in_time(bench):
    """C11: `--recheck` reads again what can be read; what cannot any more stays as proven as it was."""
    add_stripe(bench, "charge.updated")
    assert bench.run(since=None).exit_code == 0
    for _ in range(9):
        days(bench, 5)
        assert bench.run(since=None).exit_code == 0
    report = bench.run(since=None, recheck=True)
    assert (report.exit_code, kinds(report)) == (0, [])


def test_a_cursor_that_is_refused_does_not_stop_a_list_for_ever(bench):
    """C3: a resumed list whose cursor the provider does not know any more starts its window over."""
    add_stripe(bench, "customer.created")
    made = []
    for _ in range(120):
        made.append(stripe_of(bench).create_customer())
        bench.clock.advance(60)
    days(bench, 40)
    gone = re.compile(r"starting_after=\w+")
    refused: list[str] = []

    def refuses(request: httpx.Request, handle: Handle) -> httpx.Response:
        cursor = gone.search(str(request.url))
        if cursor and (not refused or cursor[0] in refused):
            refused.append(cursor[0])
            stripe_of(bench).delete_customer(cursor[0].partition("=")[2])
            return httpx.Response(400, json={"error": {"code": "resource_missing"}})
        return handle(request)

    bench.faults["pay"].add(refuses, path=r"/v1/customers", times=0)
    since = bench.clock.now() - timedelta(days=45)
    assert bench.run(since=since, force=True).exit_code == 4
    assert stream_of(bench.run(since=since, force=True), "pay", "customers").covered
    assert bench.handled("pay", "customer.created") == dict.fromkeys(made, 1)


def test_a_list_waits_for_its_log(bench):
    """DESIGN 4: a list read without the log would take in what only the log can tell apart."""
    add_stripe(bench, FAILED)
    stripe = stripe_of(bench)
    intent = stripe.create_payment_intent()
    stripe.fail(intent)
    bench.clock.advance(35 * 86_400)
    stripe.fail(intent)
    bench.clock.advance(5 * 86_400)
    since = bench.clock.now() - timedelta(days=45)
    bench.faults["pay"].add(wires.answers(500), path=r"/v1/events", nth=2, times=0)
    report = bench.run(since=since)
    assert report.exit_code == 4
    assert [one.stream for one in report.streams] == ["events", "payment_intents"]
    assert not any(one.covered for one in report.streams)
    bench.faults["pay"].clear()
    report = bench.run(since=since)
    assert GapKind.NOT_REBUILDABLE in kinds(report)
    assert bench.handled("pay") == {intent: 1}


def test_what_a_crashed_run_held_is_let_go_though_its_stream_is_not_read_again(bench):
    """Valve: a list is read only beyond the log's memory; what it held is settled by the next run all the same."""
    add_stripe(bench, SUCCEEDED)
    assert bench.run(since=None).exit_code == 0
    intent = paid(bench)
    days(bench, 40)
    assert bench.run("backfill", since=timedelta(days=10)).exit_code == 0
    with at_failpoint("valve.before_release", _crash, nth=2), pytest.raises(ZeroDivisionError):
        bench.run(since=timedelta(days=60))
    bench.run(since=timedelta(days=10))
    assert bench.handled("pay") == {intent: 1}


def _crash() -> None:
    raise ZeroDivisionError


def test_an_ignored_loss_does_not_hide_a_new_one(bench):
    """C11: a person ignored what the log forgot then; what it forgets in the next outage is told again."""
    add_stripe(bench, "charge.updated")
    days(bench, 60)
    first = bench.run(since=timedelta(days=60))
    assert kinds(first) == [GapKind.BEYOND_RETENTION]
    with bench.ledger.write() as tx:
        gaps.ignore(tx, [gap.id for gap in gaps.find(tx)], "known")
    bench.clock.advance(600)
    assert bench.run(since=None).exit_code == 0
    days(bench, 50)
    again = bench.run(since=None)
    assert (again.exit_code, kinds(again)) == (3, [GapKind.BEYOND_RETENTION])


def test_a_repeatable_fact_that_was_replaced_stays_accounted_for(bench):
    """H12: a later look at the same list finds what the first found: nothing is missing, and no gap opens."""
    add_stripe(bench, FAILED)
    stripe = stripe_of(bench)
    intent = stripe.create_payment_intent()
    stripe.fail(intent)
    days(bench, 40)
    since = bench.clock.now() - timedelta(days=41)
    bench.run("backfill", since=since)
    at = bench.clock.now() - timedelta(days=40)
    described = Description(FAILED, Subject("payment_intent", intent), Occurrence.REPEATED, "", micros(at), at)
    arrive(bench, "pay", Arrival("evt_late", described, b"{}", Origin.LIVE))
    first = bench.run(since=since)
    again = bench.run(since=since, recheck=True)
    assert kinds(first) == kinds(again) == [GapKind.BEYOND_RETENTION]
    assert bench.handled("pay") == {intent: 1}
