"""Gaps: each once, reopened rather than repeated."""

from __future__ import annotations

from support.ledgers import later, minutes

from reconcile.ledger import gaps
from reconcile.model import GapKind, Subject

ORDER = Subject("order", "1001")


def dead(tx, key="evt_1", **values):
    given = {"source": "shop", "kind": GapKind.DEAD, "key": key, "reason": "boom"} | values
    return gaps.open_(tx, **given)


def test_gap_keeps_everything_said_of_it(ledger):
    """A gap says of which source, stream, subject, topic, event and stretch it speaks, why, and since when."""
    with ledger.write() as tx:
        id_ = dead(tx, subject=ORDER, topic="t", stream="orders", seq=7, start=minutes(0), end=minutes(1), run_id="r")
        gap = gaps.get(tx, id_)
        assert (gap.subject, gap.topic, gap.stream, gap.seq, gap.start, gap.end) == (
            ORDER,
            "t",
            "orders",
            7,
            minutes(0),
            minutes(1),
        )
        assert (gap.state, gap.opened_at, gap.seen_at, gap.reason, gap.run_id) == ("open", tx.now, tx.now, "boom", "r")
        assert gaps.get(tx, id_ + 1) is None


def test_seen_again_is_one_gap(ledger):
    """The same finding later updates the reason and when it was seen, not when it opened."""
    with ledger.write() as tx:
        first = dead(tx, seq=7)
        again = dead(later(tx, 60), reason="boom again")
        gap = gaps.get(tx, first)
        assert first == again
        assert (gap.reason, gap.opened_at, gap.seen_at, gap.seq) == ("boom again", tx.now, later(tx, 60).now, 7)


def test_closed_gap_is_reopened(ledger):
    """A relapse is a new episode of the same gap."""
    with ledger.write() as tx:
        id_ = dead(tx)
        assert gaps.close(tx, "shop", GapKind.DEAD, "evt_1", "replayed")
        assert not gaps.close(tx, "shop", GapKind.DEAD, "evt_1", "replayed")
        closed = gaps.get(tx, id_)
        assert (closed.state, closed.note, closed.closed_at) == ("closed", "replayed", tx.now)
        assert dead(later(tx, 60)) == id_
        gap = gaps.get(tx, id_)
        assert (gap.state, gap.note, gap.closed_at, gap.opened_at) == ("open", "", None, later(tx, 60).now)


def test_ignored_gap_stays_ignored(ledger):
    """What an operator put aside with a reason does not come back by being seen again."""
    with ledger.write() as tx:
        id_ = dead(tx)
        assert gaps.ignore(tx, [id_, 999], "known test order") == 1
        dead(tx)
        gap = gaps.get(tx, id_)
        assert (gap.state, gap.note) == ("ignored", "known test order")
        assert gaps.find(tx) == []
        assert gaps.count(tx) == {}


def test_handled_event_closes_its_gaps(ledger):
    """Every open gap of an event is closed with it; those of others stay."""
    with ledger.write() as tx:
        dead(tx, "evt_1", seq=1)
        gaps.open_(tx, "shop", GapKind.UNHANDLED, "evt_1", reason="never finished", seq=1)
        dead(tx, "evt_2", seq=2)
        assert gaps.close_for_events(tx, [1]) == 2
        assert gaps.close_for_events(tx, []) == 0
        assert [gap.key for gap in gaps.find(tx)] == ["evt_2"]


def test_find_filters(ledger):
    """Gaps come oldest first, by source, kind and state, and no more of them than were asked for."""
    with ledger.write() as tx:
        for n in range(5):
            dead(later(tx, n), f"evt_{n}")
        gaps.open_(tx, "other", GapKind.MISSING, "k", reason="x")
        gaps.close(tx, "shop", GapKind.DEAD, "evt_0", "done")
        keys = [gap.key for gap in gaps.find(tx, source="shop", kind=GapKind.DEAD, limit=2)]
        assert keys == ["evt_1", "evt_2"]
        assert len(gaps.find(tx, state=None)) == 6
        assert gaps.count(tx) == {("shop", GapKind.DEAD): 4, ("other", GapKind.MISSING): 1}
        assert gaps.count(tx, source="other") == {("other", GapKind.MISSING): 1}
