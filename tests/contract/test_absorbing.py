"""What a rebuilt event may absorb, and what it may not: attacks on the one door in, on every ledger engine."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.arriving import FAILED, HELD, LIVE, ORDER, T0, UPDATED, built, enter, live, put, row

from reconcile.book import Book
from reconcile.inbox import How
from reconcile.ledger import closing, gaps
from reconcile.model import (
    EventState,
    GapKind,
    Origin,
    iso,
    micros,
)

HOUR = timedelta(hours=1)


def test_the_repeat_of_an_absorbed_delivery_is_a_repeat_under_another_id_too(ledger):
    """H1, H2: what was absorbed is known by its bytes where ids change, so its retry runs no handler."""
    (found,) = enter(ledger, HELD, built())
    put(ledger, found.seq, state=EventState.HANDLED)
    (first,) = enter(ledger, LIVE, live("wh-1", body=b"real"))
    (retried,) = enter(ledger, LIVE, live("wh-2", body=b"real"))
    assert (first.how, retried.how, retried.seq) == (How.ABSORBED, How.DUPLICATE, found.seq)


@pytest.mark.parametrize("state", [EventState.WAITING, EventState.HELD, EventState.DEAD])
def test_the_repeat_of_a_delivery_that_replaced_a_rebuilt_event_is_a_repeat(ledger, state):
    """H1: the same for one whose bytes took the rebuilt event's place."""
    (found,) = enter(ledger, HELD, built())
    put(ledger, found.seq, state=state, next_at=T0)
    (first,) = enter(ledger, LIVE, live("wh-1", body=b"real"))
    (retried,) = enter(ledger, LIVE, live("wh-2", body=b"real"))
    assert (first.how, retried.how, retried.seq) == (How.REPLACED, How.DUPLICATE, found.seq)


def test_a_log_that_lists_a_held_event_lets_it_no_further(ledger):
    """Valve: only a live delivery says that the app hears of it in any case; a log is a backfill like the list."""
    (found,) = enter(ledger, HELD, built())
    (logged,) = enter(ledger, HELD, replace(live("evt_1", body=b"real"), origin=Origin.BACKFILL))
    now = row(ledger, found.seq)
    assert (logged.how, now.state, now.origin, now.body) == (How.REPLACED, EventState.HELD, Origin.BACKFILL, b"real")


@pytest.mark.parametrize("state", [EventState.WAITING, EventState.HANDLED, EventState.DEAD])
def test_what_happened_after_the_listing_is_never_absorbed_by_what_was_rebuilt_of_it(ledger, state):
    """H2: a fact that happens again and again: a failure of tomorrow is not the failure a list showed today."""
    (found,) = enter(ledger, HELD, built(FAILED, T0))
    put(ledger, found.seq, state=state, next_at=T0)
    tomorrow = row(ledger, found.seq).recorded_at + timedelta(days=1)
    (again,) = enter(ledger, LIVE, live("evt_2", FAILED, tomorrow))
    assert again.how is How.NEW


def test_the_real_delivery_brings_its_own_time(ledger):
    """H9: a list may not show when a fact happened; what was delivered does, and the handler is told that."""
    (found,) = enter(ledger, HELD, built(FAILED, T0))
    (real,) = enter(ledger, LIVE, live("evt_1", FAILED, T0 + HOUR))
    now = row(ledger, found.seq)
    assert real.how is How.REPLACED
    assert (now.occurred_at, now.position) == (T0 + HOUR, micros(T0 + HOUR))


def test_a_delivery_nobody_wanted_then_is_taken_once_somebody_does(ledger):
    """H7: ignored is not handled: its topic was subscribed to since, and the provider sends or lists it again."""
    ignoring = Book("shop", EventState.IGNORED, repeats_by_bytes=True)
    (ignored,) = enter(ledger, ignoring, live("wh-1"))
    (again,) = enter(ledger, LIVE, live("wh-1"))
    assert (again.how, again.seq) == (How.REVIVED, ignored.seq)
    assert row(ledger, ignored.seq).state == EventState.WAITING


