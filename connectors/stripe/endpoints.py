"""Webhook endpoints (v1): listing, making, changing and deleting them.

A request says `disabled`, an answer says `status`. `api_version` and `connect` are fixed when an endpoint is made, and
only the answer that made it shows its secret; the same `Idempotency-Key` brings that answer again for 24 hours.
Source: https://docs.stripe.com/api/webhook_endpoints and https://docs.stripe.com/api/idempotent_requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

import msgspec

from connectors.stripe.paging import Lister
from reconcile.connector import Mend, Subscription, Wanted
from reconcile.errors import BadAnswer, NotFound, Rejected
from reconcile.http import Answer, ProviderClient

PATH = "/v1/webhook_endpoints"
MOST = 16  # endpoints of an account in each mode
_MARK = "reconcile"  # our key in an endpoint's metadata


class _Endpoint(msgspec.Struct):
    id: str
    url: str
    status: str
    enabled_events: list[str]
    api_version: str | None = None
    metadata: dict[str, str] | None = None
    secret: str | None = None


_ENDPOINT = msgspec.json.Decoder(_Endpoint)


def subscriptions(client: ProviderClient) -> Iterator[Subscription]:
    """Every endpoint of the account. One without its own version is rendered in the account's default."""
    cursor: list[tuple[str, str]] = []
    more = True
    while more:
        page = Lister(client, PATH).page(extra=cursor)
        found = [_shown(_decoded(raw)) for raw in page.data]
        yield from found
        following = [("starting_after", found[-1].id)] if found else cursor
        if page.has_more and following == cursor:
            raise BadAnswer(f"{PATH}: pagination_loop: a page came twice")
        more, cursor = page.has_more, following


def mend(subscription: Subscription, wanted: Wanted) -> Mend:
    """Another API version takes another endpoint; all else can be changed."""
    fixed = wanted.api_version and subscription.api_version != wanted.api_version
    return Mend.ADD if fixed else Mend.UPDATE


def create(client: ProviderClient, wanted: Wanted, *, connect: bool) -> Subscription:
    """Make one; with `connect` it hears of the connected accounts, and of nothing else."""
    form: dict[str, str | Sequence[str]] = {
        "url": wanted.url,
        "enabled_events[]": wanted.topics,
        "description": f"reconcile: {client.source}",
    }
    form |= {f"metadata[{_MARK}]": wanted.key} if wanted.key else {}
    form |= {"api_version": wanted.api_version} if wanted.api_version else {}
    form |= {"connect": "true"} if connect else {}
    try:
        answer = client.post(PATH, form=form, headers=_key(wanted.key))
    except Rejected as error:
        if error.status == 400 and len(list(subscriptions(client))) >= MOST:
            raise _full(client, error) from None
        raise
    return _made(answer)


def update(client: ProviderClient, subscription: Subscription, wanted: Wanted) -> Subscription | None:
    """Enable it, with all of `wanted.topics` beside those it has at this moment, whoever added them.

    One that was moved since it was listed stays where somebody wants it.
    """
    if mend(subscription, wanted) is not Mend.UPDATE:
        return None
    path = f"{PATH}/{quote(subscription.id, safe='')}"
    now = client.get_json(path, _ENDPOINT)
    if now.url not in (subscription.url, wanted.url):
        return None
    events = (*now.enabled_events, *wanted.topics)
    topics = ["*"] if "*" in events else list(dict.fromkeys(events))
    form = {"url": wanted.url, "enabled_events[]": topics, "disabled": "false"}
    return _shown(client.post(path, form=form, idempotent=True).decode(_ENDPOINT))


def delete(client: ProviderClient, subscription: Subscription) -> None:
    """Delete it, unless it is gone."""
    try:
        client.delete(f"{PATH}/{quote(subscription.id, safe='')}")
    except NotFound:
        return


def _key(key: str) -> Mapping[str, str] | None:
    return {"Idempotency-Key": key} if key else None


def _made(answer: Answer) -> Subscription:
    try:
        return _shown(answer.decode(_ENDPOINT))
    except BadAnswer as error:
        # Without an excerpt: the secret may be in it.
        raise BadAnswer(f"{PATH}: what came of making an endpoint cannot be read", status=error.status) from None


def _decoded(raw: msgspec.Raw) -> _Endpoint:
    try:
        return _ENDPOINT.decode(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadAnswer(f"{PATH} listed an entry that cannot be read: {error}") from None


def _shown(endpoint: _Endpoint) -> Subscription:
    return Subscription(
        endpoint.id,
        endpoint.url,
        tuple(endpoint.enabled_events),
        enabled=endpoint.status == "enabled",
        api_version=endpoint.api_version or "",
        secret=endpoint.secret or "",
        mark=(endpoint.metadata or {}).get(_MARK, ""),
    )


def _full(client: ProviderClient, error: Rejected) -> Rejected:
    return Rejected(
        f"{client.source}: Stripe allows {MOST} webhook endpoints of an account and there are {MOST}: delete one that "
        "is not needed, or let one of them send to webhook.url",
        status=error.status,
    )
