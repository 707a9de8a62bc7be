"""The valve, on every engine: what it lets through, what it holds, and what it counts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from support.ledgers import elsewhere, later
from support.rows import add_event

from reconcile import failpoints
from reconcile.errors import LeaseLost
from reconcile.ledger import events, findings, leases, streams, views
from reconcile.ledger.findings import Finding
from reconcile.ledger.process import Holder
from reconcile.ledger.views import EventFilter
from reconcile.model import EventState
from reconcile.reading import valve

LIMIT = 500
NOW = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def lease(ledger):
    """The right to work on the source."""
    with ledger.write() as tx:
        return leases.acquire(tx, "shop", "backfill", Holder.me())


def hold(
    ledger,
    number: int,
    *,
    listed: int,
    run: str = "run-1",
    per_subject: int = 1,
    stream: str = "orders",
    beside: int = 0,
    unfinished: int = 0,
) -> None:
    """What a run that listed so many items left held."""
    with ledger.write() as tx:
        for n in range(number):
            subject = f"{run}-{n // per_subject}"
            add_event(
                tx, id=f"{run}-{n}", subject_id=subject, state=EventState.HELD, run_id=run, stream=stream, next_at=None
            )
        streams.add_counts(tx, run, "shop", stream, listed=listed, beside=beside, unfinished=unfinished)


def settle(ledger, lease, *, force: bool = False, is_log: bool = False, limit: int = LIMIT) -> valve.Verdict:
    """Let the valve decide."""
    return valve.settle(ledger, lease, "orders", is_log=is_log, limit=limit, force=force)


def states(ledger) -> dict[str, int]:
    """How many events are in each state."""
    with ledger.read() as tx:
        return dict(Counter(row.state for row in views.list_events(tx, EventFilter(source="shop"), 10_000)))


CASES = {
    "nothing held": (0, 100, True),
    "all of nineteen": (19, 19, True),
    "all of twenty": (20, 20, False),
    "half of forty": (20, 40, True),
    "more than half of forty": (21, 40, False),
    "five hundred of many": (500, 5000, True),
    "five hundred and one of many": (501, 5000, False),
}


@pytest.mark.parametrize(("held", "listed", "opens"), CASES.values(), ids=CASES)
def test_it_lets_through_what_is_not_suspiciously_much(ledger, lease, held, listed, opens):
    """Up to the limit, and from 20 up no more than half of what was listed; released together or not at all."""
    hold(ledger, held, listed=listed)
    verdict = settle(ledger, lease)
    assert (verdict.released, verdict.held) == ((held, 0) if opens else (0, held))
    assert bool(verdict.reason) is not opens
    assert states(ledger) == ({} if not held else {"waiting" if opens else "held": held})
    with ledger.read() as tx:
        assert streams.get(tx, "shop", "orders").valve_closed is not opens


def test_what_a_killed_run_held_is_no_proof_of_health_when_it_is_listed_again(ledger, lease):
    """DESIGN 4: thirty of forty-one look missed, however often they were listed; each kill would open it further."""
    hold(ledger, 30, listed=40, unfinished=10)
    hold(ledger, 1, listed=41, run="run-2")
    with ledger.read() as tx:
        held = [row.seq for row in views.list_events(tx, EventFilter(source="shop"), 100)]
    with ledger.write() as tx:
        findings.add(
            tx, [Finding("run-2", "shop", "orders", f"0:{seq}", seq, recorded=seq == max(held)) for seq in held]
        )
    assert settle(ledger, lease).reason == "31 of 41 listed items look missed, which is more than half"


def test_the_reason_names_the_numbers(ledger, lease):
    """What an operator must judge by is in the sentence."""
    hold(ledger, 30, listed=40)
    assert settle(ledger, lease).reason == "30 of 40 listed items look missed, which is more than half"
    assert settle(ledger, lease, limit=29).reason == "30 missed events are more than the valve lets through (29)"


def test_a_trusted_stream_is_held_to_the_limit_only(ledger, lease):
    """Once somebody vouched for a stream, half of it may be missed: an outage looks like that."""
    with ledger.write() as tx:
        streams.save(tx, "shop", "orders", trusted=True)
    hold(ledger, 400, listed=400)
    assert settle(ledger, lease).released == 400
    hold(ledger, 501, listed=501, run="run-2")
    assert settle(ledger, lease).held == 501


def test_force_lets_everything_through_and_makes_the_stream_trusted(ledger, lease):
    """`run --force` is somebody vouching."""
    hold(ledger, 600, listed=600)
    assert settle(ledger, lease).held == 600
    assert settle(ledger, lease, force=True).released == 600
    with ledger.read() as tx:
        state = streams.get(tx, "shop", "orders")
    assert (state.trusted, state.valve_closed) == (True, False)


@pytest.mark.parametrize(("is_log", "held"), [(True, 60), (False, 0)])
def test_one_order_that_proves_several_events_is_one_of_what_was_listed(ledger, lease, is_log, held):
    """A list's half is counted in orders, a log's in events."""
    hold(ledger, 60, listed=50, per_subject=3)  # 20 orders of 50
    assert settle(ledger, lease, is_log=is_log).held == held


def test_held_events_of_crashed_runs_are_counted_with_what_those_runs_listed(ledger, lease):
    """Killed again and again, runs cannot smuggle through in portions what one of them would have been stopped with."""
    for run in ("run-1", "run-2", "run-3"):
        hold(ledger, 15, listed=15, run=run)
    verdict = settle(ledger, lease)
    assert (verdict.released, verdict.held) == (0, 45)
    assert "45 of 45" in verdict.reason


def test_runs_that_left_nothing_held_lend_no_listed_items(ledger, lease):
    """Only what the runs that recorded them listed is compared with: a big quiet run does not open the valve."""
    hold(ledger, 25, listed=30)
    hold(ledger, 0, listed=100_000, run="quiet")
    assert settle(ledger, lease).held == 25


def test_a_closed_valve_waits_for_a_word_whatever_later_runs_list(ledger, lease):
    """Nobody decided: a run that lists a hundred and misses one dilutes the share, and opens nothing."""
    hold(ledger, 30, listed=40)
    assert settle(ledger, lease).held == 30
    hold(ledger, 1, listed=100, run="run-2")
    verdict = settle(ledger, lease)
    assert (verdict.released, verdict.held) == (0, 31)
    assert "nobody has decided since, and 31 missed events are held" in verdict.reason
    found = valve.Found(events=0, items=0, listed=500)
    assert "nobody has decided" in valve.foretell(ledger, "shop", "orders", found, limit=LIMIT)
    assert settle(ledger, lease, force=True).released == 31
    hold(ledger, 30, listed=100, run="run-3")
    assert settle(ledger, lease).released == 30


def test_what_a_provider_gives_beyond_what_was_asked_opens_nothing(ledger, lease):
    """Repeats and neighbours of a window are listed, and no part of what could have been missed; whether the run that
    listed them ended or was killed.
    """
    hold(ledger, 15, listed=65, beside=50)
    hold(ledger, 10, listed=10, run="run-2")
    assert settle(ledger, lease).reason == "25 of 25 listed items look missed, which is more than half"


def test_a_closed_valve_with_nothing_left_behind_it_is_open(ledger, lease):
    """What was held came live after all: there is nothing to decide any more."""
    hold(ledger, 30, listed=40)
    settle(ledger, lease)
    with ledger.write() as tx:
        events.release(tx, "shop", "orders")
    assert settle(ledger, lease).reason == ""
    with ledger.read() as tx:
        assert not streams.get(tx, "shop", "orders").valve_closed


def test_other_streams_and_sources_stay_as_they_are(ledger, lease):
    """A stream's valve is its own."""
    hold(ledger, 5, listed=100)
    hold(ledger, 7, listed=100, run="other", stream="customers")
    with ledger.write() as tx:
        foreign = add_event(tx, source="elsewhere", state=EventState.HELD, stream="orders", next_at=None)
    assert settle(ledger, lease).released == 5
    assert states(ledger) == {"waiting": 5, "held": 7}
    with ledger.read() as tx:
        assert events.get(tx, foreign).state == EventState.HELD


def test_what_is_released_is_due_at_once(ledger, lease):
    """Released events wait for nothing but a dispatcher."""
    hold(ledger, 3, listed=100)
    settle(ledger, lease)
    with ledger.read() as tx:
        rows = views.list_events(tx, EventFilter(source="shop"), 10)
        assert all(row.next_at <= tx.now + timedelta(seconds=1) for row in rows)


def test_a_lost_lease_decides_nothing(ledger, lease):
    """L1: the runner that lost its source releases nothing and closes nothing."""
    hold(ledger, 3, listed=100)
    with ledger.write() as tx:
        leases.acquire(later(tx, 60), "shop", "backfill", elsewhere())
    with pytest.raises(LeaseLost):
        settle(ledger, lease)
    assert states(ledger) == {"held": 3}


def test_it_says_where_it_is(ledger, lease, monkeypatch):
    """Both sides of its commit can be crashed at."""
    reached = []
    monkeypatch.setattr(failpoints, "hook", reached.append)
    settle(ledger, lease)
    assert reached == ["valve.before_release", "valve.released"]
