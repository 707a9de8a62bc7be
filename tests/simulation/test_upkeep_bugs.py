"""The checkers of upkeep are checked: every planted bug is found, in a history that passes without the bug."""

from __future__ import annotations

import pytest
from simulation.hunt import first
from simulation.upkeep.bugs import BUGS
from simulation.upkeep.history import play

#: A seed whose history finds each bug: `simulation.hunt --upkeep` looks for them.
FOUND = {
    "a_dry_run_mends": 2,
    "a_refused_address_counts_as_reached": 17,
    "age_brings_in_nobody": 0,
    "amounts_are_not_compared": 0,
    "answers_are_applied_without_reading_again": 1,
    "answers_are_events_of_their_own": 0,
    "answers_reach_no_handler": 21,
    "attempts_are_forgotten": 34,
    "claims_on_transactions_without_a_fence": 0,
    "disabled_is_as_good_as_enabled": 3,
    "each_copy_has_an_id_of_its_own": 0,
    "ends_are_taken_back_in_silence": 3,
    "everybody_gets_it_again": 13,
    "gaps_are_nobodys_business": 0,
    "given_up_in_another_commit": 0,
    "ladders_begin_when_a_runner_does": 0,
    "ladders_never_end": 0,
    "made_again_without_a_list": 12,
    "mail_that_does_not_leave_is_let_go": 0,
    "marked_as_sent_before_it_is": 0,
    "narrowed_is_taken_for_whole": 2,
    "open_matters_are_told_once_and_no_more": 5,
    "purge_takes_the_keys_too": 7,
    "purge_takes_what_is_open": 1,
    "recovery_is_not_told": 2,
    "secret_is_kept_after_it_counts": 2,
    "somebody_elses_subscription_is_moved_to_us": 2,
    "the_third_party_is_not_asked": 0,
    "told_is_forgotten": 0,
    "two_runners_send_at_once": 0,
    "unknown_means_failed": 0,
    "what_cannot_be_mended_is_not_said": 38,
}
#: Where to look on when a change of production code has shifted what that seed draws.
FURTHER = range(40)

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(600)]


def test_every_planted_bug_of_upkeep_has_a_seed_that_finds_it():
    """A bug that nobody looks for proves nothing."""
    assert set(FOUND) == set(BUGS)


@pytest.mark.parametrize("name", FOUND)
def test_a_planted_bug_of_upkeep_is_found_and_its_history_passes_without_it(name):
    """The mutation proof of P1-P5, S1-S6, A1-A6, L5 and H2."""
    seed = first(BUGS[name], play, (FOUND[name], *FURTHER))
    assert seed is not None, f"no history shows {name} to the checkers"
    play(seed)
