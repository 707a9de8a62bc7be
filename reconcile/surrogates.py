r"""JSON with lone surrogates: half an emoji that a provider's JavaScript cut in two, as `"\ud83d"`.

It is legal JSON and no legal text: a strict decoder refuses the whole page for it, so one customer's name would keep a
shop from ever being read again. It is decoded with U+FFFD in its place. A delivery's own bytes are stored as they came;
what such a page lists is stored mended.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

T = TypeVar("T")

# Every escape is consumed whole, so that an escaped backslash before a `u` is never taken for one.
_ESCAPE = re.compile(
    rb"\\(?:u(?P<high>[dD][89abAB][0-9a-fA-F]{2})(?P<low>\\u[dD][c-fC-F][0-9a-fA-F]{2})?"
    rb"|u(?P<lone>[dD][c-fC-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def mended(body: bytes) -> bytes:
    """`body` with every lone surrogate escape replaced by that of U+FFFD; equally long, pairs untouched."""
    return _ESCAPE.sub(_mend, body)


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    """Decode, with lone surrogates mended if that is what is wrong; raises what the decoder raises."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        whole = bytes(body)
        better = mended(whole)
        if better == whole:
            raise
        return decoder.decode(better)


def _mend(match: re.Match[bytes]) -> bytes:
    alone = match["lone"] is not None or (match["high"] is not None and match["low"] is None)
    return b"\\ufffd" if alone else match[0]
