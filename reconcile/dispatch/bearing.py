"""How long a dispatcher bears a ledger that cannot be written."""

from __future__ import annotations

from reconcile.clock import Clock
from reconcile.errors import LedgerError
from reconcile.ledger.errors import passes

#: Seconds, beyond one call's timeout, that the ledger may refuse to be written.
LOCKED_GRACE = 5.0
#: Seconds between two tries: some trouble, such as a full disk, is said at once.
PAUSE = 0.1


class Patience:
    """`longest` is how many seconds a handler's own transaction may keep the ledger: as long as a call may last."""

    def __init__(self, longest: float, clock: Clock) -> None:
        self._longest = longest + LOCKED_GRACE
        self._clock = clock
        self._since: float | None = None

    def bear(self, error: LedgerError, *, in_hand: bool) -> None:
        """Somebody who writes is waited for. While something is `in_hand`, so is the end of any other trouble: a server
        that restarts must not cost us what came back. After that the error is raised.
        """
        now = self._clock.monotonic()
        since = now if self._since is None else self._since
        if now - since > self._longest or not (in_hand or passes(error)):
            raise error
        self._since = since
        self._clock.wait(PAUSE)

    def restore(self) -> None:
        """It could be written."""
        self._since = None
