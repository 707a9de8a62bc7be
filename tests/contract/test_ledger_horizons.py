"""Horizons: set when a topic is first seen, moved by a baseline only."""

from __future__ import annotations

from datetime import timedelta

from support.ledgers import minutes

from reconcile.ledger import horizons


def test_first_sight_sets_only_what_is_missing(ledger):
    """A later run never moves a horizon; a new topic gets its own."""
    with ledger.write() as tx:
        horizons.first_sight(tx, "shop", ["a"], minutes(0), "first_run")
        found = horizons.first_sight(tx, "shop", ["a", "b"], minutes(5), "since")
    assert found == {"a": minutes(0), "b": minutes(5)}


def test_baseline_moves(ledger):
    """`set_` replaces the instant of the topics named, and of no others."""
    with ledger.write() as tx:
        horizons.first_sight(tx, "shop", ["a", "b"], minutes(0), "first_run")
        horizons.first_sight(tx, "other", ["a"], minutes(1), "first_run")
        horizons.set_(tx, "shop", ["a", "c"], minutes(9), "baseline")
        assert horizons.get(tx, "shop") == {"a": minutes(9), "b": minutes(0), "c": minutes(9)}
        assert horizons.get(tx, "other") == {"a": minutes(1)}


def test_a_source_without_topics_has_no_horizons(ledger):
    """A source without topics has no horizons, and asking for none is fine."""
    with ledger.write() as tx:
        horizons.set_(tx, "shop", [], minutes(0), "baseline")
        assert horizons.first_sight(tx, "shop", [], minutes(0), "first_run") == {}


def test_a_first_sight_promises_from_the_next_whole_second(ledger):
    """Providers tell seconds: what happened in one that has begun may have come before. What was asked for is exact."""
    begun, half = minutes(0), minutes(0) + timedelta(milliseconds=500)
    with ledger.write() as tx:
        assert horizons.first_sight(tx, "a", ["t"], half, "daemon") == {"t": begun + timedelta(seconds=1)}
        assert horizons.first_sight(tx, "b", ["t"], begun, "first_run") == {"t": begun}
        assert horizons.first_sight(tx, "c", ["t"], half, "since") == {"t": half}


def test_a_baseline_brings_back_keys_from_its_own_beginning_on_only(ledger):
    """L5: moving the horizons does not hide that what came before was purged."""
    with ledger.write() as tx:
        horizons.first_sight(tx, "shop", ["a"], minutes(0), "since")
        horizons.raise_to(tx, "shop", minutes(50))
        horizons.forgot(tx, "shop", minutes(50))
        horizons.set_(tx, "shop", ["a"], minutes(80), "baseline")
        assert horizons.get(tx, "shop") == {"a": minutes(80)}
        assert horizons.purged(tx, "shop") == minutes(50)
        horizons.set_(tx, "shop", ["a"], minutes(20), "baseline")
        assert horizons.purged(tx, "shop") == minutes(20)
        assert horizons.purged(tx, "other") is None
