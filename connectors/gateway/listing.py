"""Pages of the list, and one item by id.

An answer without the list, or with an item that cannot be read, is an error: never "nothing missing" (C9).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

import msgspec

from connectors.gateway import moments
from connectors.gateway.items import Entry, Items, parse
from connectors.gateway.paging import Found, pager
from connectors.gateway.pointers import array, find_raw, kind, tokens_of
from connectors.gateway.settings import GatewaySettings, StatusSettings
from connectors.gateway.settings_auth import QueryAuth
from connectors.gateway.settings_list import ListSettings
from reconcile.connector import Page
from reconcile.errors import BadAnswer, NotFound
from reconcile.http import ProviderClient
from reconcile.model import Snapshot, Window, micros

_RAW = msgspec.json.Decoder(msgspec.Raw)


class Listing:
    """Reads one provider's list."""

    def __init__(self, settings: GatewaySettings, listing: ListSettings, items: Items) -> None:
        self._listing = listing
        self._items = items
        self._zone = ZoneInfo(settings.timezone)
        self._pager = pager(listing)
        self._past_end = listing.paging.past_end if listing.paging else None
        self._pointer = tokens_of(listing.items)
        self._query = Query(settings.auth.query)
        self._path = urlsplit(listing.path).path

    def pages(self, client: ProviderClient, window: Window, cursor: str | None) -> Iterator[Page]:
        """Every page of `window`; see `ListsItems.pages`."""
        place = cursor
        while True:
            try:
                items, place = self._page(client, window, place)
            except NotFound as error:
                # A first page that is not there is never an empty list.
                if place is None or error.status != self._past_end:
                    raise
                items, place = [], None
            yield Page(items, place)
            if place is None:
                return

    def _page(self, client: ProviderClient, window: Window, place: str | None) -> tuple[list[Snapshot], str | None]:
        asked = self._pager.ask(place)
        given = {} if asked.url else moments.question(self._listing, window, self._zone)
        url = self._absolute(asked.url) if asked.url else self._listing.path
        document, answer = client.get_page(url, _RAW, params=self._query.on({**given, **asked.params}))
        try:
            entries = [(raw, parse(raw)) for raw in self._entries(document)]
            following = self._pager.after(place, Found(document, [item for _, item in entries], answer))
            items = [self._snapshot(bytes(raw), item, window) for raw, item in entries]
        except ValueError as error:
            raise BadAnswer(
                f"{client.source}: the answer of {self._path} is not the list that is configured: {error}: "
                f"{answer.excerpt()!r}",
                status=answer.status,
            ) from None
        return items, None if following is None else self._query.without(following)

    def _entries(self, document: msgspec.Raw) -> list[msgspec.Raw]:
        found = find_raw(document, self._pointer)
        if found is None:
            raise ValueError(f"it has nothing at {self._listing.items}")
        return array(found)

    def _absolute(self, url: str) -> str:
        """A link as the client takes it: `?page=2` alone goes on with the list."""
        return f"{self._path}{url}" if url.startswith("?") else url

    def read(self, client: ProviderClient, body: bytes, item: dict[str, Any]) -> Snapshot:
        """An answer's item as if it had been listed. Raises `BadAnswer` if it lacks what a listed one has."""
        try:
            return self._snapshot(body, item)
        except ValueError as error:
            raise BadAnswer(f"{client.source}: the answer to a question by id is not what is listed: {error}") from None

    def _snapshot(self, body: bytes, item: dict[str, Any], window: Window | None = None) -> Snapshot:
        entry = self._items.read(item)
        if not entry.raw:
            raise ValueError(f"{entry.id} has no status")
        filters = self._listing.filters
        at = entry.updated if filters.by_update else entry.created
        if at is None:
            raise ValueError(f"{entry.id} has no {filters.field}, by which the list is filtered")
        if day := self._items.day_told(item, updated=filters.by_update):
            # What comes later that day would lie in a moment that was read before it happened.
            raise ValueError(
                f"{entry.id} tells only the day of its {filters.field} ({day}), and a list is read by the moment; let "
                f"fields.{filters.field} point to a time of day, or filter by the other of created_at and updated_at"
            )
        if window is not None and at < window.start <= at + self._items.doubt(item, updated=filters.by_update):
            at = window.start  # it is listed here, and may have happened here
        return Snapshot(self._items.subject(entry), entry.version or micros(at), at, body, entry)


class Asking:
    """Asks for one item by id."""

    def __init__(self, settings: GatewaySettings, status: StatusSettings, items: Items) -> None:
        self._status = status
        self._items = items
        self._pointer = tokens_of(status.item)
        self._query = Query(settings.auth.query)

    def ask(self, client: ProviderClient, id_: str) -> tuple[bytes, dict[str, Any], Entry] | None:
        """The item as it is now, None if the provider says that it has none (404, 410).

        Raises `BadAnswer` for an answer that is no item, or is another one.
        """
        if id_ in ("", ".", ".."):
            raise BadAnswer(f"{client.source}: an item called {id_!r} cannot be asked for")
        params = {name: value.replace("{id}", id_) for name, value in self._status.params.items()}
        path = self._status.path.replace("{id}", quote(id_, safe=""))
        try:
            document, answer = client.get_page(path, _RAW, params=self._query.on(params))
        except NotFound:
            return None
        try:
            body = find_raw(document, self._pointer)
            if body is None and self._is_one_of_none(document):
                return None
            item = parse(body or b"null")
            return bytes(body or b""), item, self._same(id_, item)
        except ValueError as error:
            raise BadAnswer(
                f"{client.source}: the answer of {urlsplit(self._status.path).path} is not the item that is "
                f"configured: {error}: {answer.excerpt()!r}",
                status=answer.status,
            ) from None

    def _is_one_of_none(self, document: msgspec.Raw) -> bool:
        """Whether the item would be the first of an array that is empty: of `/data/0`, `/data` is there."""
        around = find_raw(document, self._pointer[:-1]) if self._pointer[-1:] == ("0",) else None
        return around is not None and kind(around) == "[" and not array(around)

    def _same(self, id_: str, item: dict[str, Any]) -> Entry:
        entry = self._items.read(item)
        if entry.id != id_:
            raise ValueError("it is about another id than was asked for")
        if not entry.raw:
            raise ValueError("it has no status")
        return entry


class Query:
    """The parameter that proves who we are, on every request and in nothing that is kept."""

    def __init__(self, auth: QueryAuth | None) -> None:
        self._auth = auth

    def on(self, params: Mapping[str, str]) -> Mapping[str, str]:
        """The parameters of a request."""
        return params if self._auth is None else {**params, self._auth.name: self._auth.value.get_secret_value()}

    def without(self, url: str) -> str:
        """A link of the provider's, which may repeat the parameter."""
        if self._auth is None or "?" not in url:
            return url
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        return urlunsplit(parts._replace(query=urlencode([pair for pair in pairs if pair[0] != self._auth.name])))
