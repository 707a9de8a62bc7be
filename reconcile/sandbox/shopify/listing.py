"""REST lists of a fake shop: filters, order and cursors (https://shopify.dev/docs/api/usage/pagination-rest)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec

from reconcile.sandbox.fake import Json, Refusal
from reconcile.sandbox.shopify.store import Version

DEFAULT_LIMIT = 50
MAX_LIMIT = 250
CURSOR_LIFE = timedelta(hours=1)  # that cursors end is documented, when is not
_ORDERS = {f"{by} {way}": (by, way) for by in ("created_at", "updated_at", "id") for way in ("asc", "desc")}
Test = Callable[[Version], bool]


@dataclass(frozen=True, slots=True)
class Resource:
    """What one list filters by. An unknown parameter is ignored in silence, as Shopify does."""

    times: tuple[str, ...]
    equal: tuple[str, ...] = ()
    status: Mapping[str, Test] | None = None
    default_status: str = ""


def _open(version: Version) -> bool:
    return not _value(version, "closed_at") and not _value(version, "cancelled_at")


def _value(version: Version, name: str) -> Any:
    return version.body.get(name) if version.body else None


def _having(name: str, value: object) -> Test:
    return lambda version: bool(_value(version, name) == value)


ORDER_STATUS: Mapping[str, Test] = {
    "open": _open,
    "closed": lambda version: bool(_value(version, "closed_at")),
    "cancelled": lambda version: bool(_value(version, "cancelled_at")),
    "any": lambda _: True,
}
RESOURCES: Mapping[str, Resource] = {
    "orders": Resource(
        ("created_at", "updated_at", "processed_at"),
        ("name", "financial_status"),
        ORDER_STATUS,
        default_status="open",
    ),
    "customers": Resource(("created_at", "updated_at")),
    "products": Resource(
        ("created_at", "updated_at", "published_at"),
        ("vendor", "handle"),
        {name: _having("status", name) for name in ("active", "archived", "draft")},
    ),
    "draft_orders": Resource(
        ("updated_at",), (), {name: _having("status", name) for name in ("open", "invoice_sent", "completed")}
    ),
}
FULFILLMENT_STATUS: Mapping[str, Test] = {
    "shipped": _having("fulfillment_status", "fulfilled"),
    "partial": _having("fulfillment_status", "partial"),
    "unshipped": _having("fulfillment_status", None),
    "unfulfilled": lambda version: _value(version, "fulfillment_status") in {None, "partial"},
}


class Cursor(msgspec.Struct):
    """What a `page_info` stands for: the whole question, and where it stopped."""

    resource: str
    params: dict[str, str]
    limit: int
    key: list[int]
    backwards: bool
    issued: float

    def encode(self) -> str:
        """Opaque to the client."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()


def decode_cursor(text: str, resource: str, now: datetime) -> Cursor:
    """The cursor; 400 if it is not one of ours, of another list, or too old."""
    try:
        cursor = msgspec.json.decode(base64.urlsafe_b64decode(text), type=Cursor)
    except (ValueError, binascii.Error) as error:
        raise Refusal(400, {"errors": {"page_info": "Invalid value."}}) from error
    if cursor.resource != resource or now.timestamp() - cursor.issued > CURSOR_LIFE.total_seconds():
        raise Refusal(400, {"errors": {"page_info": "Invalid value."}})
    return cursor


@dataclass(frozen=True, slots=True)
class Question:
    """One request for a page."""

    resource: str
    params: Mapping[str, str]
    limit: int
    cursor: Cursor | None
    zone: ZoneInfo
    ordered: bool

    @property
    def order(self) -> tuple[str, str]:
        """Field and direction: ids ascending with `since_id`, else newest first unless `order` says otherwise."""
        if "since_id" in self.params:
            return "id", "asc"
        wanted = self.params.get("order", "").lower() if self.ordered else ""
        return _ORDERS.get(wanted, ("created_at", "desc"))

    def key(self, version: Version) -> list[int]:
        """Where a version stands in that order; ties of a second are broken by id."""
        by = self.order[0]
        return [version.id] if by == "id" else [version.times.get(by, 0), version.id]


def ask(resource: str, params: Mapping[str, str], now: datetime, zone: ZoneInfo, *, ordered: bool) -> Question:
    """Read the parameters of a list; raises `Refusal` as Shopify refuses them."""
    limit = limit_of(params)
    if "page_info" not in params:
        return Question(resource, params, limit or DEFAULT_LIMIT, None, zone, ordered)
    for name in params:
        if name not in {"page_info", "limit", "fields"}:
            text = (
                f"{name} cannot be passed when page_info is present. "
                "See https://shopify.dev/api/usage/pagination-rest for more information."
            )
            raise Refusal(400, {"errors": {name: text}})
    cursor = decode_cursor(params["page_info"], resource, now)
    asked = {**cursor.params, **({"fields": params["fields"]} if "fields" in params else {})}
    return Question(resource, asked, limit or cursor.limit, cursor, zone, ordered)


