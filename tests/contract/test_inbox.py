"""The one door in, on every ledger engine: identity, absorption, and races."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from support.arriving import CREATE, HELD, LIVE, T0, UPDATED, built, enter, live, put, row

from reconcile.inbox import How
from reconcile.ledger import recognition
from reconcile.model import (
    Arrival,
    Description,
    EventState,
    Occurrence,
    Origin,
    Subject,
    fact_key,
    instant,
    micros,
)


def test_a_delivery_is_recorded_once_and_its_repeat_is_counted(ledger):
    """H1: the provider's id is the identity of a live delivery."""
    (first,) = enter(ledger, LIVE, live("wh-1"))
    (again,) = enter(ledger, LIVE, live("wh-1", body=b"other bytes"))
    assert (first.how, again.how, again.seq) == (How.NEW, How.DUPLICATE, first.seq)
    assert row(ledger, first.seq).duplicates == 1


def test_equal_bytes_under_another_id_are_a_repeat_where_ids_change(ledger):
    """H1: a provider that renames its retries does not get its events handled twice."""
    (first,) = enter(ledger, LIVE, live("wh-1"))
    (renamed,) = enter(ledger, LIVE, live("wh-2"))
    (other,) = enter(ledger, LIVE, live("wh-3", topic=UPDATED))
    assert (renamed.how, renamed.seq) == (How.DUPLICATE, first.seq)
    assert other.how is How.NEW


def test_a_rebuilt_event_is_recorded_only_if_nothing_holds_its_fact(ledger):
    """H4: live first, backfill second: one event."""
    (delivered,) = enter(ledger, LIVE, live("wh-1"))
    (found,) = enter(ledger, HELD, built())
    assert (found.how, found.seq) == (How.HELD, delivered.seq)


def test_a_rebuilt_state_is_not_recorded_when_any_subscribed_event_carries_its_version(ledger):
    """H5: an order just created needs `orders/create` only."""
    enter(ledger, LIVE, live("wh-1", version=T0))
    (same,) = enter(ledger, HELD, built(UPDATED, T0, T0))
    newer = T0 + timedelta(seconds=5)
    (changed,) = enter(ledger, HELD, built(UPDATED, newer, newer))
    assert (same.how, changed.how) == (How.HELD, How.NEW)


def test_a_rebuilt_creation_accounts_for_the_state_only_if_nothing_changed_since(ledger):
    """H5: a rebuilt once-fact carries the version only when its own time equals it to the second."""
    later = T0 + timedelta(hours=1)
    (creation, state) = enter(ledger, HELD, built(CREATE, T0, later), built(UPDATED, later, later))
    assert (creation.how, state.how) == (How.NEW, How.NEW)
    assert row(ledger, creation.seq).carried is None


def test_a_held_rebuilt_event_becomes_the_real_delivery(ledger):
    """H4: the real bytes replace it, its origin becomes live, and the hold ends."""
    (held,) = enter(ledger, HELD, built())
    (real,) = enter(ledger, LIVE, live("wh-1", body=b"real"))
    found = row(ledger, held.seq)
    assert (real.how, real.seq) == (How.REPLACED, held.seq)
    assert (found.body, found.origin, found.state, found.reconstructed) == (b"real", "live", "waiting", 0)


@pytest.mark.parametrize("state", [EventState.WAITING, EventState.CLAIMED])
def test_a_rebuilt_event_under_way_uses_the_real_bytes_next(ledger, state):
    """H9: the next attempt uses what the provider really sent, under the same idempotency key."""
    (found,) = enter(ledger, HELD, built())
    put(ledger, found.seq, state=state, next_at=T0)
    key = row(ledger, found.seq).id
    (real,) = enter(ledger, LIVE, live("wh-1", body=b"real"))
    now = row(ledger, found.seq)
    assert (real.how, now.body, now.state, now.id) == (How.REPLACED, b"real", state, key)


@pytest.mark.parametrize("state", [EventState.HANDLED, EventState.SUPERSEDED])
def test_a_rebuilt_event_that_is_done_absorbs_one_later_delivery(ledger, state):
    """H1, H4: a provider's retry with the old body, after the backfill, runs no handler; the one after it does."""
    (found,) = enter(ledger, HELD, built())
    put(ledger, found.seq, state=state)
    (first,) = enter(ledger, LIVE, live("wh-1", body=b"old"))
    (second,) = enter(ledger, LIVE, live("wh-2", body=b"another"))
    assert (first.how, first.seq) == (How.ABSORBED, found.seq)
    assert second.how is How.NEW


