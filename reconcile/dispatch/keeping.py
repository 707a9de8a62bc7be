"""Keeping claims: a dispatcher's own are renewed, those that nobody keeps any more are looked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from reconcile.clock import Clock
from reconcile.config import SourceConfig
from reconcile.ledger import abandoned
from reconcile.ledger.ledger import Tx

#: Seconds between two looks for abandoned claims.
SWEEP_EVERY = 5.0
_RENEW_EVERY = abandoned.RENEW_EVERY.total_seconds()

log = logging.getLogger(__name__)


class Keeper:
    """Does either when it is due, and knows when that is."""

    def __init__(self, source: SourceConfig, owner: str, clock: Clock) -> None:
        self._source = source
        self._owner = owner
        self._clock = clock
        self._renewed = self._sweep_at = clock.monotonic()

    def due_in(self) -> float:
        """Seconds until abandoned claims are looked for again."""
        return max(0.0, self._sweep_at - self._clock.monotonic())

    def is_due(self, *, holding: bool) -> bool:
        """Whether there is something to do, for one that holds claims or none."""
        now = self._clock.monotonic()
        return now >= self._sweep_at or (holding and now >= self._renewed + _RENEW_EVERY)

    def renew(self, tx: Tx, fences: Callable[[], Mapping[int, int]]) -> None:
        """Prolong our own if it is time; `fences` gives them, `{seq: fence}`."""
        now = self._clock.monotonic()
        # Before a sweep in any case: it would take our own claims if a long lock kept us from renewing them.
        if now < self._sweep_at and now < self._renewed + _RENEW_EVERY:
            return
        lost = abandoned.renew(tx, self._owner, fences())
        self._renewed = now
        if lost:
            log.warning("%s: another dispatcher took over %d claims", self._source.name, len(lost))

    def sweep(self, tx: Tx) -> int:
        """Put abandoned ones back, if it is time; how many."""
        now = self._clock.monotonic()
        if now < self._sweep_at:
            return 0
        self._sweep_at = now + SWEEP_EVERY
        return abandoned.sweep(tx, self._source.name, self._source.retry)
