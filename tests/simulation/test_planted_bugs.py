"""The checker is checked: every planted bug is found by it, in a history that passes without the bug."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from simulation.bugs import BUGS
from simulation.history import Violation, play

#: A seed whose history finds each bug.
FOUND = {
    "abandoned_claims_stay": 9,
    "claims_without_a_fence": 0,
    "dead_without_a_gap": 0,
    "deduped_by_event_id_alone": 1,
    "effect_committed_before_its_mark": 0,
    "floor_is_the_windows_start": 2,
    "frontier_is_the_newest_end": 9,
    "held_of_a_crashed_run_forgotten": 0,
    "last_page_never_stored": 0,
    "late_is_not_said": 0,
    "leases_for_everyone": 0,
    "marked_before_its_effect": 0,
    "never_absorbed": 1,
    "no_settle": 8,
    "old_states_are_delivered": 8,
    "our_clock_for_the_providers": 1,
    "valve_always_open": 8,
    "valve_releases_nothing": 0,
    "versions_of_any_topic_count": 2,
    "watermark_without_overlap": 6,
}

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(600)]


def test_every_planted_bug_has_a_seed_that_finds_it():
    """A bug that nobody looks for proves nothing."""
    assert set(FOUND) == set(BUGS)


@pytest.mark.parametrize("name", FOUND)
def test_a_planted_bug_is_found_and_its_history_passes_without_it(name):
    """The mutation proof of C1-C10, C13, C15, H1-H7, H12 and L1."""
    play(FOUND[name])
    with ExitStack() as planted:
        BUGS[name](planted)
        with pytest.raises(Violation):
            play(FOUND[name])
