"""Interval algebra over half-open windows. Pure.

Lists of windows are sorted and disjoint wherever a function returns one; any order and overlap is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from reconcile.model import EPOCH, Window


def merge(windows: Iterable[Window]) -> list[Window]:
    """The same instants in as few windows as possible; empty windows vanish."""
    merged: list[Window] = []
    for window in sorted(w for w in windows if w.start < w.end):
        if merged and window.start <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(merged[-1].end, window.end))
        else:
            merged.append(window)
    return merged


def holes(asked: Window, covered: Iterable[Window]) -> list[Window]:
    """What of `asked` no window of `covered` holds."""
    found, at = [], asked.start
    for window in merge(covered):
        if window.end <= at:
            continue
        if window.start >= asked.end:
            break
        if window.start > at:
            found.append(Window(at, window.start))
        at = window.end
    if at < asked.end:
        found.append(Window(at, asked.end))
    return found


def clip(windows: Iterable[Window], to: Window) -> list[Window]:
    """The parts of `windows` that lie in `to`."""
    parts = (
        Window(max(w.start, to.start), min(w.end, to.end)) for w in windows if w.start < to.end and to.start < w.end
    )
    return merge(parts)


def final_part(window: Window, read_at: datetime, overlap: timedelta) -> Window | None:
    """The part of `window` that was read at least `overlap` after it happened; the rest is provisional."""
    end = min(window.end, read_at - overlap)
    return Window(window.start, end) if end > window.start else None


def widen(window: Window, step: timedelta) -> Window:
    """The smallest window of whole steps since 1970 that holds `window`."""
    start = EPOCH + (window.start - EPOCH) // step * step
    end = EPOCH + -((EPOCH - window.end) // step) * step
    return Window(start, end)


def halves(window: Window, step: timedelta) -> tuple[Window, Window] | None:
    """Two windows that tile `window`, cut on a whole step; None if it is too short to cut."""
    middle = EPOCH + ((window.start + (window.end - window.start) / 2) - EPOCH) // step * step
    if not window.start < middle < window.end:
        return None
    return Window(window.start, middle), Window(middle, window.end)
