"""How fast the handler is, and so how many jobs are worth keeping ahead. Pure."""

from __future__ import annotations

_WEIGHT = 0.1  # of the newest call in the mean
_WINDOW_SECONDS = 0.05  # of work to keep in a worker's channel: enough to hide the way there and back
_WINDOW = 16
_AHEAD_SECONDS = 0.5  # of work to keep claimed for each worker: enough that claims are made in batches
_AHEAD = 128
_LEAST = 2


class Pace:
    """A moving mean of call times. Until one is known, a worker gets one job at a time."""

    def __init__(self) -> None:
        self._mean: float | None = None

    def note(self, seconds: float) -> None:
        """One more call took `seconds`."""
        self._mean = seconds if self._mean is None else self._mean + _WEIGHT * (seconds - self._mean)

    def time_for(self, jobs: int) -> float:
        """Seconds that so many jobs will take a worker, 0 if that is not known."""
        return jobs * (self._mean or 0.0)

    @property
    def window(self) -> int:
        """How many jobs a worker may have, the running one included: a job behind a slow one waits for it."""
        return 1 if self._mean is None else 1 + min(_WINDOW, int(_WINDOW_SECONDS / max(self._mean, 1e-6)))

    @property
    def ahead(self) -> int:
        """How many jobs a worker may be claimed for."""
        return _LEAST if self._mean is None else max(_LEAST, min(_AHEAD, int(_AHEAD_SECONDS / max(self._mean, 1e-6))))
