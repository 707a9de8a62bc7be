"""Text for a terminal's width. Pure.

Words are never cut, and neither is what stands between backticks: it is a command, there to be copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len

#: Keeps two words on one line; shown as a space.
TOGETHER = "\u00a0"
_WORD = re.compile(r"( *)((?:`[^`\n]*`|[^ `]|`)+)")
#: What stands in front of a paragraph of its own: a word that two spaces or more set apart.
_LABEL = re.compile(r" *[^ ]+  +")
_HANG = 2


def wrapped(text: str, width: int) -> str:
    """Every line of `text` broken between words so that it fits, as far as its words do.

    What is broken goes on a little further in, or below the first word after a label.
    """
    return "\n".join(line for given in text.split("\n") for line in _lines(given, width)).replace(TOGETHER, " ")


def _lines(text: str, width: int) -> Iterator[str]:
    line, further = "", " " * _hang(text, width)
    for space, word in _WORD.findall(text):
        if line.strip() and cell_len(line) + len(space) + cell_len(word) > width:
            yield line
            line = further + word
        else:
            line += space + word
    yield line


def _hang(text: str, width: int) -> int:
    label = _LABEL.match(text)
    if label and label.end() <= width // 2:
        return label.end()
    return len(text) - len(text.lstrip(" ")) + _HANG
