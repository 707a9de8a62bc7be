"""Which window to read next: newest first, about twenty pages each, by the density seen so far. No I/O.

Newest first, because an object that changed since is listed in a later window: having read that one already, the
recall check of the older window need not ask for it by id.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import timedelta

from reconcile.model import Window
from reconcile.windows import halves, holes, merge, widen

PAGES_PER_WINDOW = 20
FIRST = timedelta(days=1)
#: How much longer than the last window the next may be: an empty day says little about the day before it.
GROWTH = 8
#: A century is longer than any provider remembers, and keeps the arithmetic within what dates can be.
LONGEST = timedelta(days=36_500)


class Tiler:
    """Hands out windows that tile what is to be read. Shared by the threads of a stream.

    `density` is items per second of provider time, 0 if unknown; `step` is the stream's resolution.
    """

    def __init__(self, asked: Iterable[Window], *, page_size: int, step: timedelta, density: float = 0.0) -> None:
        self._left = merge(asked)
        self._again: list[Window] = []
        self._step = step
        self._target = page_size * PAGES_PER_WINDOW
        self._density = density
        self._length = self._by_density() if density > 0 else FIRST
        self._lock = threading.Lock()

    @property
    def density(self) -> float:
        """Items per second of provider time, as seen so far."""
        return self._density

    @property
    def most_pages(self) -> int:
        """How many pages a window may have before it is worth cutting."""
        return PAGES_PER_WINDOW * 3

    def next(self) -> Window | None:
        """The next window to read, None when all are handed out."""
        with self._lock:
            if self._again:
                return self._again.pop()
            if not self._left:
                return None
            newest = self._left.pop()
            start = max(newest.start, newest.end - self._length)
            if start > newest.start:
                # Cut on a whole step: a request is widened to it, and two windows should not both ask for the rest.
                start = max(newest.start, widen(Window(start, newest.end), self._step).start)
            if start > newest.start:
                self._left.append(Window(newest.start, start))
            return Window(start, newest.end)

    def skip(self, windows: Iterable[Window]) -> None:
        """Never hand these out: somebody reads them already."""
        taken = list(windows)
        with self._lock:
            self._left = [part for left in self._left for part in holes(left, taken)]

    def note(self, window: Window, items: int) -> None:
        """Learn from a window that was read: the next ones are sized by it."""
        if window.seconds <= 0:
            return
        with self._lock:
            seen = items / window.seconds
            self._density = seen if self._density == 0 else (self._density + seen) / 2
            grown = min(self._length * GROWTH, LONGEST)
            self._length = min(grown, self._by_density()) if self._density > 0 else grown

    def cut(self, window: Window) -> bool:
        """Give a window that turned out too dense back as two; False if it cannot be cut any finer."""
        parts = halves(window, self._step)
        if parts is None:
            return False
        with self._lock:
            self._again.extend(parts)
            self._length = min(self._length, timedelta(seconds=max(parts[0].seconds, 1.0)))
        return True

    def _by_density(self) -> timedelta:
        seconds = self._target / self._density if self._density > 0 else FIRST.total_seconds()
        return timedelta(seconds=min(max(seconds, self._step.total_seconds(), 1.0), LONGEST.total_seconds()))
