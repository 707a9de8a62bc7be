"""A baseline cut short, failing or without its lease: what it left unread was handled, and is not handled again."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from support.rows import add_event
from support.running import Bench, add_shop, at_failpoint, kinds
from support.shops import add_shops

from reconcile.ledger import horizons, leases, streams
from reconcile.ledger.leases import Holder
from reconcile.ledger.tables import events
from reconcile.model import EventState
from reconcile.sandbox.fake import Handle

ORDERS = 12  # too few for the valve to close for their share
DAY = timedelta(days=1)


class Killed(BaseException):
    """What nothing catches: as near to SIGKILL as one process comes."""


@pytest.fixture
def bench(empty, small_pages):
    """A shop whose twelve orders its app has handled, on three pages; no run has seen it."""
    add_shops(empty, "shop", orders=ORDERS, every=60).clock.advance(600)
    return empty


def baseline(made: Bench):
    return made.run("backfill", since=DAY, baseline=True)


def promised(made: Bench) -> dict[str, object]:
    with made.ledger.read() as tx:
        return horizons.get(tx, "shop")


def test_a_baseline_that_was_killed_leaves_nothing_to_be_handled_again(bench):
    """L3: what its pages did not reach is not called missed by the next run, whatever its schedule."""

    def die() -> None:
        raise ZeroDivisionError

    with at_failpoint("page.before_commit", die, nth=2), pytest.raises(ZeroDivisionError):
        baseline(bench)
    bench.run(since=None)
    assert bench.effects == []
    assert baseline(bench).exit_code == 0
    assert bench.run(since=DAY, recheck=True).exit_code == 0
    assert bench.effects == []


def test_a_baseline_that_met_an_error_says_that_it_is_not_whole(bench):
    """C3: completeness stays promised from where it was; the report says so, and the next try mends it."""

    def broken(_request: httpx.Request, _: Handle) -> httpx.Response:
        return httpx.Response(400, json={"errors": "no"})

    bench.faults["shop"].add(broken, path=r"/orders\.json", nth=2)
    since = bench.clock.now() - DAY
    report = bench.run("backfill", since=since, baseline=True)
    assert report.exit_code == 4
    assert any("the baseline is not whole" in note for note in report.notes)
    assert promised(bench) == {}
    assert bench.run("backfill", since=since, baseline=True).exit_code == 0
    assert set(promised(bench).values()) == {since}
    assert bench.run(since=None).exit_code == 0
    assert bench.effects == []


def test_a_baseline_that_met_an_error_lets_nothing_go(bench):
    """C3: held events stay held, and the next run's share of missed ones is asked as on any first contact."""

    def broken(_request: httpx.Request, _: Handle) -> httpx.Response:
        return httpx.Response(400, json={"errors": "no"})

    for _ in range(2 * ORDERS):
        bench.faults["shop"].fake.create_order()
        bench.clock.advance(60)
    bench.clock.advance(600)
    since = bench.clock.now() - DAY
    bench.faults["shop"].add(broken, path=r"/orders\.json", nth=6)
    assert bench.run(since=since).exit_code == 4
    bench.faults["shop"].add(broken, path=r"/orders\.json", nth=2)
    assert bench.run("backfill", since=since, baseline=True).exit_code == 4
    report = bench.run(since=None)
    assert (report.exit_code, bench.effects) == (3, [])
    assert any("the valve is closed" in note for note in report.notes)


def test_a_baseline_that_met_an_error_passes_nothing_of_streams_it_did_not_read(bench):
    """C3: what another stream holds stays held as well, and that stream is not trusted, until the baseline is whole."""

    def broken(_request: httpx.Request, _: Handle) -> httpx.Response:
        return httpx.Response(400, json={"errors": "no"})

    with bench.ledger.write() as tx:
        add_event(tx, source="shop", id="old", state=EventState.HELD, stream="checkouts", next_at=None)
    bench.faults["shop"].add(broken, path=r"/orders\.json", nth=2)
    for exit_code, state in ((4, "held"), (0, "handled")):
        assert baseline(bench).exit_code == exit_code
        with bench.ledger.read() as tx:
            (old,) = tx.connection.execute(events.select().where(events.c.id == "old"))
            assert (old.state, streams.get(tx, "shop", "checkouts").trusted) == (state, exit_code == 0)


def test_a_baseline_that_lost_its_lease_moves_no_horizon(bench):
    """L1: frozen after its last page, it wakes when somebody else has begun."""

    def take_over() -> None:
        bench.clock.advance(40)
        with bench.ledger.write() as tx:
            leases.acquire(tx, "shop", "backfill", Holder("another:1", "another", 1, ""))

    with at_failpoint("window.covered", take_over):
        assert baseline(bench).exit_code == 75
    assert promised(bench) == {}


def test_a_baseline_takes_as_handled_what_cannot_be_rebuilt(empty):
    """DESIGN 4: a baseline asks nothing of anyone, also where no faithful event could be built."""
    shop = add_shop(empty, topics="orders/create, orders/paid")
    for _ in range(3):
        shop.pay_order(shop.create_order())
    empty.clock.advance(600)
    since = empty.clock.now() - DAY
    base = empty.run("backfill", since=since, baseline=True)
    assert (base.exit_code, kinds(base)) == (0, [])
    again = empty.run(since=since, recheck=True)
    assert (again.exit_code, kinds(again)) == (0, [])
    assert empty.effects == []


def test_a_first_run_that_was_killed_again_and_again_opens_no_valve(bench):
    """DESIGN 4: held events of crashed runs are counted once, and so are the items that they were found by."""

    def die() -> None:
        raise Killed

    since = bench.clock.now() - DAY
    for _ in range(ORDERS):
        bench.faults["shop"].fake.create_order()
    for _ in range(3):
        bench.clock.advance(600)
        with at_failpoint("window.before_cover", die), pytest.raises(Killed):
            bench.run(since=since)
        bench.faults["shop"].fake.create_order()
    bench.clock.advance(600)
    report = bench.run(since=since)
    assert (report.exit_code, bench.effects) == (3, [])
    assert any("the valve is closed" in note for note in report.notes)
