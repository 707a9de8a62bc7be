"""Runs that are interrupted, ignored, forbidden or told to count wrongly: attacks on what a report says."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from support.running import CANARY, STRIPE_CANARY, Bench, a_bench, a_shop, a_stripe, at_failpoint, stream_of

from connectors.shopify import listing
from reconcile import inbox
from reconcile.inbox import Book
from reconcile.ledger import gaps
from reconcile.model import Arrival, Description, EventState, GapKind, Occurrence, Origin, Subject, micros
from reconcile.sandbox.fake import Handle
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe

DAY = timedelta(days=1)
FAILED = "payment_intent.payment_failed"
SUCCEEDED = "payment_intent.succeeded"


@pytest.fixture
def bench(sqlite_databases, tmp_path):
    """A bench without a source yet."""
    with a_bench(sqlite_databases, tmp_path) as made:
        yield made


def a_fake_shop(bench: Bench, orders: int = 0, *, topics: str = "orders/create, orders/updated", **more) -> FakeShopify:
    """A shop with some orders, one a minute."""
    scopes = more.pop("scopes", None)
    given = {"scopes": scopes} if scopes else {}
    shop = FakeShopify(
        clock=more.pop("clock", bench.clock), shop="shop.myshopify.com", access_token=CANARY, throttle=False, **given
    )
    bench.add("shop", a_shop("shop", topics=topics, **more), shop)
    for _ in range(orders):
        shop.create_order()
        bench.clock.advance(60)
    bench.clock.advance(600)
    return shop


def a_fake_bank(bench: Bench, topics: str, **more) -> FakeStripe:
    """An account without anything in it."""
    stripe = FakeStripe(clock=bench.clock, api_key=STRIPE_CANARY, throttle=False)
    bench.add("pay", a_stripe("pay", topics, **more), stripe)
    return stripe


def kinds(report) -> list[str]:
    """The kinds of the gaps a report lists."""
    return sorted(gap.kind for gap in report.gaps)


def live(bench: Bench, source: str, arrival: Arrival, state: EventState = EventState.WAITING) -> inbox.Recorded:
    """Record a delivery as the receiver does."""
    with bench.ledger.write() as tx:
        return inbox.record(tx, Book(source, state), [arrival])[0]


def test_a_dry_run_without_a_handler_foretells_gaps(bench):
    """C2: what would be a gap is not called backfilled, and no event would be recorded."""
    a_fake_shop(bench, 3, more="streams: [orders]")
    dry, wet = bench.run("backfill", dry_run=True), bench.run("backfill")
    for told in (stream_of(dry, "shop"), stream_of(wet, "shop")):
        assert (told.gap, told.backfilled, told.events) == (3, 0, 0)


def test_what_a_crashed_run_held_is_let_go_though_its_stream_is_not_read_again(bench):
    """Valve: a list is read only beyond the log's memory; what it held is settled by the next run all the same."""
    stripe = a_fake_bank(bench, SUCCEEDED)
    assert bench.run(since=None).exit_code == 0
    intent = stripe.create_payment_intent()
    stripe.succeed(intent)
    bench.clock.advance(40 * 86_400)
    assert bench.run("backfill", since=timedelta(days=10)).exit_code == 0
    with at_failpoint("valve.before_release", _crash, nth=2), pytest.raises(ZeroDivisionError):
        bench.run(since=timedelta(days=60))
    bench.run(since=timedelta(days=10))
    assert bench.handled("pay") == {intent: 1}


def _crash() -> None:
    raise ZeroDivisionError


def test_a_baseline_takes_as_handled_what_cannot_be_rebuilt(bench):
    """DESIGN 4: a baseline asks nothing of anyone, also where no faithful event could be built."""
    shop = a_fake_shop(bench, 0, topics="orders/create, orders/paid")
    for _ in range(3):
        shop.pay_order(shop.create_order())
    bench.clock.advance(600)
    since = bench.clock.now() - DAY
    base = bench.run("backfill", since=since, baseline=True)
    assert (base.exit_code, kinds(base)) == (0, [])
    again = bench.run(since=since, recheck=True)
    assert (again.exit_code, kinds(again)) == (0, [])
    assert bench.effects == []


def test_more_deletions_than_may_be_read_at_once_are_all_found_in_the_end(bench):
    """C10, C16: a shop that deleted hundreds of orders is covered after a few runs, not never."""
    shop = a_fake_shop(bench, 230)
    since = bench.clock.now() - DAY
    assert bench.run(since=since, force=True).exit_code == 0
    for order in [one.subject_id for one in shop.truth if one.topic == "orders/create"]:
        shop.delete_order(int(order))
    assert bench.run(since=since, recheck=True).exit_code == 4
    bench.clock.advance(60)
    report = bench.run(since=since)
    assert stream_of(report, "shop").covered
    assert report.gaps_total == 230