def test_a_fact_nobody_wanted_then_is_held_once_a_list_shows_it(ledger):
    """H7: the same for a fact that a list proves: the delivery that was ignored has its bytes."""
    (ignored,) = enter(ledger, Book("shop", EventState.IGNORED), live("wh-1", body=b"real"))
    (found,) = enter(ledger, HELD, built())
    now = row(ledger, ignored.seq)
    assert (found.how, found.seq) == (How.REVIVED, ignored.seq)
    assert (now.state, now.stream, now.run_id, now.body) == (EventState.HELD, "orders", "R", b"real")


def a_gap(ledger, kind, key, topic):
    with ledger.write() as tx:
        gaps.open_(tx, "shop", kind, key, reason="r", subject=ORDER, topic=topic)


def left(ledger):
    with ledger.write() as tx:
        closing.close_arrived(tx, "shop")
        return gaps.find(tx, source="shop")


@pytest.mark.parametrize("kind", [GapKind.STALE, GapKind.MISSING])
def test_a_missed_state_is_made_good_by_it_or_a_newer_one_only(ledger, kind):
    """C1: a late delivery of an older state leaves the gap open; a newer one closes it."""
    a_gap(ledger, kind, f"{UPDATED}:1001:{iso(T0)}", UPDATED)
    enter(ledger, LIVE, live("wh-1", UPDATED, T0 - HOUR, body=b"1"))
    assert len(left(ledger)) == 1
    enter(ledger, LIVE, live("wh-2", UPDATED, T0 + HOUR, body=b"2"))
    assert left(ledger) == []


def test_a_repeatable_fact_of_tomorrow_does_not_close_the_gap_of_today(ledger):
    """C1: what cannot be told apart by its fact is told apart by when it happened."""
    a_gap(ledger, GapKind.NOT_REBUILDABLE, f"{FAILED}:1001", FAILED)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    enter(ledger, LIVE, live("evt_1", FAILED, tomorrow, body=b"1"))
    assert len(left(ledger)) == 1
    enter(ledger, LIVE, live("evt_2", FAILED, T0, body=b"2"))
    assert left(ledger) == []


@pytest.mark.parametrize(("second", "body"), [("wh-1", b"other"), ("wh-2", b"real")], ids=["same id", "same bytes"])
@pytest.mark.parametrize("state", [None, EventState.HELD, EventState.HANDLED], ids=str)
def test_one_delivery_twice_at_once_is_one_event(ledger, second, body, state):
    """H1, H4: two threads take the same delivery, also where a rebuilt event is there to absorb one of them."""
    if state is not None:
        (found,) = enter(ledger, HELD, built())
        put(ledger, found.seq, state=state)
    barrier = threading.Barrier(2)
    results = []

    def take(arrival):
        barrier.wait()
        results.extend(enter(ledger, LIVE, arrival))

    arrivals = live("wh-1", body=b"real"), live(second, body=body)
    threads = [threading.Thread(target=take, args=(arrival,)) for arrival in arrivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.seq for one in results}) == 1
    assert sorted(one.how is How.DUPLICATE for one in results) == [False, True]


def test_what_a_run_could_not_tell_apart_stays_so_for_live_deliveries(ledger):
    """H1: one rebuilt fact takes in one delivery; a second genuine one of before the listing is an event of its own."""
    (found,) = enter(ledger, HELD, built(FAILED, T0))
    put(ledger, found.seq, state=EventState.HANDLED)
    one, two = enter(
        ledger,
        LIVE,
        live("evt_1", FAILED, T0 + HOUR, body=b"1"),
        live("evt_2", FAILED, T0 + 2 * HOUR, body=b"2"),
    )
    assert (one.how, two.how) == (How.ABSORBED, How.NEW)
