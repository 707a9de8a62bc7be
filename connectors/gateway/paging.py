"""From page to page, each way in a class of its own. A place is the text that stands for a page, None for the first.

A list by number or offset ends with an empty page, never with a short one: many providers give fewer than asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from connectors.gateway.links import next_link
from connectors.gateway.pointers import Tokens, find, find_raw, kind, tokens_of
from connectors.gateway.settings_list import ListSettings, PagingSettings
from reconcile.http import Answer

_VALUE = msgspec.json.Decoder(str | int)
_TRUTH = msgspec.json.Decoder(bool)


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask for a page: `url` verbatim where the provider gave one, else the list with `params`."""

    params: Mapping[str, str]
    url: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One answer: the document, its items and the whole around them."""

    document: msgspec.Raw
    items: Sequence[dict[str, Any]]
    answer: Answer


class Pager(Protocol):
    """One way from page to page."""

    def ask(self, place: str | None) -> Question:
        """What to ask for the page at `place`."""
        ...

    def after(self, place: str | None, found: Found) -> str | None:
        """The place of the page after this one, None at the end. Raises `ValueError` if the answer does not say."""
        ...


def pager(listing: ListSettings) -> Pager:
    """The configured way."""
    paging = listing.paging
    if paging is None:
        return Single()
    size = {name: str(value) for name, value in (paging.size or {}).items()}
    if paging.page is not None:
        return Numbered(paging.page, paging.first, size)
    if paging.offset is not None:
        return Offset(paging.offset, size)
    if paging.cursor is not None:
        return Cursor(paging, size)
    return NextUrl(None if paging.next is None else tokens_of(paging.next), size)


class Single:
    """Everything in one answer."""

    def ask(self, place: str | None) -> Question:
        """The list, as it is."""
        del place
        return Question({})

    def after(self, place: str | None, found: Found) -> str | None:
        """Nothing."""
        del place, found
        return None


@dataclass(frozen=True, slots=True)
class Numbered:
    """Pages by number."""

    param: str
    first: int
    size: Mapping[str, str]

    def ask(self, place: str | None) -> Question:
        """The page of that number."""
        return Question({**self.size, self.param: place or str(self.first)})

    def after(self, place: str | None, found: Found) -> str | None:
        """The next number, after a page with anything on it."""
        return str(int(place or self.first) + 1) if found.items else None


@dataclass(frozen=True, slots=True)
class Offset:
    """Pages by how many items to skip: those that were really given, which may be fewer than asked for."""

    param: str
    size: Mapping[str, str]

    def ask(self, place: str | None) -> Question:
        """What comes after so many items."""
        return Question({**self.size, self.param: place or "0"})

    def after(self, place: str | None, found: Found) -> str | None:
        """So many more, after a page with anything on it."""
        return str(int(place or 0) + len(found.items)) if found.items else None


class Cursor:
    """Pages by a token: from a place in the answer, or from its last item."""

    def __init__(self, paging: PagingSettings, size: Mapping[str, str]) -> None:
        self._param = paging.cursor or ""
        self._from = None if paging.from_ is None else tokens_of(paging.from_)
        self._last = None if paging.last is None else tokens_of(paging.last)
        self._more = None if paging.more is None else tokens_of(paging.more)
        self._size = size

    def ask(self, place: str | None) -> Question:
        """The page that the token stands for."""
        return Question({**self._size, self._param: place} if place else self._size)

    def after(self, place: str | None, found: Found) -> str | None:
        """The token of the next page; one must be there if the answer says that there is more."""
        del place
        more = None if self._more is None else _truth(find_raw(found.document, self._more))
        if more is False:
            return None
        token = self._token(found)
        if more and not token:
            raise ValueError("it says that there is more, and gives nothing to go on from")
        return token or None

    def _token(self, found: Found) -> str:
        if self._from is not None:
            return _text(find_raw(found.document, self._from))
        last = find(found.items[-1], self._last or ()) if found.items else ""
        if found.items and (not isinstance(last, str | int) or isinstance(last, bool) or last == ""):
            raise ValueError("its last item has nothing to go on from")
        return str(last)


@dataclass(frozen=True, slots=True)
class NextUrl:
    """Pages by the provider's own URL, from a place in the answer or from its `Link` header (`pointer` None)."""

    pointer: Tokens | None
    size: Mapping[str, str]

    def ask(self, place: str | None) -> Question:
        """That URL, which carries the filter already."""
        return Question({}, place) if place else Question(self.size)

    def after(self, place: str | None, found: Found) -> str | None:
        """The next URL, if there is one."""
        del place
        if self.pointer is None:
            return next_link(found.answer.headers.get("Link", "")) or None
        return _text(find_raw(found.document, self.pointer)) or None


def _text(raw: msgspec.Raw | None) -> str:
    """A token or URL, empty if there is none."""
    if raw is None:
        return ""
    if kind(raw) not in '"-0123456789':
        raise ValueError("its next page is named by neither text nor a number")
    return str(_VALUE.decode(raw))


def _truth(raw: msgspec.Raw | None) -> bool:
    if raw is None or kind(raw) not in "tf":
        raise ValueError("it does not say whether there is more")
    return _TRUTH.decode(raw)
