"""Resource lists by creation: Stripe has no other time filter, and no `updated` field anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from connectors.stripe.facts import LISTS
from connectors.stripe.paging import Lister, Params, RawPage, account_header, at, created_in, insist
from connectors.stripe.shapes import Listed, Resource
from reconcile.connector import Page, StreamRef
from reconcile.errors import BadAnswer, NotFound, Rejected
from reconcile.http import ProviderClient
from reconcile.model import Snapshot, Subject, Window

_RESOURCE = msgspec.json.Decoder(Resource)
# Canceled subscriptions are left out unless asked for.
_ALWAYS: dict[str, Params] = {"subscriptions": [("status", "all")]}


class _Deleted(msgspec.Struct):
    deleted: bool = False


_DELETED = msgspec.json.Decoder(_Deleted)


def pages(client: ProviderClient, stream: StreamRef, window: Window, cursor: str | None) -> Iterator[Page]:
    """Every page of `window`, newest first; the cursor is the oldest object already yielded.

    A cursor whose object is gone is refused (400): the window starts over, repeats are dropped by the core.
    """
    path, resource = LISTS[stream.name]
    asked = [*created_in(window), *_ALWAYS.get(stream.name, ())]
    lister = Lister(client, f"/v1/{path}", stream.account, asked)
    page = _resumed(lister, cursor) if cursor else None
    more = True
    while more:
        page = page or lister.page(extra=[("starting_after", cursor)] if cursor else ())
        items = [_snapshot(resource, stream.account, raw) for raw in page.data]
        insist(lister.path, window, (item.at for item in items))
        more = page.has_more
        cursor = items[-1].subject.id if more else None
        page = None
        yield Page(items, cursor)


def _resumed(lister: Lister, cursor: str) -> RawPage:
    try:
        return lister.page(extra=[("starting_after", cursor)])
    except Rejected as error:
        if error.status not in (400, 404):
            raise
        return lister.page()


def read(client: ProviderClient, stream: StreamRef, subject_id: str) -> Snapshot | None:
    """One object as it is now; None if Stripe does not know it, or says `"deleted": true` (customers)."""
    path, resource = LISTS[stream.name]
    try:
        url = f"/v1/{path}/{subject_id}"
        deleted, answer = client.get_page(url, _DELETED, headers=account_header(stream.account))
    except NotFound:
        return None
    if deleted.deleted:
        return None
    return _snapshot(resource, stream.account, answer.content)


def _snapshot(resource: str, account: str, raw: msgspec.Raw | bytes) -> Snapshot:
    try:
        found = _RESOURCE.decode(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadAnswer(f"Stripe listed a {resource} that cannot be read: {error}") from None
    version = found.created * 1_000_000
    return Snapshot(Subject(resource, found.id), version, at(found.created), bytes(raw), Listed(found, account))
