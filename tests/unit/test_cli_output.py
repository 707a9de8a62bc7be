"""What is printed, and where."""

from __future__ import annotations

import io
import json
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from reconcile.cli.output import Output, Table, aligned
from reconcile.cli.wrapping import wrapped
from reconcile.logs import HIDDEN, Redactor


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def output():
    """An output into memory that hides one secret."""
    return Output(io.StringIO(), io.StringIO(), Redactor(["hush-hush"]))


def table():
    made = Table(("source", "listed", "what"))
    made.add("acme", 7, "a name \x1b[2J with\nlines")
    made.add("payments-eu", 1234, None)
    return made


def test_a_result_goes_to_stdout_and_a_message_to_stderr(output):
    """A pipe gets the result and nothing else."""
    output.line("the result")
    output.say("about the work")
    assert (output.out.getvalue(), output.err.getvalue()) == ("the result\n", "about the work\n")


def test_nothing_is_printed_with_a_secret_or_a_control_in_it(output):
    """Lines, messages, tables and documents alike are cleaned (X1, X4)."""
    output.line("hush-hush \x1b[1m")
    output.say("hush-hush \u202e")
    output.json({"error": "hush-hush \x9b1m", "access_token": "short"})
    made = Table(("what",))
    made.add("hush-hush")
    output.table(made)
    shown = output.out.getvalue() + output.err.getvalue()
    assert "hush-hush" not in shown
    assert not {letter for letter in shown if not letter.isprintable()} - {"\n"}
    assert json.loads(output.out.getvalue().partition("\n")[2].rpartition("}")[0] + "}") == {
        "error": f"{HIDDEN} \x9b1m",
        "access_token": HIDDEN,
    }


def test_a_secret_is_hidden_before_a_long_cell_is_cut(output):
    """X1: half of one is most of one."""
    made = Table(("what",))
    made.add("x" * 296 + "hush-hush")
    output.table(made)
    assert output.out.getvalue().splitlines()[1] == f"{'x' * 296}{HIDDEN}"


def test_columns_stand_under_their_names_and_numbers_to_the_right():
    """Plain tables are aligned, a foreign line break does not break a row."""
    assert aligned(table().shown(Redactor())) == [
        "source       listed  what",
        "acme              7  a name \\x1b[2J with\\x0alines",
        "payments-eu    1234  -",
    ]


def on_a_terminal(monkeypatch, columns, made):
    """A table as a terminal of so many columns gets it."""
    monkeypatch.setenv("COLUMNS", str(columns))
    output = Output(Terminal(), io.StringIO(), Redactor())
    output.table(made)
    return re.sub("\x1b\\[[0-9;]*m", "", output.out.getvalue()).splitlines()


def test_a_terminal_too_narrow_for_a_table_gets_paragraphs(monkeypatch):
    """An id is never cut or folded: it is there to be copied; and no line is wider than the terminal."""
    assert "─" in "".join(on_a_terminal(monkeypatch, 100, table()))
    assert on_a_terminal(monkeypatch, 24, table()) == [
        "source acme",
        "  listed 7; what a name",
        "    \\x1b[2J",
        "    with\\x0alines",
        "source payments-eu",
        "  listed 1234; what -",
        "",
    ]


def test_a_terminal_a_little_too_narrow_gets_no_columns_of_zeros(monkeypatch):
    """What is nowhere is left out before the table is given up."""
    made = Table(("stream", "listed", "gap", "backfilled", "filtered"))
    made.add("acme-shop orders", 0, 0, 3, 0)
    assert "filtered" in on_a_terminal(monkeypatch, 60, made)[0]
    assert on_a_terminal(monkeypatch, 40, made)[0].split() == ["stream", "listed", "backfilled"]


def test_a_terminal_gets_sentences_in_its_width(monkeypatch):
    """They break between words, never within a command, and go on below the text they began with."""
    monkeypatch.setenv("COLUMNS", "40")
    output = Output(Terminal(), Terminal(), Redactor())
    output.line("ok    acme-shop: all of its topics are subscribed to")
    output.say("acme-shop: the valve is closed; `reconcile run --force` opens it, once and for this run")
    output.line("x" * 50 + "  as  it  is", verbatim=True)
    assert output.out.getvalue().splitlines() == [
        "ok    acme-shop: all of its topics are",
        "      subscribed to",
        "x" * 50 + "  as  it  is",
    ]
    assert output.err.getvalue().splitlines() == [
        "acme-shop: the valve is closed;",
        "  `reconcile run --force` opens it, once",
        "  and for this run",
    ]


@given(st.text("ab `é漢", max_size=60), st.integers(8, 30))
def test_breaking_lines_loses_nothing(text, width):
    """Whatever is broken has the same words, and no line is too wide that could have been broken before."""
    lines = wrapped(text, width).split("\n")
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines[1:]:
        assert cell_len(line) <= width or "`" in line or len(line.split()) == 1


def test_an_empty_table_prints_nothing(output):
    """No header stands over nothing."""
    output.table(Table(("source",)))
    assert output.out.getvalue() == ""


def test_a_reader_who_has_gone_is_no_error():
    """`reconcile events list | head` ends with the command's own exit code."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        output = Output(out, io.StringIO(), Redactor())
        output.line("x" * 100_000)
        output.line("and on")
    assert output.err.getvalue() == ""
