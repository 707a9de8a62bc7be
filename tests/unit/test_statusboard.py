"""The board of `reconcile status`."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.cli import status
from reconcile.cli.output import Output
from reconcile.logs import Redactor
from reconcile.model import Window
from reconcile.operator.bar import CELLS, FINAL, HOLE, PROVISIONAL, bar
from reconcile.operator.board import StreamStatus

START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = st.integers(0, 400).map(lambda hours: START + timedelta(hours=hours))
WINDOWS = st.lists(st.tuples(HOURS, HOURS).map(sorted).map(lambda pair: Window(*pair)), max_size=8)
ASKED = Window(START, START + timedelta(hours=400))


def hours(first, last):
    return Window(START + timedelta(hours=first), START + timedelta(hours=last))


@given(WINDOWS, WINDOWS)
def test_a_cell_never_claims_more_than_is_read(covered, proven):
    """A cell is final only if every instant of it is, and provisional only if every instant was read (C3)."""
    covered = [*covered, *proven]
    drawn = bar(ASKED, covered, proven)
    assert len(drawn) == CELLS
    newest = max((window.end for window in covered if window.seconds), default=ASKED.start)
    half = timedelta(hours=5)
    end = newest if ASKED.start < newest and ASKED.end - newest < half else ASKED.end
    for place, cell in enumerate(drawn):
        edges = [ASKED.start + (end - ASKED.start) * (place + step / 16) / CELLS for step in range(16)]
        for read, sign in ((proven, FINAL), (covered, PROVISIONAL)):
            if cell == sign:
                assert all(any(edge in window for window in read) for edge in edges)


def test_a_hole_in_the_middle_shows():
    """Four hundred hours in forty cells, ten hours each: what was not read is a dot."""
    drawn = bar(ASKED, [hours(0, 200), hours(220, 400)], [hours(0, 200), hours(220, 390)])
    assert drawn == FINAL * 20 + HOLE * 2 + FINAL * 17 + PROVISIONAL


def test_the_smallest_hole_takes_its_whole_cell():
    """One unread hour is not hidden by the nine beside it."""
    drawn = bar(ASKED, [hours(0, 101), hours(102, 400)], [hours(0, 101), hours(102, 400)])
    assert drawn == FINAL * 10 + HOLE + FINAL * 29


def test_time_too_new_to_fill_half_a_cell_is_left_out():
    """A run a moment ago shows no hole at the end; one some cells ago does."""
    assert HOLE not in bar(ASKED, [hours(0, 397)], [hours(0, 397)])
    assert bar(ASKED, [hours(0, 370)], [hours(0, 370)]) == FINAL * 37 + HOLE * 3


def test_nothing_read_is_all_holes():
    """A stream that was never read has nothing to show for itself."""
    assert bar(ASKED, [], []) == HOLE * CELLS


@pytest.mark.parametrize(("columns", "beside"), [("200", 24), ("60", 17), ("55", 12)])
def test_a_bar_stands_in_one_line_of_a_narrow_terminal(monkeypatch, columns, beside):
    """Broken in two it shows nothing: the room for a name gives way."""
    monkeypatch.setenv("COLUMNS", columns)
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    output = Output(terminal, terminal, Redactor())
    stream = StreamStatus("shop", "orders", START, START, START, FINAL * CELLS)
    output.line("\n".join(status.stream_lines(stream, status.room_for_names(output.width()))))
    assert terminal.getvalue().splitlines()[0] == f"  {'orders':<{beside}} {FINAL * CELLS}"
