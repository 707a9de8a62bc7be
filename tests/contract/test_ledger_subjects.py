"""Subjects: locked in one order, newest version wins."""

from __future__ import annotations

from reconcile.ledger import subjects
from reconcile.model import Subject

A, B, C = (Subject("order", id_) for id_ in "abc")


def known(tx, lo=0, hi=1 << 60, source="shop"):
    return list(subjects.in_window(tx, source, "order", lo, hi))


def test_newest_version_wins(ledger):
    """Versions only rise, in whatever order and however often a page names a subject."""
    with ledger.write() as tx:
        subjects.raise_versions(tx, "shop", [(A, 5), (B, 7), (A, 9), (A, 6)])
        subjects.raise_versions(tx, "shop", [(A, 8), (B, 10), (C, 1)])
        subjects.raise_versions(tx, "shop", [])
        assert known(tx) == [("c", 1), ("a", 9), ("b", 10)]


def test_window_is_half_open_and_of_one_type(ledger):
    """C5: a window holds its start, not its end; other types and sources are not in it."""
    with ledger.write() as tx:
        subjects.raise_versions(tx, "shop", [(A, 5), (B, 6), (C, 7), (Subject("refund", "r"), 6)])
        subjects.raise_versions(tx, "other", [(A, 6)])
        assert known(tx, 5, 7) == [("a", 5), ("b", 6)]


def test_deleted_subject_is_not_asked_for_again(ledger):
    """C16: what the provider no longer has leaves the recall check, until a newer version shows up."""
    with ledger.write() as tx:
        subjects.raise_versions(tx, "shop", [(A, 5), (B, 6)])
        subjects.mark_deleted(tx, "shop", A, tx.now)
        subjects.raise_versions(tx, "shop", [(A, 5)])
        assert known(tx) == [("b", 6)]
        subjects.raise_versions(tx, "shop", [(A, 9)])
        assert known(tx) == [("b", 6), ("a", 9)]


def test_locking_enters_unknown_subjects(ledger):
    """H4: a subject never seen can be locked, and has no version yet."""
    with ledger.write() as tx:
        subjects.lock(tx, "shop", [B, A, B])
        subjects.lock(tx, "shop", [A, C])
        subjects.lock(tx, "shop", [])
        assert known(tx) == []
        subjects.raise_versions(tx, "shop", [(A, 1)])
        assert known(tx) == [("a", 1)]


def test_many_subjects_stream(ledger):
    """A window of any size is read in batches, and may be left half-way."""
    with ledger.write() as tx:
        subjects.raise_versions(tx, "shop", [(Subject("order", str(n)), n) for n in range(2500)])
    with ledger.read() as tx:
        walk = subjects.in_window(tx, "shop", "order", 0, 2500)
        assert next(walk) == ("0", 0)
        walk.close()
        assert len(known(tx)) == 2500
