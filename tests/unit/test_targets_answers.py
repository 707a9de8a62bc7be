"""What each status of a handler's URL means: the whole table, so that none changes its mind unnoticed."""

from __future__ import annotations

import pytest

from reconcile.targets.answers import verdict_of
from reconcile.targets.model import Verdict

DEAD_AT_ONCE = {400, 410, 413, 422}
#: With a lost connection and a timeout, what counts towards a pause of the target.
UNREACHABLE = {401, 403, 404, 405, 429, *range(500, 600)}


@pytest.mark.parametrize("hundred", range(1, 6))
def test_only_2xx_is_handled_and_only_four_are_dead_at_once(hundred):
    """H8, H10: every other status is an attempt of its event, or the trouble of the target as a whole."""
    for status in range(hundred * 100, hundred * 100 + 100):
        verdict, error = verdict_of(status)
        if 200 <= status < 300:
            wanted = Verdict.HANDLED
        elif status in DEAD_AT_ONCE:
            wanted = Verdict.REJECTED
        elif status in UNREACHABLE:
            wanted = Verdict.UNREACHABLE
        else:
            wanted = Verdict.FAILED
        assert verdict is wanted, status
        assert bool(error) == (verdict is not Verdict.HANDLED)
