"""The only place that asks what time it is.

Instants are aware UTC datetimes; durations are measured on a monotonic clock, in seconds.
Everything that waits, waits here, so that a stop ends every sleep and a simulation needs none.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from reconcile.errors import Stopped

#: A clock that is further than this from a provider's: windows and leases still work, but somebody should look.
SKEW_NOTED = timedelta(seconds=30)
#: Seconds between looks for a stop that was asked for in the one moment in which it wakes nobody.
_LOOK = 1.0


class Stop:
    """A request to stop, looked at between pages and waking every sleep. `exit_code` is 130 or 143 once a signal
    set it.

    A signal's handler sets it in the main thread, wherever that is: a `threading.Event`, whose lock the thread it
    interrupts may hold, would never be set.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition(threading.RLock())
        self._set = False
        self.exit_code = 143

    def set(self, exit_code: int = 143) -> None:
        """Ask everything that shares this object to stop."""
        self.exit_code = exit_code
        with self._condition:
            self._set = True
            self._condition.notify_all()

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._set

    def wait(self, seconds: float) -> bool:
        """Sleep, or wake at once when asked to stop; says whether it was."""
        until = time.monotonic() + seconds
        with self._condition:
            while not self._set and (left := until - time.monotonic()) > 0:
                # Set by a handler that interrupts us right here, nobody would wake us.
                self._condition.wait(min(left, _LOOK))
        return self._set

    def check(self) -> None:
        """Raise `Stopped` if a stop was asked for."""
        if self.is_set():
            raise Stopped("stopped by a signal; what was committed stays, run again to go on")


class Clock(Protocol):
    """What time it is, and how to wait."""

    def now(self) -> datetime:
        """The current instant, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        ...

    def wait(self, seconds: float, stop: Stop | None = None) -> None:
        """Sleep `seconds`; raises `Stopped` as soon as `stop` is set."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current instant, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        return time.monotonic()

    def wait(self, seconds: float, stop: Stop | None = None) -> None:
        """Sleep `seconds`; raises `Stopped` as soon as `stop` is set."""
        if stop is None:
            time.sleep(max(0.0, seconds))
        elif stop.wait(seconds):
            stop.check()
