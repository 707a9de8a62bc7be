"""Gathering: outcomes that come back close together are marked in one commit."""

from __future__ import annotations

from reconcile.clock import Clock
from reconcile.targets.model import Outcome, Target

#: Seconds that outcomes are gathered for while more calls run.
LINGER = 0.05
#: The same where every one was marked by the target itself, so that only new claims wait for it.
LINGER_MARKED = 0.15


def gather(target: Target, known: list[Outcome], wait: float, enough: int, clock: Clock) -> None:
    """Add to `known` what comes back: wait for the first outcome, and briefly until there are `enough`."""
    if not target.in_flight():
        return
    known += target.outcomes(wait)
    began = clock.monotonic()
    while known and target.in_flight() and len(known) < enough:
        linger = LINGER_MARKED if all(outcome.marked for outcome in known) else LINGER
        left = began + linger - clock.monotonic()
        more = list(target.outcomes(left)) if left > 0 else []
        if not more:
            break
        known += more
