"""Streams: what is remembered between runs, and each run's counts."""

from __future__ import annotations

from reconcile.ledger import streams
from reconcile.ledger.streams import Counts, StreamState


def test_unknown_stream_has_the_defaults(ledger):
    """Nothing is remembered of a stream never read."""
    with ledger.read() as tx:
        assert streams.get(tx, "shop", "orders") == StreamState()


def test_saving_changes_only_what_is_given(ledger):
    """What one writer does not name, it leaves as another wrote it."""
    with ledger.write() as tx:
        streams.save(tx, "shop", "orders", density=1.5, error="timeout")
        streams.save(tx, "shop", "orders", valve_closed=True, trusted=True)
        streams.save(tx, "shop", "orders", error="")
        streams.save(tx, "shop", "orders")
        streams.save(tx, "shop", "refunds")
        expected = StreamState(density=1.5, trusted=True, valve_closed=True)
        assert streams.all_of(tx, "shop") == {("shop", "orders"): expected, ("shop", "refunds"): StreamState()}
        assert streams.all_of(tx, "other") == {}


def test_counts_add_up(ledger):
    """C2: every page adds to its run's counts, and to no other run's."""
    with ledger.write() as tx:
        streams.add_counts(tx, "r1", "shop", "orders", listed=100, already_handled=98, filtered=1, events=1)
        streams.add_counts(tx, "r1", "shop", "orders", listed=50, superseded=2, unlisted_gaps=1)
        streams.add_counts(tx, "r2", "shop", "orders", listed=7)
        assert streams.counts(tx, "r1") == [
            Counts(
                "shop", "orders", listed=150, already_handled=98, superseded=2, filtered=1, events=1, unlisted_gaps=1
            )
        ]
        assert streams.asked_by_runs(tx, "shop", "orders", ["r1", "r2", "r3"]) == 157
        streams.add_counts(tx, "r1", "shop", "orders", listed=20, filtered=20, beside=5, unfinished=15)
        assert streams.asked_by_runs(tx, "shop", "orders", ["r1"]) == 165
        assert streams.asked_by_runs(tx, "shop", "orders", ["r1", "r2"]) == 157
        assert streams.asked_by_runs(tx, "shop", "orders", []) == 0
