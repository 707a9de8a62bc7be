"""JSON pointers (RFC 6901): `/data/0/id` into a parsed value, or into raw bytes without parsing what lies beside."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator

from reconcile import surrogates

Tokens = tuple[str, ...]

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_ESCAPES = re.compile(r"~(?![01])")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def _checked(text: str) -> str:
    tokens_of(text)
    return text


#: The text of a pointer, known to be one.
Pointer = Annotated[str, AfterValidator(_checked)]


def tokens_of(text: str) -> Tokens:
    """The steps of a pointer, unescaped. Raises `ValueError` if it is none."""
    if text and not text.startswith("/"):
        raise ValueError('must be a JSON pointer such as /data/id, or "" for the whole')
    if _ESCAPES.search(text):
        raise ValueError("must write ~ as ~0 in a JSON pointer, and / within a name as ~1")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def find(value: Any, tokens: Tokens) -> Any:
    """What `tokens` lead to in a parsed value; None if that is null or not there."""
    for token in tokens:
        if isinstance(value, dict):
            value = value.get(token)
        elif isinstance(value, list):
            value = value[int(token)] if _INDEX.fullmatch(token) and int(token) < len(value) else None
        else:
            return None
    return value


def find_raw(raw: msgspec.Raw, tokens: Tokens) -> msgspec.Raw | None:
    """The bytes that `tokens` lead to; None if that is null or not there.

    What the first of several tokens names must be there, and be an object or array: an answer without its
    outermost parts is another answer than the one that was configured. Raises `ValueError` if it is not.
    """
    found: msgspec.Raw | None = raw
    for place, token in enumerate(tokens):
        found = None if found is None else _step(found, token)
        if place == 0 and len(tokens) > 1 and (found is None or kind(found) not in "{["):
            raise ValueError(f"it has no object or array at /{token}")
    return None if found is None or kind(found) == "n" else found


def kind(raw: msgspec.Raw) -> str:
    """The first character of a JSON text: `{`, `[`, `"`, `n` (null), `t` or `f` (true, false), else a number's."""
    return chr(bytes(memoryview(raw)[:64]).lstrip()[0])


def array(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """The entries of an array, unread. Raises `ValueError` if it is none."""
    if kind(raw) != "[":
        raise ValueError("it is no array")
    return surrogates.decode(_ARRAY, raw)


def _step(raw: msgspec.Raw, token: str) -> msgspec.Raw | None:
    opening = kind(raw)
    if opening == "{":
        return surrogates.decode(_OBJECT, raw).get(token)
    if opening == "[" and _INDEX.fullmatch(token):
        entries = surrogates.decode(_ARRAY, raw)
        return entries[int(token)] if int(token) < len(entries) else None
    return None
