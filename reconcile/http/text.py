"""Foreign text made fit for an error message."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator

from reconcile import spelling

SHOWN = 80  # characters of an answer that an error quotes
_SECRET = 8  # characters; anything shorter is a word that happens to be a header's value


def safe(text: str, length: int = SHOWN) -> str:
    """The first `length` characters of `text` that print, on one line: no control, bidi, zero-width, surrogate."""
    kept = " ".join(text.split())
    return "".join(character for character in kept if character.isprintable())[:length]


def hide(text: str, values: Iterable[str]) -> str:
    """`text` with `***` for each of `values` in it, however it is spelled there."""
    return spelling.hide(text, values, _SECRET)


def secrets_of(values: Iterable[str]) -> Iterator[str]:
    """What may be secret in header values: each whole, its words, and what Basic authentication wraps."""
    for value in values:
        yield value
        scheme, _, rest = value.partition(" ")
        yield rest
        if scheme.lower() == "basic":
            yield from _unwrapped(rest)


def _unwrapped(rest: str) -> Iterator[str]:
    try:
        pair = base64.b64decode(rest).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    yield pair
    yield pair.partition(":")[2]
