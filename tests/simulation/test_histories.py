"""Whole histories through production code, judged by a checker that sees truth, effects and the ledger alone.

`RECONCILE_SIMULATION_SEED=17 pytest tests/simulation -k one_seed -s` plays one history again and prints its trace.
"""

from __future__ import annotations

import pytest
from simulation.history import play
from simulation.seeds import chunks, tells_the_same_twice

EACH = 5
ALWAYS = 2  # chunks of the README's command; CI runs the others too
SWEEP = 10_000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chunk", chunks(ALWAYS))
def test_a_chunk_of_seeded_histories_loses_and_doubles_nothing(chunk):
    """C1-C6, C10, C13, C15, H1-H7, H12, L1, L3: under losses, repeats, crashes, races and drift, nothing unreported."""
    for seed in range(chunk * EACH, (chunk + 1) * EACH):
        play(seed)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("chunk", range(SWEEP // 500))
def test_a_long_sweep_of_histories_loses_and_doubles_nothing(chunk):
    """The same over ten thousand seeds more."""
    for seed in range(100_000 + chunk * 500, 100_000 + (chunk + 1) * 500):
        play(seed)


def test_one_seed_is_played_again_with_its_trace(capsys):
    """A history depends on nothing but its seed: the same trace comes twice."""
    assert tells_the_same_twice(play, 0, capsys)
