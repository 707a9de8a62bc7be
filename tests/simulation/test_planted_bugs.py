"""The checker is checked: every planted bug is found by it, in a history that passes without the bug."""

from __future__ import annotations

import pytest
from simulation.bugs import BUGS
from simulation.history import play
from simulation.hunt import first

#: A seed whose history finds each bug: `simulation.hunt` looks for them.
FOUND = {
    "abandoned_claims_stay": 9,
    "absorbed_again_and_again": 18,
    "claims_without_a_fence": 0,
    "coverage_committed_before_its_page": 3,
    "dead_without_a_gap": 3,
    "deduped_by_event_id_alone": 3,
    "diff_on_the_subject_alone": 7,
    "effect_committed_before_its_mark": 2,
    "floor_is_the_windows_start": 2,
    "frontier_is_the_newest_end": 9,
    "greater_for_greater_or_equal": 27,
    "held_of_a_crashed_run_forgotten": 2,
    "horizon_follows_since": 2,
    "interrupted_windows_are_covered": 30,
    "last_page_never_stored": 3,
    "late_is_not_said": 13,
    "leases_for_everyone": 6,
    "loop_taken_for_the_end": 50,
    "marked_before_its_effect": 2,
    "never_absorbed": 4,
    "no_recall_check": 56,
    "no_settle": 3,
    "old_states_are_delivered": 595,
    "our_clock_for_the_providers": 1,
    "ties_taken_for_repeats": 4,
    "valve_always_open": 28,
    "valve_releases_nothing": 3,
    "versions_of_any_topic_count": 3,
    "watermark_is_the_newest_seen": 25,
    "watermark_without_overlap": 10,
}
#: Where to look on when a change of production code has shifted what that seed draws.
FURTHER = range(60)

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(600)]


def test_every_planted_bug_has_a_seed_that_finds_it():
    """A bug that nobody looks for proves nothing."""
    assert set(FOUND) == set(BUGS)


@pytest.mark.parametrize("name", FOUND)
def test_a_planted_bug_is_found_and_its_history_passes_without_it(name):
    """The mutation proof of C1-C10, C13, C15, H1-H7, H12 and L1."""
    seed = first(BUGS[name], play, (FOUND[name], *FURTHER))
    assert seed is not None, f"no history shows {name} to the checker"
    play(seed)
