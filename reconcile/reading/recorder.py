"""What a window being read is made of, and who takes what its pages come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from reconcile.model import Window
from reconcile.reading.judge import Judgement
from reconcile.reading.recall import Recall


@dataclass(slots=True)
class Counts:
    """Listed items by class, as far as no row needs to be kept of them; and what was recorded. `beside` of the filtered
    ones are repeats or lay outside their window.
    """

    listed: int = 0
    already_handled: int = 0
    superseded: int = 0
    filtered: int = 0
    beside: int = 0
    events: int = 0
    unlisted_gaps: int = 0
    gap: int = 0
    backfilled: int = 0
    pending: int = 0

    @property
    def plain(self) -> int:
        """Items of the windows that need no row."""
        return self.already_handled + self.filtered - self.beside

    def add(self, judged: Judgement) -> None:
        """Count a page's items that need no row."""
        self.listed += judged.listed
        self.already_handled += judged.already_handled
        self.filtered += judged.filtered
        self.beside += judged.beside


@dataclass(slots=True)
class OpenWindow:
    """A window being read. `seen` is every item it listed, `cursor` where an earlier run left off.

    For a part of a window that was cut, `seen` holds what that one listed as well, and `again` the ids of its own.

    `read_at` is provider time when its listing began; `counts` are not written yet. `unfinished` are plain items that
    were written, and would be listed anew after a kill.
    """

    window: Window
    read_at: datetime
    cursor: str | None = None
    pages: int = 0
    items: int = 0
    seen: set[tuple[str, int]] = field(default_factory=set)
    again: set[str] | None = None
    counts: Counts = field(default_factory=Counts)
    unfinished: int = 0


class Recorder(Protocol):
    """Takes what pages came to. Called from every thread of a stream. `incomplete` are windows whose listing lacked
    what the provider still has.
    """

    incomplete: list[Window]

    def page(self, opened: OpenWindow, judged: Judgement, cursor: str | None, recalled: Recall | None) -> None:
        """Write one page down; `recalled` is set with a window's last page and decides whether it is covered."""
        ...

    def leave(self, opened: OpenWindow) -> None:
        """A window is left before its end: keep what was counted."""
        ...
