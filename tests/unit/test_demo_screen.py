"""What a person sees of the demo, on any terminal and in a pipe."""

from __future__ import annotations

import re

import pytest

from reconcile.sandbox.demo.proof import Row
from reconcile.sandbox.demo.show import Screen

TOPIC = "payment_intent.payment_failed"


def shown(monkeypatch, columns):
    """One damaged row and a sentence, as lines without colours; on a terminal if it has `columns`."""
    for name in ("NO_COLOR", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    if columns:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(columns))
    written = []
    screen = Screen(written.append)
    screen.say("What really happened.")
    screen.rows([Row("acme-payments", TOPIC, happened=104, seen=97, twice=0, invented=0)])
    return re.sub("\x1b\\[[0-9;]*m", "", "".join(written)).splitlines()


@pytest.mark.parametrize("columns", [0, 60, 80, 200])
def test_no_number_and_no_name_is_cut(monkeypatch, columns):
    """A narrow terminal folds what happened and leaves out what the numbers say already."""
    lines = shown(monkeypatch, columns)
    assert {"happened", "handled", "missing", "twice"} <= set(" ".join(lines).split())
    assert {"104", "97", "7", "0"} <= set(" ".join(lines).split())
    assert not any("…" in line for line in lines)
    assert max(map(len, lines)) <= (columns or 100)


def test_lines_in_a_pipe_end_where_their_text_does(monkeypatch):
    """No padding to a width that nobody sees."""
    assert [line for line in shown(monkeypatch, 0) if line != line.rstrip()] == []
