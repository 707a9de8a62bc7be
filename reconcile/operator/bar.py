"""A stream's time as a bar of equal cells: each is final only if all of it is, provisional only if all of it was read,
else a hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from reconcile.model import Window
from reconcile.windows import holes, merge

CELLS = 40
FINAL, PROVISIONAL, HOLE = "█", "▒", "·"


def bar(asked: Window, read_: Sequence[Window], final: Sequence[Window]) -> str:
    """The time of `asked` in equal cells. What is too new to fill half a cell is left out, not called a hole."""
    covered, proven = merge(read_), merge(final)
    end = _end(asked, covered)
    edges = [asked.start + (end - asked.start) * place / CELLS for place in range(CELLS + 1)]
    return "".join(_cell(Window(*ends), covered, proven) for ends in pairwise(edges))


def _end(asked: Window, covered: Sequence[Window]) -> datetime:
    newest = min(covered[-1].end, asked.end) if covered else asked.start
    half = (asked.end - asked.start) / CELLS / 2
    return newest if asked.start < newest and asked.end - newest < half else asked.end


def _cell(cell: Window, covered: Sequence[Window], proven: Sequence[Window]) -> str:
    if not holes(cell, proven):
        return FINAL
    return HOLE if holes(cell, covered) else PROVISIONAL
