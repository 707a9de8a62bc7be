"""What a person sees of the demo: rich on a terminal, plain text in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import StringIO
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reconcile.sandbox.demo.proof import Row

WIDTH = 100  # of text in a pipe, and the widest a sentence gets on a terminal
_INDENT = (0, 0, 0, 3)
_COLUMNS = ("from", "what", "happened", "handled", "missing", "twice", "")
_NUMBERS = _COLUMNS[2:6]
#: The narrowest terminal on which a row also says in words what its numbers come to.
_WORDY = 80


class Screen:
    """Draws for stdout; `write` puts text there at once, since a child process writes to the same place."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        there = Console()
        self._drawn = StringIO()
        self._console = Console(
            file=self._drawn,
            force_terminal=there.is_terminal,
            width=min(there.width, WIDTH) if there.is_terminal else WIDTH,
            highlight=False,
            emoji=False,
            markup=False,
        )

    def title(self, text: str) -> None:
        """A heading."""
        self._put("")
        self._put(Text(text, style="bold"))

    def say(self, text: str) -> None:
        """A few sentences."""
        self._put(Padding(text, _INDENT))

    def command(self, line: str) -> None:
        """What is run next, as a person would type it; its own output follows."""
        self._put("")
        self._put(Text(f"$ {line}", style="bold cyan"))

    def rows(self, rows: Sequence[Row]) -> None:
        """What happened against what was handled; a narrow terminal is not told from whom: the topics say it."""
        first = 1 if self._console.width < WIDTH else 0
        end = len(_COLUMNS) - (1 if self._console.width < _WORDY else 0)
        box = SIMPLE_HEAD if self._console.is_terminal else None
        table = Table(box=box, header_style="bold", show_edge=False, pad_edge=False, collapse_padding=True)
        for name in _COLUMNS[first:end]:
            side: Literal["left", "right"] = "right" if name in _NUMBERS else "left"
            table.add_column(name, justify=side, no_wrap=name != "what", overflow="fold")
        for row in rows:
            cells = (row.source, row.what, str(row.happened), str(row.seen), *_wrong(row))
            table.add_row(*cells[first:end])
        self._put(Padding(table, _INDENT))

    def verdict(self, text: str, *, good: bool) -> None:
        """What it all comes to."""
        self._put("")
        self._put(Text(text, style="bold green" if good else "bold red"))

    def _put(self, what: RenderableType) -> None:
        """Drawn in one piece; lines that are padded to a width end where their text does."""
        self._console.print(what)
        self._write("".join(f"{line.rstrip()}\n" for line in self._drawn.getvalue().splitlines()))
        self._drawn.seek(0)
        self._drawn.truncate()


def _wrong(row: Row) -> tuple[Text, Text, Text]:
    verdict = Text("each once", style="green") if row.proven else Text("damaged", style="red")
    return _count(row.missing), _count(row.twice + row.invented), verdict


def _count(number: int) -> Text:
    return Text(str(number), style="red" if number else "")
