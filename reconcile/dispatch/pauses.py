"""When a target as a whole fails: who counts, when it is paused, and the one probe a minute.

Only the ledger knows, so that every dispatcher of a source agrees; ask and tell within one write transaction.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from reconcile.ledger import targets
from reconcile.ledger.ledger import Tx
from reconcile.ledger.targets import FAILING

#: So many different subjects in a row must fail to reach the target.
SUBJECTS_IN_A_ROW = 5
PROBE_EVERY = timedelta(seconds=60)


class Health:
    """One source's target, as a commit sees it."""

    def __init__(self, tx: Tx, source: str) -> None:
        self._tx = tx
        self._source = source
        self._state = targets.get(tx, source)

    @property
    def paused(self) -> bool:
        """Whether deliveries are paused."""
        return bool(self._state.paused)

    @property
    def ends_by_itself(self) -> bool:
        """Whether deliveries go on without a person: a pause by hand is not probed."""
        return self._state.paused in {"", FAILING}

    def next_try(self) -> datetime:
        """When the target may be called: now, or at its next probe."""
        return max(self._state.probe_at or self._tx.now, self._tx.now)

    def allows(self, wanted: int) -> int:
        """How many events may be claimed now: as many as wanted, one probe when its minute has come, or none."""
        if not self.paused:
            return wanted
        return min(wanted, 1) if self.ends_by_itself and self.next_try() <= self._tx.now else 0

    def probing(self) -> None:
        """A probe is on its way: the next one comes a minute later."""
        targets.schedule_probe(self._tx, self._source, self._tx.now + PROBE_EVERY)
        self._state = targets.get(self._tx, self._source)

    def reached(self) -> None:
        """The target answered, be it with an error of its own: the row of failures is broken, and so is a pause
        that nobody made by hand.
        """
        if self._state.failing or self._state.paused == FAILING:
            targets.note_success(self._tx, self._source)
            self._state = targets.get(self._tx, self._source)

    def unreachable(self, subject: str, error: str) -> None:
        """The target could not be reached for `subject`; the fifth different one in a row pauses it."""
        if self.paused:
            return
        if targets.note_failure(self._tx, self._source, subject) >= SUBJECTS_IN_A_ROW:
            reason = f"{SUBJECTS_IN_A_ROW} subjects in a row could not be delivered, last: {error}"
            targets.pause(self._tx, self._source, FAILING, reason, self._tx.now + PROBE_EVERY)
        self._state = targets.get(self._tx, self._source)
