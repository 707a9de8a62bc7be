"""Where results and messages go: stdout is the result, stderr is everything else.

Nothing leaves here with a secret's value in it or with a control character that a terminal would act on.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TextIO

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from reconcile.cli.wrapping import TOGETHER, wrapped
from reconcile.errors import ConfigError
from reconcile.logs import Redactor
from reconcile.safe import safe, safe_block

log = logging.getLogger(__name__)

#: The narrowest a column of sentences may be drawn, in characters.
READABLE = 40


@dataclass(slots=True)
class Table:
    """Rows of text under column names; columns that hold only numbers are aligned to the right."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Add a row; each cell is made safe when the table is shown."""
        self.rows.append(tuple("-" if cell is None else str(cell) for cell in cells))

    def shown(self, redactor: Redactor) -> Table:
        """The same, fit to be shown. What is secret goes first: of one that was cut in half, half would stay."""
        return Table(self.columns, [tuple(safe(redactor.text(cell)) for cell in row) for row in self.rows])

    def numeric(self, place: int) -> bool:
        """Whether a column holds only numbers."""
        cells = [row[place] for row in self.rows]
        return bool(cells) and all(cell.replace(",", "").isdigit() or cell == "-" for cell in cells)

    def without_zeros(self) -> Table:
        """The same without the columns, after the first two, in which there is nothing but zeros."""
        kept = [place for place in range(len(self.columns)) if place < 2 or any(row[place] != "0" for row in self.rows)]
        return Table(
            tuple(self.columns[place] for place in kept), [tuple(row[place] for place in kept) for row in self.rows]
        )


class Output:
    """The two streams of the process. `records` says that stderr takes log records only, one object a line.

    `documents` counts what `--json` printed: there must be exactly one.
    """

    def __init__(self, out: TextIO, err: TextIO, redactor: Redactor) -> None:
        self.out = out
        self.err = err
        self.redactor = redactor
        self.records = False
        self.documents = 0

    def line(self, text: str = "", *, verbatim: bool = False) -> None:
        """A line, or several, of the result; a terminal gets it in its width, unless it is `verbatim`."""
        self._print(self.out, text, verbatim=verbatim)

    def say(self, text: str, *, level: int = logging.INFO) -> None:
        """A line, or several, about the work: a warning, the resolved window."""
        if self.records:
            log.log(level, text)
        else:
            self._print(self.err, text)

    def complain(self, text: str) -> None:
        """The same about what went wrong."""
        self.say(text, level=logging.ERROR)

    def json(self, document: object) -> None:
        """The one document of `--json`; pure ASCII, so nothing in it reaches a terminal as a control."""
        self.documents += 1
        self._write(self.out, json.dumps(self.redactor.value(document), indent=2) + "\n")

    def put(self, text: str) -> None:
        """Text of our own that is drawn already, for the result."""
        self._write(self.out, text)

    def table(self, table: Table) -> None:
        """A table: aligned columns in a pipe, drawn on a terminal; nothing if it has no rows.

        A terminal too narrow for it gets no columns of zeros; if that does not help, each row as a paragraph.
        """
        if not table.rows:
            return
        table = table.shown(self.redactor)
        if not self.out.isatty():
            self.line("\n".join(aligned(table)))
            return
        console = Console(file=self.out, highlight=False, emoji=False)
        fitting = next((one for one in (table, table.without_zeros()) if _fits(one, console.width)), None)
        if fitting is None:
            self.line("\n".join([*paragraphs(table), ""]))
        else:
            console.print(self._drawn(fitting))
            self.line()

    def width(self) -> int | None:
        """Characters in a line of the terminal that gets the result; None where it is none."""
        return Console(file=self.out).width if self.out.isatty() else None

    def _drawn(self, table: Table) -> RichTable:
        drawn = RichTable(header_style="bold", box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
        last = len(table.columns) - 1
        for place, name in enumerate(table.columns):
            side: Literal["left", "right"] = "right" if table.numeric(place) else "left"
            drawn.add_column(name, justify=side, no_wrap=place < last, overflow="fold")
        for row in table.rows:
            drawn.add_row(*map(Text, row))
        return drawn

    def _print(self, stream: TextIO, text: str, *, verbatim: bool = False) -> None:
        shown = safe_block(self.redactor.text(text))
        if stream.isatty() and not verbatim:
            shown = wrapped(shown, Console(file=stream).width)
        self._write(stream, f"{shown}\n")

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except BrokenPipeError:
            _discard(stream)
        except OSError as error:
            _discard(stream)
            if stream is self.out:
                why = error.strerror or type(error).__name__
                what = f"stdout cannot be written: {why}; what was done is in the ledger: `reconcile status`"
                raise ConfigError(what) from None


def _fits(table: Table, width: int) -> bool:
    """Whether all columns but the last stand unbroken beside a readable last one: ids are there to be copied."""
    *fixed, last = _widths(table)
    return sum(fixed) + 2 * len(fixed) + min(last, READABLE) <= width


def paragraphs(table: Table) -> list[str]:
    """Two lines a row: its first cell under its name, and the others under theirs."""
    return [
        line
        for row in table.rows
        for line in (f"{table.columns[0]} {row[0]}", f"  {_named(table.columns[1:], row[1:])}")
    ]


def _named(names: Sequence[str], cells: Sequence[str]) -> str:
    return "; ".join(f"{name}{TOGETHER}{cell}".strip() for name, cell in zip(names, cells, strict=True) if cell)


def _widths(table: Table) -> list[int]:
    rows = [table.columns, *table.rows]
    return [max(cell_len(row[place]) for row in rows) for place in range(len(table.columns))]


def aligned(table: Table) -> list[str]:
    """The lines of a table as plain text, two spaces between columns."""
    rows, widths = [table.columns, *table.rows], _widths(table)
    pads: list[Callable[[str, int], str]] = [
        str.rjust if table.numeric(place) else str.ljust for place in range(len(table.columns))
    ]
    return ["  ".join(_padded(row, widths, pads)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int], pads: Sequence[Callable[[str, int], str]]) -> list[str]:
    return [pad(cell, width) for cell, width, pad in zip(row, widths, pads, strict=True)]


def _discard(stream: TextIO) -> None:
    """Whoever read us has gone (`| head`): the rest goes nowhere, and the exit code stays our own."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
