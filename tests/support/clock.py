"""A clock that moves only when someone waits or a test says so."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from reconcile.clock import Stop

START = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)


class ManualClock:
    """Virtual time: whoever waits moves it on, and no one really sleeps. Threads' waits add up.

    `waits` is every wait asked for, in seconds, in order.
    """

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = 0.0
        self._lock = threading.Lock()
        self.waits: list[float] = []

    def now(self) -> datetime:
        """The current instant, UTC."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Seconds since the clock was made; `jump` does not touch it."""
        return self._elapsed

    def wait(self, seconds: float, stop: Stop | None = None) -> None:
        """Let `seconds` pass; raises `Stopped` if `stop` is set, before they do."""
        if stop is not None:
            stop.check()
        with self._lock:
            self.waits.append(seconds)
            self._elapsed += max(0.0, seconds)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass without anyone waiting, as a slow answer does."""
        with self._lock:
            self._elapsed += seconds

    def jump(self, by: timedelta) -> None:
        """Set the wall clock forward or back; durations do not notice."""
        self._start += by
