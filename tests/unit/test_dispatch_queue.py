"""Who in the queue may go: pure, for any queue."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconcile.ledger.queue import NOBODY, Waiting, free, in_time

HOLDS = 3


@st.composite
def queues(draw):
    rows = draw(
        st.lists(st.tuples(st.sampled_from(["", "1", "2", "3"]), st.integers(0, 4), st.integers(0, 20)), max_size=12)
    )
    return [
        Waiting(seq, "order" if subject else "", subject, seq, attempts, next_at, 0)
        for seq, (subject, attempts, next_at) in enumerate(rows)
    ]


subjects = st.sets(st.sampled_from([("order", "1"), ("order", "2")]))


def holders(queue, event):
    """The earlier events of its subject that have not used up the attempts for which they hold it."""
    return [
        one for one in queue if one.subject == event.subject != NOBODY and one.seq < event.seq and one.attempts < HOLDS
    ]


@given(queues(), subjects)
def test_free_is_exactly_what_nothing_holds(queue, busy):
    """An event may go if its subject is not busy and nothing earlier of its subject holds it; the order stays."""
    expected = [one for one in queue if one.subject not in busy and not holders(queue, one)]
    assert list(free(queue, busy, HOLDS)) == expected


@given(queues(), st.integers(0, 20))
def test_in_time_leaves_out_what_waits_behind_something_later(queue, until):
    """What can be reached by then: due by then, with nothing before it that holds it for longer."""
    expected = [
        one for one in queue if one.next_at <= until and all(holder.next_at <= until for holder in holders(queue, one))
    ]
    assert list(in_time(queue, until, HOLDS)) == expected


@given(queues())
def test_something_can_always_go(queue):
    """No queue blocks itself: where anything waits and nothing is busy, something is free."""
    assert bool(list(free(queue, set(), HOLDS))) == bool(queue)
