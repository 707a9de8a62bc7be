"""The interval algebra that coverage stands on."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reconcile.model import EPOCH, Window
from reconcile.windows import clip, final_part, halves, holes, merge, widen

SECOND = timedelta(seconds=1)


def at(number: int):
    return EPOCH + number * SECOND


@st.composite
def windows(draw):
    start = draw(st.integers(0, 60))
    return Window(at(start), at(start + draw(st.integers(0, 20))))


def instants(some) -> set[int]:
    return {n for n in range(100) if any(at(n) in window for window in some)}


@given(st.lists(windows()))
def test_merge_keeps_every_instant_and_no_other(some):
    """C5: merged windows hold the same instants, sorted and disjoint."""
    merged = merge(some)
    assert instants(merged) == instants(some)
    assert all(one.end < two.start for one, two in pairwise(merged))


@given(windows(), st.lists(windows()))
def test_holes_and_what_is_covered_tile_what_was_asked(asked, covered):
    """C5, C13: an instant asked for is either covered or in exactly one hole."""
    found = holes(asked, covered)
    assert instants(found) == instants([asked]) - instants(covered)
    assert merge(found) == found


@given(windows(), st.lists(windows()))
def test_clip_is_what_both_have(to, some):
    """C5: clipping keeps the common instants only."""
    assert instants(clip(some, to)) == instants(some) & instants([to])


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(1, 90))
def test_widening_never_loses_an_instant_and_lands_on_whole_steps(start, length, step):
    """C5: a request is widened to the provider's resolution, never narrowed."""
    micro = timedelta(microseconds=1)
    window = Window(EPOCH + start * micro, EPOCH + (start + length) * micro)
    wide = widen(window, timedelta(milliseconds=step))
    assert wide.start <= window.start
    assert wide.end >= window.end
    assert (wide.start - EPOCH) % timedelta(milliseconds=step) == timedelta(0)
    assert (wide.end - EPOCH) % timedelta(milliseconds=step) == timedelta(0)
    assert window.start - wide.start < timedelta(milliseconds=step)


@given(windows(), st.integers(0, 100), st.integers(0, 30))
def test_only_what_was_read_late_enough_is_final(window, read_at, overlap):
    """C4: an instant is final when it was read at least the overlap after it."""
    part = final_part(window, at(read_at), overlap * SECOND)
    final = {n for n in instants([window]) if n + overlap < read_at}
    assert instants([part] if part else []) == final


@given(windows())
def test_halves_tile_the_window_or_say_that_it_cannot_be_cut(window):
    """C6: a window is cut on a whole second, so that ties stay together."""
    parts = halves(window, SECOND)
    if window.seconds < 2:
        assert parts is None
    else:
        one, two = parts
        assert (one.start, one.end, two.end) == (window.start, two.start, window.end)
        assert one.seconds > 0
        assert two.seconds > 0
