"""What is true of a gateway, as far as its configuration says it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from connectors.gateway import moments
from connectors.gateway.items import Items
from connectors.gateway.settings import GatewaySettings
from reconcile.connector import Facts, FilterBy, StreamFacts, StreamKind, TopicFacts
from reconcile.model import Occurrence, TransactionStatus

DOCS = "https://www.rfc-editor.org/rfc/rfc6901"
_PENDING = "what is pending is asked for until it is not"


def facts_of(settings: GatewaySettings, items: Items) -> Facts:
    """One list at most, and the topics that its items can prove."""
    stream = _stream(settings, items)
    streams = () if stream is None else (stream,)
    terminal = frozenset(raw for raw, status in settings.statuses.items() if status.terminal)
    return Facts(
        docs=DOCS,
        streams=streams,
        topics=tuple(_topics(settings, items, stream.name if stream else "")),
        rate=5.0,
        terminal_statuses={items.resource: terminal},
    )


def _stream(settings: GatewaySettings, items: Items) -> StreamFacts | None:
    listing = settings.listing
    if listing is None:
        return None
    last = urlsplit(listing.path).path.rstrip("/").rpartition("/")[2]
    return StreamFacts(
        name=last if re.fullmatch(r"[A-Za-z0-9_-]+", last) else "list",
        kind=StreamKind.LIST,
        filter_by=FilterBy.UPDATED if listing.filters.by_update else FilterBy.CREATED,
        page_size=listing.page_size,
        resource=items.resource,
        resolution=moments.resolution(listing),
        by_place=listing.by_place,
    )


def _topics(settings: GatewaySettings, items: Items, stream: str) -> Iterator[TopicFacts]:
    """Every topic that the template can come to; what happened, happened once."""
    whys: dict[str, str] = {}
    for raw, status in settings.statuses.items():
        topic = items.topic_of(status, raw)
        why = _why_not(status, stream)
        whys[topic] = why if whys.get(topic, why) else ""
    if "{status}" in settings.topic and "{raw}" not in settings.topic:
        for status in TransactionStatus:
            whys.setdefault(items.topic_of(status, ""), f"no status is configured to mean {status}")
    for topic, why in whys.items():
        yield TopicFacts(topic, Occurrence.ONCE, "" if why else stream, why)


def _why_not(status: TransactionStatus, stream: str) -> str:
    if not status.terminal:
        return _PENDING
    return "" if stream else "no list is configured"
