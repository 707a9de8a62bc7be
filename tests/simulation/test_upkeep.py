"""Whole histories of subscriptions, status checks, alerts and purge, judged by checkers that see truth, effects, the
mailbox and the ledger alone.

`RECONCILE_SIMULATION_SEED=17 pytest tests/simulation/test_upkeep.py -k one_seed -s` plays one again, with its trace.
"""

from __future__ import annotations

import pytest
from simulation.seeds import chunks, tells_the_same_twice
from simulation.upkeep.history import play

EACH = 2
ALWAYS = 1  # chunks of the README's command; CI runs the others too
SWEEP = 5_000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chunk", chunks(ALWAYS))
def test_a_chunk_of_histories_of_upkeep_keeps_every_promise(chunk):
    """P1-P5, S1-S6, A1-A6, L5, H2, H12: whatever providers, mail servers, meddlers and crashes do meanwhile."""
    for seed in range(chunk * EACH, (chunk + 1) * EACH):
        play(seed)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("chunk", range(SWEEP // 250))
def test_a_long_sweep_of_histories_of_upkeep_keeps_every_promise(chunk):
    """The same over thousands of seeds more."""
    for seed in range(100_000 + chunk * 250, 100_000 + (chunk + 1) * 250):
        play(seed)


def test_one_seed_of_upkeep_is_played_again_with_its_trace(capsys):
    """A history depends on nothing but its seed: the same trace comes twice."""
    assert tells_the_same_twice(play, 1, capsys)
