"""Clocks that move only when told to, or until told to."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from reconcile.clock import Clock, Stop


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


class JoiningClock(SettableClock):
    """Moves only when told to until `join`; from then on it is the `real` clock, and cannot be set any more.

    A fake provider gets its history in a moment, and then serves clients that live in the present.
    """

    def __init__(self, start: datetime, real: Clock) -> None:
        super().__init__(start)
        self._real = real
        self._joined: float | None = None

    def join(self) -> None:
        """Jump to the present and go on with it."""
        self.set(self._real.now())
        self._joined = self._real.monotonic()

    def now(self) -> datetime:
        """The current instant, UTC."""
        return super().now() if self._joined is None else self._real.now()

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps back."""
        since = 0.0 if self._joined is None else self._real.monotonic() - self._joined
        return super().monotonic() + since

    def wait(self, seconds: float, stop: Stop | None = None) -> None:
        """Let `seconds` pass: at once before `join`, really after it; raises `Stopped` if `stop` is set."""
        if self._joined is None:
            super().wait(seconds, stop)
        else:
            self._real.wait(seconds, stop)
