"""Answers that are well formed and not the whole truth: what a run believes, what it says, what it leaves open."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx
import pytest
from support.running import add_stripe, ids, kinds, shop_of, stream_of
from support.shops import ORDERS, add_shops

from connectors.shopify import listing
from reconcile.ledger import subjects
from reconcile.model import GapKind, Subject, micros
from reconcile.reading import listing as guards
from reconcile.sandbox import page_faults as pages
from reconcile.sandbox import wire_faults as wires
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.fake import Handle
from reconcile.web.server import counts

LIST = r"/orders\.json"
DAY = timedelta(days=1)


pytestmark = pytest.mark.usefixtures("small_pages")


@pytest.fixture
def bench(empty):
    """A shop of 18 orders within a day."""
    return add_shops(empty, "shop")


def test_pages_that_overlap_are_listed_in_full_and_handled_once(bench):
    """C2, C7: what a page repeats of the one before is counted as filtered, and nothing is done twice."""
    bench.faults["shop"].add(pages.overlapping(2), path=LIST, times=0)
    report = bench.run()
    told = stream_of(report, "shop")
    assert (report.exit_code, told.covered) == (0, True)
    assert (told.listed, told.filtered, told.backfilled) == (ORDERS + 6, 6, ORDERS)
    assert bench.handled("shop") == dict.fromkeys(ids(bench), 1)


def test_an_empty_middle_page_is_not_the_end(bench):
    """C9: only the absence of a next page ends a list."""
    bench.faults["shop"].add(pages.empty_page(), path=LIST, nth=2)
    report = bench.run()
    assert stream_of(report, "shop").listed == ORDERS - 5
    assert sorted(bench.handled("shop")) == sorted({*ids(bench)[:8], *ids(bench)[13:]})
    assert bench.run(recheck=True).exit_code == 0
    assert bench.handled("shop") == dict.fromkeys(ids(bench), 1)


def test_a_next_link_that_only_grows_is_stopped(bench):
    """C8: ever new cursors to pages without items are a loop with new names."""
    number = iter(range(10_000))

    def deeper(request: httpx.Request) -> str:
        return f"https://{request.url.host}{request.url.path}?limit=5&page_info=x{next(number)}"

    def nothing(request: httpx.Request, _: Handle) -> httpx.Response:
        return httpx.Response(200, json={"orders": []}, headers={"Link": f'<{deeper(request)}>; rel="next"'})

    bench.faults["shop"].add(nothing, path=LIST, times=0)
    report = bench.run()
    told = stream_of(report, "shop")
    assert (report.exit_code, told.covered, told.listed) == (4, False, 0)
    assert "pagination_loop" in told.error
    assert next(number) < 2 * guards.MOST_EMPTY_PAGES


def test_a_list_that_never_ends_is_stopped(bench, monkeypatch):
    """C8: even when every page shows new items, a window has a last page; what was read of it is kept."""
    monkeypatch.setattr(guards, "MOST_PAGES", 200)
    number = iter(range(1, 100_000))
    stamp = "2024-06-01T13:00:00.{:06}Z"

    def endless(request: httpx.Request, _: Handle) -> httpx.Response:
        n = next(number)
        order = {"id": n, "created_at": stamp.format(n), "updated_at": stamp.format(n)}
        link = f"https://{request.url.host}{request.url.path}?limit=5&page_info=x{n}"
        return httpx.Response(200, json={"orders": [order]}, headers={"Link": f'<{link}>; rel="next"'})

    bench.faults["shop"].add(endless, path=LIST, times=0)
    report = bench.run("backfill")
    told = stream_of(report, "shop")
    assert (report.exit_code, told.covered) == (4, False)
    assert "pagination_loop" in told.error


class Offset:
    """A clock that is another one's by some time."""

    def __init__(self, clock: SettableClock, by: timedelta) -> None:
        self._clock, self.by = clock, by

    def now(self) -> datetime:
        """The other's time, moved."""
        return self._clock.now() + self.by

    def monotonic(self) -> float:
        """As the other."""
        return self._clock.monotonic()

    def wait(self, seconds: float, stop=None) -> None:
        """As the other."""
        self._clock.wait(seconds, stop)


