"""Text of others made fit to be shown: what would move the cursor, hide or reorder text becomes visible. Pure.

Provider and attacker text (a customer's name, an error message, a webhook's body) reaches terminals and logs
only through here.
"""

from __future__ import annotations

import unicodedata

#: Unicode categories that print nothing of their own: C0 and C1 controls, format characters (bidi marks,
#: zero-width ones, tags), lone surrogates, line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def safe(text: str, limit: int = 300) -> str:
    r"""`text` on one line, cut at `limit` characters, with every control and bidi character as `\x1b` or `\u202e`."""
    if len(text) <= limit:
        return _visible(text, "")
    return f"{_visible(text[:limit], '')}… (+{len(text) - limit} characters)"


def safe_block(text: str) -> str:
    """The same for text of several lines: line feeds and tabs stay, nothing is cut."""
    return _visible(text, "\n\t")


def _visible(text: str, kept: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if letter in kept or _prints(letter) else _escape(ord(letter)) for letter in text)


def _prints(letter: str) -> bool:
    return unicodedata.category(letter) not in _INVISIBLE


def _escape(code: int) -> str:
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
