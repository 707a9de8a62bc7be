"""How a secret may be spelled where it must not be: as it is, in a URL, in JSON, in HTML, in base64. Pure."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

HIDDEN = "***"

_SECRET_KEY = re.compile(
    r"authorization|token|secret|passw|api[-_]?key|private[-_]?key|credential|cookie|signature|hmac|session[-_]?id",
    re.IGNORECASE,
)
#: URLs of places: without a user or a query they may be told.
_PLACES = frozenset({"sqlite", "postgresql", "smtp", "smtps"})
_SHORTEST_PATH = 16  # characters; a shorter one is no key
#: What may stand between the letters of one that was broken over lines, or had something invisible put into it.
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


def names_a_secret(name: str) -> bool:
    """Whether what stands under this name is hidden whatever it is."""
    return bool(_SECRET_KEY.search(name))


def spellings(value: str) -> Iterator[str]:
    """Every way in which what is secret of a configured value may be written."""
    for plain in _parts(value):
        in_json = json.dumps(plain)[1:-1]
        yield from (plain, repr(plain)[1:-1], html.escape(plain), plain.replace("/", "\\/"))
        yield from (in_json, in_json.replace("/", "\\/"))
        yield from (quote(plain, safe, errors="replace") for safe in ("", "/"))
        yield quote_plus(plain, errors="replace")
        yield base64.b64encode(plain.encode("utf-8", "replace")).decode().rstrip("=")


def hide(text: str, values: Iterable[str], shortest: int) -> str:
    """`text` with `***` for each of `values` in it, also broken over lines.

    Those shorter than `shortest` are words like any other.
    """
    bare = _UNSEEN.sub("", text)
    forms = {form for value in set(values) if len(value) >= shortest for form in _bare_forms(value)}
    spans = sorted(span for form in forms if len(form) >= shortest for span in _spans(bare, form))
    if not spans:
        return text
    places = [place for place, letter in enumerate(text) if not _UNSEEN.match(letter)]
    parts, done = [], 0
    for start, end in _merged(spans):
        parts += [text[done : places[start]], HIDDEN]
        done = places[end - 1] + 1
    return "".join(parts) + text[done:]


@lru_cache(maxsize=1024)
def _bare_forms(value: str) -> frozenset[str]:
    """Every spelling of a value, without what may stand between its letters. Compared as text: a pattern for a value of
    a thousand characters, such as a cursor, takes seconds to compile.
    """
    return frozenset(_UNSEEN.sub("", form) for form in spellings(value))


def _spans(text: str, form: str) -> Iterator[tuple[int, int]]:
    at = text.find(form)
    while at >= 0:
        yield at, at + len(form)
        at = text.find(form, at + 1)


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Those that overlap, as one; `spans` come in order."""
    rest = iter(spans)
    start, end = next(rest)
    for begins, ends in rest:
        if begins >= end:
            yield start, end
            start = begins
        end = max(end, ends)
    yield start, end


def _parts(value: str) -> set[str]:
    """What of a value is secret: of a URL that only names a place, such as a ledger's file, nothing.

    The password of a URL is hidden on its own as well, as errors quote it alone, and the path of a web address: who
    knows that of a dead-man's switch can ping it.
    """
    if "://" not in value:
        return {value, value.strip()}
    try:
        url = urlsplit(value)
    except ValueError:
        return {value}
    if "@" not in url.netloc and not url.query and url.scheme.partition("+")[0] in _PLACES:
        return set()
    queried = [text for name, text in parse_qsl(url.query) if names_a_secret(name)]
    path = url.path if url.scheme in ("http", "https") and len(url.path) > _SHORTEST_PATH else ""
    return {value, value.strip(), url.password or "", unquote(url.password or ""), path, *queried}