def limit_of(params: Mapping[str, str]) -> int:
    """The page size asked for, 0 if none is; 400 beyond 250."""
    text = params.get("limit", "")
    if not text:
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise Refusal(400, {"errors": "Limit must be a positive number"})
    if int(text) > MAX_LIMIT:
        raise Refusal(400, {"errors": f"Limit exceeds maximum limit of {MAX_LIMIT}"})
    return int(text)


def bound(text: str, zone: ZoneInfo) -> int | None:
    """Unix seconds of a bound. One that cannot be read (quoted, or `+` sent bare) is None: no filter, no error.

    Without an offset it is the shop's own time.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((when if when.tzinfo else when.replace(tzinfo=zone)).timestamp())


def matching(question: Question, versions: Iterable[Version]) -> list[Version]:
    """The versions a question asks for, unordered."""
    tests = list(_tests(question))
    return [version for version in versions if all(test(version) for test in tests)]


def _tests(question: Question) -> Iterable[Test]:
    facts, params = RESOURCES[question.resource], question.params
    for name in facts.times:
        yield from _time_tests(name, params, question.zone)
    for name in facts.equal:
        if params.get(name, "any") != "any":
            yield _having(name, params[name])
    if facts.status is not None:
        default = facts.status.get(facts.default_status, lambda _: True)
        yield facts.status.get(params.get("status", ""), default)
    if question.resource == "orders":
        yield FULFILLMENT_STATUS.get(params.get("fulfillment_status", "any"), lambda _: True)
    if params.get("since_id", "").isdecimal():
        yield lambda version: version.id > int(params["since_id"])
    if "ids" in params:
        ids = {int(part) for part in params["ids"].split(",") if part.strip().isdecimal()}
        yield lambda version: version.id in ids


def _time_tests(name: str, params: Mapping[str, str], zone: ZoneInfo) -> Iterable[Test]:
    low, high = bound(params.get(f"{name}_min", ""), zone), bound(params.get(f"{name}_max", ""), zone)
    if low is not None:
        yield lambda version: version.times.get(name, -1) >= low
    if high is not None:
        yield lambda version: name in version.times and version.times[name] <= high


@dataclass(frozen=True, slots=True)
class Answered:
    """A page, and the cursors around it."""

    items: list[Version]
    previous: Cursor | None
    next: Cursor | None


def page(question: Question, versions: Iterable[Version], now: datetime) -> Answered:
    """One page by keyset: items that moved or went while paging shift nothing else."""
    found = sorted(matching(question, versions), key=question.key, reverse=question.order[1] == "desc")
    start, end = _span(question, found)
    items = found[start:end]
    return Answered(
        items,
        _cursor(question, items, now, "previous") if start > 0 and items else None,
        _cursor(question, items, now, "next") if end < len(found) and items else None,
    )


def _span(question: Question, found: list[Version]) -> tuple[int, int]:
    cursor = question.cursor
    if cursor is None:
        return 0, question.limit
    descending = question.order[1] == "desc"
    keys = [question.key(version) for version in found]
    before = sum((key > cursor.key) if descending else (key < cursor.key) for key in keys)
    if cursor.backwards:
        return max(0, before - question.limit), before
    start = before + sum(key == cursor.key for key in keys)
    return start, start + question.limit


def _cursor(question: Question, items: list[Version], now: datetime, way: Literal["previous", "next"]) -> Cursor:
    params = {name: value for name, value in question.params.items() if name not in {"limit", "page_info"}}
    edge = items[0] if way == "previous" else items[-1]
    return Cursor(question.resource, params, question.limit, question.key(edge), way == "previous", now.timestamp())


def link_header(base: str, limit: int, answered: Answered) -> dict[str, str]:
    """`Link`, absent when one page is all there is. `base` is the list's own URL without a query."""
    around = (("previous", answered.previous), ("next", answered.next))
    links = [
        f'<{base}?{urlencode({"limit": limit, "page_info": cursor.encode()})}>; rel="{way}"'
        for way, cursor in around
        if cursor
    ]
    return {"Link": ", ".join(links)} if links else {}


def only(fields: str, body: Json) -> Json:
    """A body with just the `fields` asked for."""
    names = [name.strip() for name in fields.split(",")]
    return {name: body[name] for name in names if name in body}