def test_an_absorbed_delivery_is_known_by_its_id_ever_after(ledger):
    """H1: the log lists what a rebuilt event absorbed; it is not missing."""
    (found,) = enter(ledger, HELD, built())
    put(ledger, found.seq, state=EventState.HANDLED)
    enter(ledger, LIVE, live("evt_1"))
    with ledger.read() as tx:
        assert recognition.unfinished_ids(tx, "shop", ["evt_1", "evt_2"]) == [1]
    (again,) = enter(ledger, LIVE, live("evt_1"))
    assert (again.how, again.seq) == (How.DUPLICATE, found.seq)


def test_a_retry_of_an_absorbed_delivery_is_known_by_its_bytes(ledger):
    """H2: where ids change per attempt, what a handled rebuilt event absorbed is not handled when it comes again."""
    (found,) = enter(ledger, HELD, built())
    put(ledger, found.seq, state=EventState.HANDLED)
    (first,) = enter(ledger, LIVE, live("wh-1", body=b"real"))
    (retry,) = enter(ledger, LIVE, live("wh-2", body=b"real"))
    (again,) = enter(ledger, LIVE, live("wh-2", body=b"real"))
    assert (first.how, retry.how, again.how) == (How.ABSORBED, How.DUPLICATE, How.DUPLICATE)


def test_a_dead_rebuilt_event_is_replaced_and_revived(ledger):
    """H8: the real bytes may be handled where the rebuilt ones were not."""
    (found,) = enter(ledger, HELD, built())
    put(ledger, found.seq, state=EventState.DEAD, attempts=8, error="boom")
    enter(ledger, LIVE, live("wh-1", body=b"real"))
    now = row(ledger, found.seq)
    assert (now.state, now.attempts, now.body, now.error) == ("waiting", 0, b"real", "")


def test_two_logged_events_of_one_fact_on_a_page_are_absorbed_once(ledger):
    """H1: two ids may tell of the same change; the second is an event of its own."""
    (found,) = enter(ledger, HELD, built())
    put(ledger, found.seq, state=EventState.HANDLED)
    one, two = enter(ledger, HELD, live("evt_1", body=b"1"), live("evt_2", body=b"2"))
    assert (one.how, two.how) == (How.ABSORBED, How.NEW)


def test_one_id_twice_on_a_page_is_one_event(ledger):
    """C7: pages overlap."""
    one, two = enter(ledger, HELD, live("evt_1"), live("evt_1"))
    assert (one.how, two.how, one.seq) == (How.NEW, How.DUPLICATE, two.seq)


def test_poison_text_is_stored_and_its_bytes_are_untouched(ledger):
    """H6: NUL and lone surrogates never lose a delivery, and the bytes stay what they were."""
    body = b'{"note":"\\u0000 \\ud800","x":\xff}'
    described = Description("orders/\x00create", Subject("order", "1\x00\ud800"), Occurrence.ONCE)
    (found,) = enter(ledger, LIVE, Arrival("id\x00", described, body, Origin.LIVE, {"x-note": "a\x00b"}))
    assert row(ledger, found.seq).body == body


@pytest.mark.parametrize("rounds", range(4))
def test_live_and_backfill_at_once_leave_one_event(ledger, rounds):
    """H4: recording on both roads locks the subject's row, so both cannot win."""
    barrier = threading.Barrier(2)
    outcomes = []

    def race(book, arrival):
        barrier.wait()
        outcomes.extend(enter(ledger, book, arrival))

    threads = [
        threading.Thread(target=race, args=(LIVE, live("wh-1"))),
        threading.Thread(target=race, args=(HELD, built())),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.seq for one in outcomes}) == 1
    assert sum(one.how is How.NEW for one in outcomes) == 1


def test_what_a_page_lacks_is_told_in_one_question(ledger):
    """C1: finished facts are not asked about again; open ones and older versions are."""
    later = T0 + timedelta(minutes=1)
    done, waiting = enter(ledger, LIVE, live("wh-1"), live("wh-2", UPDATED, later, b"2"))
    put(ledger, done.seq, state=EventState.HANDLED)
    with ledger.read() as tx:
        found = recognition.lacking(
            tx,
            "shop",
            [CREATE, UPDATED],
            [fact_key(CREATE, "1001"), fact_key(CREATE, "1002")],
            [("order", "1001", micros(T0)), ("order", "1001", micros(later))],
            [("order", "1001", micros(later) + 1), ("order", "1001", micros(T0)), ("order", "9", 1)],
        )
    assert (found.facts, found.states, found.behind) == ([1], [1], [0])
    with ledger.read() as tx:
        held = recognition.by_version(tx, "shop", [CREATE, UPDATED], [("order", "1001", micros(later))])
    assert held[0].seq == waiting.seq


def test_instants_survive_the_ledger(ledger):
    """C14: what goes in as UTC comes back aware, to the microsecond."""
    odd = instant(micros(T0) + 1)
    (found,) = enter(ledger, LIVE, live("wh-1", version=odd))
    assert row(ledger, found.seq).occurred_at == odd