@pytest.mark.parametrize("by", [DAY, -DAY, timedelta(minutes=7), -timedelta(minutes=7)], ids=str)
def test_windows_follow_the_providers_clock_not_ours(empty, by):
    """C15: a provider ahead of us or behind is listed up to its own now, nothing is lost and nothing comes twice."""
    since = empty.clock.now() + by
    shop = shop_of(add_shops(empty, "shop", clock=Offset(empty.clock, by)))
    empty.metrics = counted = counts(empty.config)
    report = empty.run(since=since)
    told = stream_of(report, "shop")
    assert (report.exit_code, told.covered) == (0, True)
    assert abs(counted._skew["shop",] + by.total_seconds()) < 5
    assert counted._requests["shop", "200"] > 0
    (said,) = [note for note in report.notes if "clock_skew" in note]
    assert ("behind the provider's" in said) == (by > timedelta())
    assert abs(told.end - (shop.clock.now() - timedelta(minutes=2))) < timedelta(seconds=5)
    assert empty.handled("shop") == dict.fromkeys(ids(empty), 1)


def test_our_clock_may_jump_while_a_stream_is_read(empty, monkeypatch):
    """C15: only provider time says when a window was read, so a late entry of it is read again."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 1)
    monkeypatch.setattr("reconcile.reading.tiling.PAGES_PER_WINDOW", 2)
    theirs = Offset(empty.clock, timedelta())
    add_shops(empty, "shop", clock=theirs)
    since = empty.clock.now() - DAY

    def jump(request: httpx.Request, handle: Handle) -> httpx.Response:
        theirs.by -= DAY
        empty.clock.advance(86_400)
        return handle(request)

    empty.faults["shop"].add(jump, path=r"/orders\.json", times=1)
    report = empty.run(since=since)
    told = stream_of(report, "shop")
    assert told.covered
    assert told.provisional_from is not None
    assert told.provisional_from <= told.end - timedelta(minutes=50)


def test_an_item_from_the_future_waits_for_its_time(bench):
    """A future `updated_at` moves no window on: the item is taken when provider time has come there, once."""
    future = (bench.clock.now() + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    strange = str(shop_of(bench).create_order(updated_at=future))
    bench.clock.advance(600)
    with bench.ledger.write() as tx:  # as its live delivery leaves it
        subjects.raise_versions(tx, "shop", [(Subject("order", strange), micros(datetime.fromisoformat(future)))])
    report = bench.run()
    assert stream_of(report, "shop").end < bench.clock.now()
    assert strange not in bench.handled("shop")
    (said,) = [note for note in report.notes if "future_timestamp" in note]
    assert f"1 known records carry a time that has not come at the provider (order/{strange}: {future})" in said
    bench.clock.advance(4 * 3600)
    report = bench.run()
    assert (report.exit_code, [note for note in report.notes if "future_timestamp" in note]) == (0, [])
    assert bench.handled("shop", "orders/create") == dict.fromkeys(ids(bench), 1)


def test_a_provider_that_tells_no_time_gets_twice_the_settle_time(bench):
    """C4: without a Date header it is our clock that counts, further back, and the report says so."""

    def timeless(request: httpx.Request, handle: Handle) -> httpx.Response:
        answer = handle(request)
        del answer.headers["Date"]
        return answer

    bench.faults["shop"].add(timeless, times=0)
    report = bench.run("backfill", "dispatch")
    assert report.exit_code == 0
    assert any("tells no time" in note for note in report.notes)
    assert report.started_at - stream_of(report, "shop").end == timedelta(minutes=4)
    assert bench.handled("shop") == dict.fromkeys(ids(bench), 1)


def test_a_version_that_falls_forward_is_refused(empty):
    """A retired API version is answered by another, whose bodies the handlers may not know: exit 4, what to set."""
    add_shops(empty, "shop", versions=("2027-01", "2027-04"))
    report = empty.run()
    told = stream_of(report, "shop")
    assert (report.exit_code, told.covered, told.listed) == (4, False, 0)
    assert "2026-10" in told.error
    assert "api_version: '2027-01'" in told.error
    assert empty.recorded("shop") == []


def test_orders_beyond_sixty_days_are_a_gap_without_the_scope_for_them(empty):
    """C11: a list that silently forgets is never taken for an empty one; what it shows is handled all the same."""
    scopes = ("read_orders", "read_customers", "read_products", "read_draft_orders")
    add_shops(empty, "shop", scopes=scopes)
    report = empty.run(since=timedelta(days=90))
    told = stream_of(report, "shop")
    assert (report.exit_code, told.covered) == (3, False)
    assert kinds(report) == [GapKind.BEYOND_RETENTION]
    assert "cannot be read before 2024-04-02" in report.gaps[0].reason
    assert any("read_all_orders" in note for note in report.notes)
    assert empty.handled("shop") == dict.fromkeys(ids(empty), 1)


def test_a_scope_that_is_not_granted_is_no_empty_shop(empty):
    """C9: Shopify answers an empty list to a token without the scope; that is exit 4, not "nothing missing"."""
    add_shops(empty, "shop", scopes=("read_products",))
    report = empty.run()
    told = stream_of(report, "shop")
    assert (report.exit_code, told.covered, told.listed) == (4, False, 0)
    assert "read_orders" in told.error


def test_what_stripe_forgot_is_said_for_the_log_and_read_from_the_lists(empty):
    """C11: beyond 30 days the lists speak for what they can; what they cannot is one gap a stream, exit 3."""
    stripe = add_stripe(empty, "payment_intent.succeeded, charge.updated")
    old = [stripe.create_payment_intent() for _ in range(3)]
    for intent in old:
        stripe.succeed(intent)
    empty.clock.advance(45 * 86_400)
    new = [stripe.create_payment_intent() for _ in range(3)]
    for intent in new:
        stripe.succeed(intent)
    empty.clock.advance(600)
    report = empty.run(since=timedelta(days=60))
    log, lists = stream_of(report, "pay", "events"), stream_of(report, "pay", "payment_intents")
    assert report.exit_code == 3
    assert not log.covered
    assert "charge.updated" in next(gap.reason for gap in report.gaps if gap.subject == "events")
    assert lists.covered
    assert {(gap.kind, gap.subject) for gap in report.gaps} == {
        (GapKind.BEYOND_RETENTION, "events"),
        (GapKind.BEYOND_RETENTION, "payment_intents"),
    }
    assert empty.handled("pay", "payment_intent.succeeded") == dict.fromkeys([*old, *new], 1)


def test_only_what_lists_can_show_beyond_retention_leaves_the_log_covered(empty):
    """C11: when a list proves every topic, the log has nothing to answer for beyond its memory."""
    stripe = add_stripe(empty, "payment_intent.succeeded")
    intent = stripe.create_payment_intent()
    stripe.succeed(intent)
    empty.clock.advance(45 * 86_400)
    report = empty.run(since=timedelta(days=60))
    assert stream_of(report, "pay", "events").covered
    assert stream_of(report, "pay", "payment_intents").covered
    assert report.exit_code == 3  # what happened then to older objects
    assert empty.handled("pay") == {intent: 1}


def test_a_huge_number_in_a_body_is_the_handlers_business(bench):
    """A number no float holds is kept as the bytes it came in, and the run goes on."""
    text = '{"id": 5, "created_at": "2024-06-01T13:00:00Z", "updated_at": "2024-06-01T13:00:00Z", "n": 1e999}'
    bench.faults["shop"].add(wires.answers(200, f'{{"orders":[{text}]}}'), path=LIST, times=1)
    report = bench.run("backfill")
    assert (report.exit_code, stream_of(report, "shop").listed) == (3, 1)
    assert [subject for _, subject, _ in bench.recorded("shop")] == ["5"]
    bench.run()


def half_an_emoji(request: httpx.Request, handle: Handle) -> httpx.Response:
    """The true answer, with half an emoji where a note says HALF."""
    true = handle(request)
    kept = {name: value for name, value in true.headers.items() if name != "content-length"}
    return httpx.Response(200, headers=kept, content=true.content.replace(b"HALF", rb"half \ud83d"))


def test_half_an_emoji_in_one_name_does_not_close_the_shop(bench):
    """Findings 10: a lone surrogate in a listed order is mended, the page is read, and the order is handled."""
    broken = shop_of(bench).create_order(note="HALF")
    bench.clock.advance(600)
    bench.faults["shop"].add(half_an_emoji, path=LIST, times=0)
    report = bench.run(force=True)
    assert report.exit_code == 0
    assert bench.handled("shop", "orders/create")[str(broken)] == 1
