"""Coverage: kept small, never worsened; and the windows still open."""

from __future__ import annotations

import threading
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from support.ledgers import NOON, minutes

from reconcile.ledger import coverage
from reconcile.ledger.coverage import Checkpoint, Covered, merged
from reconcile.model import Window
from reconcile.windows import holes

OVERLAP = timedelta(minutes=5)
FLOORS = ({"a": 1}, {"a": 2}, {"a": 1, "b": 1}, {"b": 3}, {})


def claim(start, end, read, floors=FLOORS[0]):
    return Covered(Window(minutes(start), minutes(end)), minutes(read), floors)


claims = st.builds(
    lambda start, length, after, floors: claim(start, start + length, start + length + after, floors),
    st.integers(0, 20),
    st.integers(1, 12),
    st.integers(-3, 12),
    st.sampled_from(FLOORS),
)


def proofs(rows, at):
    """(final, read_at, floors) of every claim that speaks of an instant."""
    return [(row.read_at >= at + OVERLAP, row.read_at, row.floors) for row in rows if at in row.window]


def as_good(one, other):
    newer = one[0] or one[1] >= other[1]
    return newer and all(topic in one[2] and one[2][topic] <= floor for topic, floor in other[2].items())


@given(st.lists(claims, max_size=8))
def test_merging_never_worsens(rows):
    """C3: of every instant, whatever was proven before merging is proven after it at least as well."""
    after = merged(rows, OVERLAP)
    for at in (NOON + timedelta(seconds=30 * n) for n in range(-10, 90)):
        for proof in proofs(rows, at):
            assert any(as_good(kept, proof) for kept in proofs(after, at))


@given(st.lists(claims, max_size=8))
def test_merging_invents_nothing(rows):
    """C3: every proof after merging was a proof before it, by the same floors, and by the same read or a final one."""
    after = merged(rows, OVERLAP)
    for at in (NOON + timedelta(seconds=30 * n) for n in range(-10, 90)):
        for final, read_at, floors in proofs(after, at):
            before = [proof for proof in proofs(rows, at) if proof[2] == floors]
            assert any(proof[0] if final else proof[1] == read_at for proof in before)


@given(st.lists(claims, max_size=8))
def test_merging_settles(rows):
    """Merging what is merged changes nothing, so the table does not churn."""
    once = merged(rows, OVERLAP)
    assert merged(once, OVERLAP) == once


def test_what_is_merged_has_one_order():
    """Claims that differ only by what they were judged for come in the same order, whichever was entered first."""
    judged = [claim(3, 4, 9, {"a": 1}), claim(3, 4, 9, {"b": 3})]
    assert merged(judged, OVERLAP) == merged(judged[::-1], OVERLAP)


def test_final_neighbours_become_one():
    """Two stretches read late enough and judged alike are one row."""
    assert merged([claim(0, 10, 15), claim(10, 20, 25)], OVERLAP) == [claim(0, 20, 25)]


def test_provisional_stretch_is_replaced_by_its_reread():
    """C4: reading the provisional end again leaves one final row and one provisional one."""
    first, again = claim(0, 10, 10), claim(5, 20, 20)
    assert merged([first, again], OVERLAP) == [claim(0, 15, 20), claim(15, 20, 20)]


def test_worse_floors_do_not_replace_better_ones():
    """A newer read judged for fewer topics leaves the older proof alone."""
    rich, poor = claim(0, 10, 12, {"a": 1, "b": 1}), claim(0, 10, 14, {"a": 1})
    assert rich.read_at < poor.read_at
    assert any(row.floors == rich.floors and row.window.end == minutes(10) for row in merged([rich, poor], OVERLAP))


def add(ledger, *rows, fingerprint="f"):
    with ledger.write() as tx:
        for row in rows:
            coverage.add(tx, "shop", "orders", fingerprint, row, "run", overlap=OVERLAP)


def load(ledger, fingerprint="f"):
    with ledger.read() as tx:
        return coverage.load(tx, "shop", "orders", fingerprint)


def test_table_stays_small(ledger):
    """A run every 15 minutes for a day, each reading the provisional stretch again, leaves two rows."""
    add(ledger, *(claim(max(0, 15 * n - 10), 15 * n + 13, 15 * n + 15) for n in range(96)))
    assert load(ledger) == [claim(0, 15 * 95 + 10, 15 * 95 + 15), claim(15 * 95 + 10, 15 * 95 + 13, 15 * 95 + 15)]


def test_rows_far_away_are_left_alone(ledger):
    """C13: a one-off far from the frontier is its own row, with the hole between them."""
    add(ledger, claim(0, 10, 99), claim(50, 60, 99), claim(20, 30, 99))
    assert [row.window for row in load(ledger)] == [claim(s, s + 10, 0).window for s in (0, 20, 50)]


def test_threads_lose_no_window(ledger):
    """C3: windows of one stream that are finished at the same moment by several threads all stay covered."""
    barrier = threading.Barrier(4)

    def finish(lane):
        barrier.wait()
        for n in range(lane, 40, 4):
            add(ledger, claim(10 * n, 10 * n + 10, 999))

    threads = [threading.Thread(target=finish, args=(lane,)) for lane in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert holes(Window(minutes(0), minutes(400)), [row.window for row in load(ledger)]) == []
    add(ledger, claim(0, 400, 999))
    assert load(ledger) == [claim(0, 400, 999)]


def test_fingerprints_do_not_mix(ledger):
    """C12: coverage of another question does not count for this one."""
    add(ledger, claim(0, 10, 99))
    add(ledger, claim(10, 20, 99), fingerprint="g")
    assert load(ledger) == [claim(0, 10, 99)]
    assert load(ledger, "g") == [claim(10, 20, 99)]


def test_checkpoint_is_replaced_and_dropped(ledger):
    """L3: an open window remembers its last page, and is forgotten when covered."""
    one = Checkpoint("shop", "orders", "f", Window(minutes(0), minutes(9)), minutes(9), {"a": 1}, "c1", 1, 100)
    two = Checkpoint("shop", "orders", "f", Window(minutes(0), minutes(9)), minutes(9), {"a": 1}, "c2", 2, 200)
    other = Checkpoint("shop", "orders", "g", Window(minutes(0), minutes(9)), minutes(9), {}, "x")
    with ledger.write() as tx:
        for checkpoint in (one, other, two):
            coverage.save_checkpoint(tx, checkpoint)
    with ledger.write() as tx:
        assert coverage.open_windows(tx, "shop", "orders", "f") == [two]
        coverage.drop_checkpoint(tx, "shop", "orders", "f", two.window)
        assert coverage.open_windows(tx, "shop", "orders", "f") == []
        assert coverage.open_windows(tx, "shop", "orders", "g") == [other]
