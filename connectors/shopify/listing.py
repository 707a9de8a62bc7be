"""REST lists by last change, page by page.

Bounds are whole seconds and inclusive on both sides, written in UTC with `Z`, so that no `+` can turn into a space.
The next page is the `Link` header's URL as it stands: it carries the filter, and any parameter beside it is a 400.
Source: shopify.dev, "REST Admin API pagination".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from connectors.shopify.facts import RESOURCES
from connectors.shopify.shapes import Record
from reconcile.connector import Page
from reconcile.errors import BadAnswer, NotFound
from reconcile.http import Answer, ProviderClient
from reconcile.model import Snapshot, Subject, Window, micros

PAGE_SIZE = 250
# Orders are listed by default only while open; pages differ about draft orders, so each state is asked for.
_STATUSES = {"orders": ("any",), "draft_orders": ("open", "invoice_sent", "completed")}
_NEXT = re.compile(r'<([^<>]+)>\s*;\s*rel="?next"?')
_RECORD = msgspec.json.Decoder(Record)
_SECOND = timedelta(seconds=1)


def _container(root: str, shape: object) -> msgspec.json.Decoder[Any]:
    """A decoder that insists on the root key: an answer without it is not an empty list (C9)."""
    return msgspec.json.Decoder(msgspec.defstruct(f"{root.title()}Root", [("root", shape)], rename={"root": root}))


_PAGES = {stream: _container(stream, list[msgspec.Raw]) for stream in RESOURCES}
_SINGLES = {stream: _container(resource, msgspec.Raw) for stream, resource in RESOURCES.items()}


class Place(NamedTuple):
    """Where a listing stands: the status being listed, and the URL of its next page, "" for the first."""

    status: str
    url: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.url}"


class Listing:
    """Reads the lists of one shop in one API version."""

    def __init__(self, shop: str, api_version: str) -> None:
        self._shop = shop
        self._version = api_version

    def pages(self, client: ProviderClient, stream: str, window: Window, cursor: str | None) -> Iterator[Page]:
        """Every page of `window`, of one status after the other; see `ListsItems.pages`."""
        statuses = _STATUSES.get(stream, ("",))
        place = Place(*cursor.split(" ", 1)) if cursor else Place(statuses[0])
        following: Place | None = place
        while following:
            place = following
            items, url = self._page(client, stream, window, place)
            later = statuses[statuses.index(place.status) + 1 :]
            following = Place(place.status, url) if url else Place(later[0]) if later else None
            yield Page(items, str(following) if following else None)

    def read(self, client: ProviderClient, stream: str, subject_id: str) -> Snapshot | None:
        """One resource by id, None if Shopify does not know it (any more)."""
        try:
            found, answer = client.get_page(self.path(f"{stream}/{subject_id}"), _SINGLES[stream])
        except NotFound:
            return None
        self._check_version(answer)
        return _snapshot(RESOURCES[stream], found.root)

    def some(self, client: ProviderClient, stream: str, ids: Sequence[str]) -> list[Snapshot]:
        """Those of up to 250 resources that Shopify knows, in one request, whatever state they are in."""
        params = {"ids": ",".join(ids), "limit": str(PAGE_SIZE), "status": "any"}
        found, answer = client.get_page(self.path(stream), _PAGES[stream], params=params)
        self._check_version(answer)
        return [_snapshot(RESOURCES[stream], raw) for raw in found.root]

    def _page(self, client: ProviderClient, stream: str, window: Window, place: Place) -> tuple[list[Snapshot], str]:
        params = None if place.url else _question(window, place.status)
        found, answer = client.get_page(place.url or self.path(stream), _PAGES[stream], params=params)
        self._check_version(answer)
        resource = RESOURCES[stream]
        return [_snapshot(resource, raw) for raw in found.root], next_link(answer, self._shop)

    def path(self, rest: str) -> str:
        """The path of a resource, such as `orders/1001`."""
        return f"/admin/api/{self._version}/{rest}.json"

    def _check_version(self, answer: Answer) -> None:
        """A retired version falls forward in silence to the oldest supported one, whose bodies may differ.

        Only an answer that names another version is refused: a proxy that strips the header proves nothing.
        """
        served = answer.headers.get("X-Shopify-API-Version", self._version)
        if served != self._version:
            raise BadAnswer(
                f"{self._shop}: API version {self._version} was asked for and {served} answered (a retired version "
                f"falls forward); set api_version: {served!r} once the handlers know its bodies"
            )


def next_link(answer: Answer, shop: str) -> str:
    """The URL of the page after this one, "" at the end.

    Behind a `base_url` the shop still names itself: its own name is left out, so that the client asks where it was
    told to. Any other host stays in, for the client to refuse.
    """
    link = _NEXT.search(answer.headers.get("Link", ""))
    return link[1].removeprefix(f"https://{shop}") if link else ""


def _question(window: Window, status: str) -> Mapping[str, str]:
    asked = {
        "limit": str(PAGE_SIZE),
        "updated_at_min": _second(window.start),
        "updated_at_max": _second(window.end + _SECOND - timedelta(microseconds=1)),
    }
    return asked | ({"status": status} if status else {})


def _second(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _snapshot(resource: str, raw: msgspec.Raw) -> Snapshot:
    try:
        record = _RECORD.decode(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadAnswer(f"Shopify listed {resource} that cannot be read: {error}") from None
    if record.updated_at is None:
        raise BadAnswer(f"Shopify listed {resource}/{record.id} without the updated_at it is listed by")
    # Read once more for every fact: in UTC, where arithmetic costs a third of what it does with an offset.
    at = record.updated_at = record.updated_at.astimezone(UTC)
    return Snapshot(Subject(resource, str(record.id)), micros(at), at, bytes(raw), record)
