"""What a person sees of the demo: rich on a terminal, plain text in a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reconcile.sandbox.demo.proof import Row

WIDTH = 100  # of text in a pipe, and the widest a sentence gets on a terminal
_INDENT = (0, 0, 0, 3)
_COLUMNS = ("from", "what", "happened", "handled", "missing", "twice", "")
_NUMBERS = _COLUMNS[2:6]


class Screen:
    """Writes to stdout, at once: a child process writes to the same place."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, emoji=False, markup=False)
        self._console.width = min(self._console.width, WIDTH) if self._console.is_terminal else WIDTH

    def title(self, text: str) -> None:
        """A heading."""
        self._console.print()
        self._console.print(Text(text, style="bold"))

    def say(self, text: str) -> None:
        """A few sentences."""
        self._console.print(Padding(text, _INDENT))

    def command(self, line: str) -> None:
        """What is run next, as a person would type it; its own output follows."""
        self._console.print()
        self._console.print(Text(f"$ {line}", style="bold cyan"))

    def rows(self, rows: Sequence[Row]) -> None:
        """What happened against what was handled; a narrow terminal is not told from whom: the topics say it."""
        first = 1 if self._console.width < WIDTH else 0
        box = SIMPLE_HEAD if self._console.is_terminal else None
        table = Table(box=box, header_style="bold", show_edge=False, pad_edge=False, collapse_padding=True)
        for name in _COLUMNS[first:]:
            table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
        for row in rows:
            cells = (row.source, row.what, str(row.happened), str(row.seen), *_wrong(row))
            table.add_row(*cells[first:])
        self._console.print(Padding(table, _INDENT))

    def verdict(self, text: str, *, good: bool) -> None:
        """What it all comes to."""
        self._console.print()
        self._console.print(Text(text, style="bold green" if good else "bold red"))


def _wrong(row: Row) -> tuple[Text, Text, Text]:
    verdict = Text("each once", style="green") if row.proven else Text("damaged", style="red")
    return _count(row.missing), _count(row.twice + row.invented), verdict


def _count(number: int) -> Text:
    return Text(str(number), style="red" if number else "")
