"""What is counted where it happens. The core tells a `Metrics`, which by default forgets it; nothing here is global.

What the ledger knows (gaps, coverage, runs, …) is not told here: it is read when it is asked for.
"""

from __future__ import annotations

from typing import Protocol


class Metrics(Protocol):
    """Told from any thread; must be quick, and must never raise."""

    def received(self, source: str, topic: str, how: str) -> None:
        """A delivery was stored and answered 2xx; `how` as `inbox.How` names it."""
        ...

    def refused(self, source: str, reason: str, topic: str) -> None:
        """A delivery was answered something else; `topic` is empty unless it was genuine."""
        ...

    def called(self, source: str, topic: str, outcome: str, seconds: float) -> None:
        """A handler was called for an event; `outcome` as `targets.Verdict` names it."""
        ...

    def requested(self, source: str, code: str) -> None:
        """A provider was asked once and answered `code`, `error` if it did not."""
        ...

    def waited(self, source: str, seconds: float) -> None:
        """A request waited so long for the source's rate."""
        ...

    def skewed(self, source: str, seconds: float) -> None:
        """Our clock is so far ahead of the provider's."""
        ...


class Unmeasured:
    """Forgets everything."""

    def received(self, source: str, topic: str, how: str) -> None:
        """Nothing."""

    def refused(self, source: str, reason: str, topic: str) -> None:
        """Nothing."""

    def called(self, source: str, topic: str, outcome: str, seconds: float) -> None:
        """Nothing."""

    def requested(self, source: str, code: str) -> None:
        """Nothing."""

    def waited(self, source: str, seconds: float) -> None:
        """Nothing."""

    def skewed(self, source: str, seconds: float) -> None:
        """Nothing."""
