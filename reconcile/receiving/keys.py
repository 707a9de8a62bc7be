"""The secrets a source's deliveries may be signed with: the configured ones, and those the ledger keeps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

#: Seconds between two reads because a signature was refused: forged deliveries must not cost a read each.
ASK_EVERY = 1.0
#: Seconds after which what was read is read again, so that a secret that was given up is not accepted for ever.
LASTS = 60.0


class Keys:
    """`kept` reads what the ledger keeps, in the clear; it may block, and raise `LedgerError`."""

    def __init__(
        self, configured: Sequence[str], kept: Callable[[], Sequence[str]] | None, monotonic: Callable[[], float]
    ) -> None:
        self._configured = tuple(configured)
        self._kept = kept
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self.all = self._configured

    def due(self, *, refused: bool) -> bool:
        """Whether `renew` would read: a signature was refused, or what is known of the ledger is old."""
        if self._kept is None:
            return False
        if self._read_at is None:
            return refused
        age = self._monotonic() - self._read_at
        return age >= (ASK_EVERY if refused else LASTS) and (refused or len(self.all) > len(self._configured))

    def renew(self) -> bool:
        """Read what the ledger keeps now; whether that changed anything."""
        with self._lock:
            before = self.all
            if self._kept is not None:
                self._read_at = self._monotonic()
                self.all = (*self._configured, *self._kept())
            return self.all != before
