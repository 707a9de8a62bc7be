"""Error text that is safe to store, show and mail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from traceback import extract_tb

from reconcile.spelling import hide

LIMIT = 2000
_BEFORE_CLEANING = 20_000  # an exception's text may be megabytes
_SHORTEST_SECRET = 6  # replacing shorter ones would garble every text and hide nothing
_CONTROL = re.compile("[\\s\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+")
_USERINFO = re.compile(r"(?<=://)[^/\s@]{1,200}@")


def one_paragraph(text: str, secrets: Sequence[str] = ()) -> str:
    """`text` on one line of at most 2000 characters, without control and bidi characters, `secrets`, URLs' userinfo."""
    if not text:
        return ""
    text = text[:_BEFORE_CLEANING]
    text = hide(text, secrets, _SHORTEST_SECRET)
    text = _CONTROL.sub(" ", _USERINFO.sub("***@", text)).strip()
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"


def describe(error: BaseException) -> str:
    """`ValueError: bad amount (acme/webhooks.py:42 in save_order)`: what was raised, and by which line.

    Of a database error only the first line of the driver's: the rest quotes statements and their values.
    """
    cause = getattr(error, "orig", None)
    text = _text_of(cause).split("\n", 1)[0] if isinstance(cause, BaseException) else _text_of(error)
    return f"{type(error).__name__}{': ' if text else ''}{text}{_place(error)}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)[:_BEFORE_CLEANING]
    except Exception:  # noqa: BLE001 - a handler's exception may fail even at being shown
        return "(its text cannot be shown)"


def _place(error: BaseException) -> str:
    frames = extract_tb(error.__traceback__)
    # A module that is no Python fails in the importer; its error's text says where.
    if not frames or (isinstance(error, SyntaxError) and str(error.filename).endswith(".py")):
        return ""
    last = frames[-1]
    return f" ({'/'.join(PurePath(last.filename).parts[-2:])}:{last.lineno} in {last.name})"
