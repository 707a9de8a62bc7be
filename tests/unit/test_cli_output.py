"""What is printed, and where."""

from __future__ import annotations

import io
import json
import os

import pytest

from reconcile.cli.output import Output, Table, aligned
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


def test_columns_stand_under_their_names_and_numbers_to_the_right():
    """Plain tables are aligned, a foreign line break does not break a row."""
    assert aligned(table()) == [
        "source       listed  what",
        "acme              7  a name \\x1b[2J with\\x0alines",
        "payments-eu    1234  -",
    ]


def test_a_terminal_too_narrow_for_a_table_gets_plain_lines(monkeypatch):
    """An id is never cut or folded: it is there to be copied."""
    wide, narrow = Output(Terminal(), io.StringIO(), Redactor()), Output(Terminal(), io.StringIO(), Redactor())
    monkeypatch.setenv("COLUMNS", "100")
    wide.table(table())
    monkeypatch.setenv("COLUMNS", "20")
    narrow.table(table())
    assert "─" in wide.out.getvalue()
    assert narrow.out.getvalue().splitlines() == aligned(table())


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
