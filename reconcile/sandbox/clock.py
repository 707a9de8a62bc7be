"""A clock that moves only when told to."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from reconcile.clock import Stop


class SettableClock:
    """A `reconcile.clock.Clock` for simulations: waiting moves it on at once, nothing else does.

    `monotonic()` counts forward moves only, so `set()` may jump back like an adjusted wall clock.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware instant")
        self._now = start
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The current instant, UTC."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps back."""
        with self._lock:
            return self._elapsed

    def wait(self, seconds: float, stop: Stop | None = None) -> None:
        """Let `seconds` pass at once; raises `Stopped` if `stop` is set."""
        if stop is not None:
            stop.check()
        self.advance(max(0.0, seconds))

    def advance(self, seconds: float) -> None:
        """Let `seconds` (of 0 or more) pass."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._elapsed += seconds

    def set(self, when: datetime) -> None:
        """Jump to `when`, forward or back."""
        with self._lock:
            self._elapsed += max(0.0, (when - self._now).total_seconds())
            self._now = when