def test_an_ignored_loss_does_not_hide_a_new_one(bench):
    """C11: a person ignored what the log forgot then; what it forgets in the next outage is told again."""
    a_fake_bank(bench, "charge.updated")
    bench.clock.advance(60 * 86_400)
    first = bench.run(since=timedelta(days=60))
    assert kinds(first) == [GapKind.BEYOND_RETENTION]
    with bench.ledger.write() as tx:
        gaps.ignore(tx, [gap.id for gap in gaps.find(tx)], "known")
    bench.clock.advance(600)
    assert bench.run(since=None).exit_code == 0
    bench.clock.advance(50 * 86_400)
    again = bench.run(since=None)
    assert (again.exit_code, kinds(again)) == (3, [GapKind.BEYOND_RETENTION])


def test_our_clock_may_jump_while_a_stream_is_read(bench, monkeypatch):
    """C15: only provider time says when a window was read, so a late entry of it is read again."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 1)
    monkeypatch.setattr("reconcile.reading.tiling.PAGES_PER_WINDOW", 2)
    theirs = Behind(bench.clock)
    a_fake_shop(bench, 20, clock=theirs)
    since = bench.clock.now() - DAY

    def jump(request: httpx.Request, handle: Handle) -> httpx.Response:
        theirs.by -= DAY
        bench.clock.advance(86_400)
        return handle(request)

    bench.faults["shop"].add(jump, path=r"/orders\.json", times=1)
    report = bench.run(since=since)
    told = stream_of(report, "shop")
    assert told.covered
    assert told.provisional_from is not None
    assert told.provisional_from <= told.end - timedelta(minutes=50)


class Behind:
    """A clock that is another one's less some time."""

    def __init__(self, clock) -> None:
        self._clock, self.by = clock, timedelta()

    def now(self):
        """The other's time, moved."""
        return self._clock.now() + self.by

    def monotonic(self) -> float:
        """As the other."""
        return self._clock.monotonic()


def test_an_order_that_the_token_may_not_see_is_not_called_deleted(bench):
    """C16: without read_all_orders an order of long ago answers 404, though it lives and its webhooks come."""
    shop = a_fake_shop(bench, 1, scopes=("read_orders",))
    order = int(shop.truth[0].subject_id)
    bench.clock.advance(100 * 86_400)
    assert bench.run(since=None).exit_code == 0
    bench.clock.advance(600)
    now = bench.clock.now()
    subject = Subject("order", str(order))
    described = Description("orders/updated", subject, Occurrence.STATE, "x", micros(now), now)
    live(bench, "shop", Arrival("wh-1", described, b"{}", Origin.LIVE, carried=micros(now)))
    bench.clock.advance(600)
    report = bench.run(since=None)
    assert kinds(report) == []
    assert report.exit_code == 0


def test_a_window_that_is_cut_counts_its_items_once(bench, monkeypatch):
    """C2: what is listed again because its window was too dense is a repeat."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 1)
    monkeypatch.setattr("reconcile.reading.tiling.PAGES_PER_WINDOW", 2)
    a_fake_shop(bench, 20)
    report = bench.run("backfill", force=True)
    told = stream_of(report, "shop")
    assert told.covered
    assert told.backfilled == 20
    assert told.listed - told.filtered == 20


def test_a_part_of_a_cut_window_is_held_against_what_we_know_by_its_own_listing(bench, monkeypatch):
    """C10: what only the whole window listed, and its part leaves out, makes the part incomplete."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 1)
    monkeypatch.setattr("reconcile.reading.tiling.PAGES_PER_WINDOW", 2)
    shop = a_fake_shop(bench, 20)
    since = bench.clock.now() - DAY
    assert bench.run(since=since, force=True).exit_code == 0
    known, shown = shop.truth[-1].subject_id.encode(), []

    def forgetful(request: httpx.Request, handle: Handle) -> httpx.Response:
        answer = handle(request)
        if known not in answer.content:
            return answer
        shown.append(request)
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return answer if len(shown) == 1 else httpx.Response(200, json={"orders": []}, headers=headers)

    bench.faults["shop"].add(forgetful, path=r"/orders\.json", times=0)
    report = bench.run(since=since, recheck=True)
    assert len(shown) > 1
    assert (report.exit_code, kinds(report)) == (4, [GapKind.LISTING_INCOMPLETE])


def test_a_repeatable_fact_that_was_replaced_stays_accounted_for(bench):
    """H12: a later look at the same list finds what the first found: nothing is missing, and no gap opens."""
    stripe = a_fake_bank(bench, FAILED)
    intent = stripe.create_payment_intent()
    stripe.fail(intent)
    bench.clock.advance(40 * 86_400)
    since = bench.clock.now() - timedelta(days=41)
    bench.run("backfill", since=since)
    at = bench.clock.now() - timedelta(days=40)
    described = Description(FAILED, Subject("payment_intent", intent), Occurrence.REPEATED, "", micros(at), at)
    live(bench, "pay", Arrival("evt_late", described, b"{}", Origin.LIVE))
    first = bench.run(since=since)
    again = bench.run(since=since, recheck=True)
    assert kinds(first) == kinds(again) == [GapKind.BEYOND_RETENTION]
    assert bench.handled("pay") == {intent: 1}
