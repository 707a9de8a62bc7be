"""When requests may start: one rate for a whole source, and pauses that all its threads obey."""

from __future__ import annotations

import threading

from reconcile.clock import Clock, Stop


class RateBudget:
    """At most `rate` requests a second, evenly spaced: a quiet time earns nothing. Thread-safe.

    Starts are promised in advance, one interval apart, so that a thread waking late costs the others nothing.
    A `pause` moves every promise that falls into it behind all the others: its end is not a stampede.
    """

    def __init__(self, rate: float, clock: Clock) -> None:
        if not rate > 0:
            raise ValueError("a rate is more than 0 requests a second")
        self._interval = 1.0 / rate
        self._clock = clock
        self._lock = threading.Lock()
        self._due = clock.monotonic()
        self._quiet_until = self._due

    def acquire(self, stop: Stop | None = None) -> float:
        """Wait for a turn; says how many seconds that took. Raises `Stopped` as soon as `stop` is set."""
        waited = 0.0
        while True:
            start, delay = self._promise()
            if delay > 0:
                self._clock.wait(delay, stop)
                waited += delay
            if start >= self._quiet_until:
                return waited

    def pause(self, seconds: float) -> None:
        """Nobody starts a request for `seconds` from now; a pause under way is never shortened."""
        if not seconds > 0:
            return
        with self._lock:
            until = self._clock.monotonic() + seconds
            self._quiet_until = max(self._quiet_until, until)
            self._due = max(self._due, until)

    def _promise(self) -> tuple[float, float]:
        with self._lock:
            now = self._clock.monotonic()
            start = max(now, self._quiet_until, self._due)
            self._due = max(self._due, start) + self._interval
            return start, start - now
