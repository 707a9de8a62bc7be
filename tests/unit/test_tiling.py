"""Which window is read next."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconcile.model import EPOCH, Window
from reconcile.reading.tiling import FIRST, PAGES_PER_WINDOW, Tiler
from reconcile.windows import merge

SECOND = timedelta(seconds=1)
YEAR = Window(EPOCH, EPOCH + timedelta(days=365))


@given(st.lists(st.integers(0, 400), min_size=1), st.floats(0, 100), st.data())
def test_the_windows_handed_out_tile_what_was_asked(starts, density, data):
    """C3, C5: whatever density is learned and whatever is cut again, every instant is handed out exactly once."""
    asked = merge(Window(EPOCH + s * 3600 * SECOND, EPOCH + (s + 1) * 3600 * SECOND) for s in starts)
    tiler = Tiler(asked, page_size=100, step=SECOND, density=density)
    taken = []
    while (window := tiler.next()) is not None and len(taken) < 2000:
        if data.draw(st.booleans()) and window.seconds > 2 and tiler.cut(window):
            continue
        tiler.note(window, data.draw(st.integers(0, 5000)))
        taken.append(window)
        if len(taken) > 50:  # enough was drawn at random: let the rest be handed out in long pieces
            tiler._length = timedelta(days=400)
    assert merge(taken) == asked
    assert sum(w.seconds for w in taken) == sum(w.seconds for w in asked)


def test_a_known_density_sizes_windows_to_about_twenty_pages():
    """L2: at most some twenty pages are read again after a crash."""
    tiler = Tiler([YEAR], page_size=100, step=SECOND, density=1.0)
    assert tiler.next().seconds == 100 * PAGES_PER_WINDOW


def test_empty_time_is_crossed_in_growing_steps():
    """Two empty years cost a handful of requests, not seven hundred."""
    tiler = Tiler([Window(EPOCH, EPOCH + timedelta(days=730))], page_size=100, step=SECOND)
    requests = 0
    while (window := tiler.next()) is not None:
        tiler.note(window, 0)
        requests += 1
    assert requests <= 5


def test_many_empty_stretches_make_no_window_longer_than_dates_go():
    """C3: each empty one lets the next be longer, and there may be any number of them."""
    hours = [Window(EPOCH + hour * 7200 * SECOND, EPOCH + (hour * 7200 + 3600) * SECOND) for hour in range(50)]
    tiler = Tiler(hours, page_size=100, step=SECOND)
    taken = []
    while (window := tiler.next()) is not None:
        tiler.note(window, 0)
        taken.append(window)
    assert merge(taken) == hours


def test_the_newest_stretch_comes_first():
    """C10: what moved on is seen in its newer window before the older one is checked."""
    tiler = Tiler([YEAR], page_size=100, step=SECOND)
    first, second = tiler.next(), tiler.next()
    assert first.end == YEAR.end
    assert first.seconds == FIRST.total_seconds()
    assert second.end == first.start


def test_a_second_that_cannot_be_cut_is_said_so():
    """C6: a tie larger than any window is read as it is."""
    tiler = Tiler([], page_size=100, step=SECOND)
    assert not tiler.cut(Window(EPOCH, EPOCH + SECOND))


def test_windows_read_elsewhere_are_not_handed_out():
    """L2: a window resumed from its checkpoint is not read twice."""
    tiler = Tiler([YEAR], page_size=100, step=SECOND, density=0.00001)
    tiler.skip([Window(EPOCH + timedelta(days=100), YEAR.end)])
    assert tiler.next() == Window(EPOCH, EPOCH + timedelta(days=100))
    assert tiler.next() is None
