"""The checker is checked: every planted bug must be found within so many histories, which pass without it."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from simulation.bugs import BUGS
from simulation.history import Violation, play

#: No bug may hide behind more seeds than these.
SEEDS = range(80)
#: Where each was found when it was planted: tried first, so that finding them all again is quick.
FOUND = {}


def _first_to_find(name):
    for seed in (FOUND.get(name, 0), *SEEDS):
        with ExitStack() as planted:
            BUGS[name](planted)
            try:
                play(seed)
            except Violation as violation:
                return seed, str(violation)
    return None


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found_and_its_history_passes_without_it(name):
    """Anchor A: the mutation proof of C1-C10, C15, H1-H7, H12 and L1."""
    found = _first_to_find(name)
    assert found is not None, f"{name} was not found within {len(SEEDS)} histories"
    play(found[0])
