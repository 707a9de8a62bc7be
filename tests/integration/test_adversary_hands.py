"""Others who work at the same time, and parts that fail: attacks on what one run may believe of another."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.running import CANARY, STRIPE_CANARY, Bench, a_bench, a_shop, a_stripe, at_failpoint, stream_of

from connectors.shopify.delivery import describe
from reconcile import inbox, runner
from reconcile.context import Options
from reconcile.inbox import Book
from reconcile.ledger import leases
from reconcile.ledger.leases import Holder
from reconcile.ledger.tables import coverage as coverage_table
from reconcile.ledger.tables import leases as lease_table
from reconcile.model import Arrival, EventState, GapKind, Origin
from reconcile.sandbox import wire_faults as wires
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe

DAY = timedelta(days=1)
FAILED = "payment_intent.payment_failed"


@pytest.fixture
def bench(databases, tmp_path):
    """A shop with three orders within the day, on each engine."""
    with a_bench(databases, tmp_path) as made:
        shop = FakeShopify(clock=made.clock, shop="shop.myshopify.com", access_token=CANARY, throttle=False)
        made.add("shop", a_shop("shop"), shop)
        for _ in range(3):
            shop.create_order()
            made.clock.advance(60)
        made.clock.advance(7200)
        yield made


def ids(bench: Bench) -> list[str]:
    """Every order created, oldest first."""
    fake = bench.faults["shop"].fake
    assert isinstance(fake, FakeShopify)
    return [one.subject_id for one in fake.truth if one.topic == "orders/create"]


def covered(bench: Bench) -> int:
    """How many rows of coverage there are."""
    with bench.ledger.read() as tx:
        return len(tx.connection.execute(coverage_table.select()).all())


def test_a_lease_lost_in_the_middle_of_a_window_commits_nothing_more(bench):
    """L1: another runner took over: the first one records nothing, covers nothing, and exits 75."""
    other = Holder("elsewhere:1:x", "elsewhere", 1, "x")

    def steal() -> None:
        with bench.ledger.write() as tx:
            tx.connection.execute(lease_table.update().values(until=None, holder=""))
            leases.acquire(tx, "shop", "backfill", other)

    with at_failpoint("page.before_commit", steal):
        report = bench.run("backfill")
    assert report.exit_code == 75
    assert not stream_of(report, "shop").covered
    assert bench.recorded("shop") == []
    assert covered(bench) == 0


def test_what_comes_live_while_a_page_is_judged_is_handled_once_and_counted_once(bench):
    """H4, C2: the page was judged without it; recording asks again under the subject's lock."""
    fake = bench.faults["shop"].fake
    first = next(one for one in fake.truth if one.topic == "orders/create")

    def deliver() -> None:
        described = describe("orders/create", first.body, {})
        arrival = Arrival("wh-1", described, first.body, Origin.LIVE, carried=described.version)
        with bench.ledger.write() as tx:
            inbox.record(tx, Book("shop", EventState.WAITING, repeats_by_bytes=True), [arrival])

    with at_failpoint("page.before_commit", deliver):
        report = bench.run()
    told = stream_of(report, "shop")
    assert bench.handled("shop") == dict.fromkeys(ids(bench), 1)
    assert (told.listed, told.backfilled, told.already_handled, told.events) == (3, 2, 1, 2)
    assert report.exit_code == 0


def test_a_second_run_does_nothing(bench):
    """H12: no handler is called, nothing is changed at the provider, nothing is left."""
    assert bench.run().exit_code == 0
    effects, sent = list(bench.effects), len(bench.faults["shop"].fake.requests)
    for options in ({}, {"recheck": True}, {"since": None}):
        report = bench.run(**options)
        assert report.exit_code == 0
        told = stream_of(report, "shop")
        assert (told.events, told.backfilled, told.gap, told.pending) == (0, 0, 0, 0)
    assert bench.effects == effects
    assert {seen.method for seen in bench.faults["shop"].fake.requests[sent:]} <= {"GET"}


def test_a_bug_in_one_source_leaves_the_report_of_the_others(bench, monkeypatch):
    """C2: a connector that breaks its contract is exit 1, and what the others did is told all the same."""
    stripe = FakeStripe(clock=bench.clock, api_key=STRIPE_CANARY, throttle=False)
    bench.add("pay", a_stripe("pay", FAILED), stripe)

    def broken(*_: object) -> None:
        raise KeyError("no such thing")

    monkeypatch.setattr("connectors.stripe.Stripe.greet", broken)
    report = runner.run(bench.context(), ("backfill",), Options(since=bench.clock.now() - DAY), "test")
    assert report.exit_code == 1
    assert isinstance(report.bug, KeyError)
    assert stream_of(report, "shop").covered
    assert stream_of(report, "shop").backfilled == 3
    assert not stream_of(report, "pay").covered


def test_a_list_waits_for_its_log(sqlite_databases, tmp_path):
    """DESIGN 4: a list read without the log would take in what only the log can tell apart."""
    with a_bench(sqlite_databases, tmp_path) as made:
        stripe = FakeStripe(clock=made.clock, api_key=STRIPE_CANARY, throttle=False)
        made.add("pay", a_stripe("pay", FAILED), stripe)
        intent = stripe.create_payment_intent()
        stripe.fail(intent)
        made.clock.advance(35 * 86_400)
        stripe.fail(intent)
        made.clock.advance(5 * 86_400)
        since = made.clock.now() - timedelta(days=45)
        made.faults["pay"].add(wires.answers(500), path=r"/v1/events", nth=2, times=0)
        report = made.run(since=since)
        assert report.exit_code == 4
        assert [one.stream for one in report.streams] == ["events", "payment_intents"]
        assert not any(one.covered for one in report.streams)
        made.faults["pay"].clear()
        report = made.run(since=since)
        assert GapKind.NOT_REBUILDABLE in [gap.kind for gap in report.gaps]
        assert made.handled("pay") == {intent: 1}
