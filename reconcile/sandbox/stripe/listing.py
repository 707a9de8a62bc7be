"""Lists of a fake Stripe account: filters and cursors (https://docs.stripe.com/api/pagination)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from reconcile.sandbox.fake import Json
from reconcile.sandbox.stripe.params import Params, error
from reconcile.sandbox.stripe.records import Event, Listed, Row

MAX_LIMIT = 100
MAX_TYPES = 20
PAGING = ("limit", "starting_after", "ending_before")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip
T = TypeVar("T", bound=Listed)


@dataclass(frozen=True, slots=True)
class Resource:
    """One list: the kind of object, what it filters by exactly, and by range."""

    kind: str
    equal: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ("created",)


RESOURCES: Mapping[str, Resource] = {
    "payment_intents": Resource("payment_intent", ("customer", "customer_account")),
    "setup_intents": Resource("setup_intent", ("customer", "customer_account", "payment_method")),
    "charges": Resource("charge", ("customer", "payment_intent", "transfer_group")),
    "refunds": Resource("refund", ("charge", "payment_intent")),
    "disputes": Resource("dispute", ("charge", "payment_intent")),
    "payouts": Resource("payout", ("destination", "status"), ("created", "arrival_date")),
    "invoices": Resource(
        "invoice", ("customer", "status", "subscription", "collection_method"), ("created", "due_date")
    ),
    "subscriptions": Resource(
        "subscription",
        ("customer", "price", "plan", "status"),
        ("created", "current_period_start", "current_period_end"),
    ),
    "customers": Resource("customer", ("email", "test_clock")),
    "checkout/sessions": Resource(
        "checkout.session", ("customer", "payment_intent", "payment_link", "status", "subscription")
    ),
}


def field_of(body: Json, name: str) -> Any:
    """A filter's field; some moved to a line or a parent in newer versions."""
    if body["object"] == "subscription" and name in {"price", "plan", "current_period_start", "current_period_end"}:
        item = body["items"]["data"][0]
        return item["price"]["id"] if name in {"price", "plan"} else item[name]
    if body["object"] == "invoice" and name == "subscription":
        return ((body["parent"] or {}).get("subscription_details") or {}).get("subscription")
    return body.get(name)


def within(value: int | None, bounds: Mapping[str, int]) -> bool:
    """Whether a number satisfies every bound; an absent one satisfies none."""
    return all(value is not None and _COMPARE[name](value, bound) for name, bound in bounds.items())


def rows(resource: Resource, params: Params, found: Iterable[Row]) -> list[Row]:
    """The objects a list asks for. Deleted ones never; canceled subscriptions only when named."""
    params.only(single={*PAGING, *resource.equal, *resource.ranges}, nested=resource.ranges)
    equal = {name: params.single[name] for name in resource.equal if name in params.single}
    ranges = {name: params.bounds(name) for name in resource.ranges}
    status = equal.pop("status", "") if resource.kind == "subscription" else ""
    kept = [row for row in found if not row.deleted and _matches(row.body, equal, ranges)]
    return [row for row in kept if _has_status(row.body, status)] if resource.kind == "subscription" else kept


def _matches(body: Json, equal: Mapping[str, str], ranges: Mapping[str, Mapping[str, int]]) -> bool:
    same = all(field_of(body, name) == value for name, value in equal.items())
    return same and all(within(field_of(body, name), bounds) for name, bounds in ranges.items())


def _has_status(body: Json, wanted: str) -> bool:
    ended = body["status"] in {"canceled", "incomplete_expired"}
    if wanted in {"all", "ended"}:
        return ended or wanted == "all"
    return bool(body["status"] == wanted) if wanted else body["status"] != "canceled"


def events(params: Params, found: Iterable[Event]) -> list[Event]:
    """The events a list asks for: `type` (exact, or `charge.*`) or up to 20 exact `types`, never both."""
    params.only(single={*PAGING, "created", "type", "delivery_success"}, lists={"types"}, nested={"created"})
    wanted = _types(params)
    bounds, delivered = params.bounds("created"), params.boolean("delivery_success")
    return [
        event
        for event in found
        if wanted(event.type) and within(event.created, bounds) and delivered in {None, not event.undelivered}
    ]


def _types(params: Params) -> Callable[[str], bool]:
    single, several = params.single.get("type"), params.lists.get("types", [])
    if single is not None and several:
        raise error(400, "You may only specify one of these parameters: type, types.", param="types")
    if len(several) > MAX_TYPES:
        raise error(400, f"Array exceeded maximum {MAX_TYPES} allowed elements.", param="types")
    if any("*" in name for name in several):
        raise error(400, "Invalid types: a wildcard is only allowed in `type`.", param="types")
    if single is not None and single.endswith("*"):
        return lambda name: name.startswith(single[:-1])
    names = {single} if single is not None else set(several)
    return lambda name: not names or name in names


@dataclass(frozen=True, slots=True)
class Window:
    """The paging parameters of one request."""

    limit: int
    after: str | None
    before: str | None


def window(params: Params) -> Window:
    """Read them; 400 for a limit beyond 1 to 100, and for both cursors at once."""
    limit = params.integer("limit", params.single.get("limit"))
    if limit is not None and limit > MAX_LIMIT:
        text = f"This value must be less than or equal to {MAX_LIMIT} (it currently is '{limit}')."
        raise error(400, text, code="parameter_invalid_integer", param="limit")
    if limit is not None and limit < 1:
        text = f"This value must be greater than or equal to 1 (it currently is '{limit}')."
        raise error(400, text, code="parameter_invalid_integer", param="limit")
    after, before = params.single.get("starting_after"), params.single.get("ending_before")
    if after is not None and before is not None:
        raise error(400, "You cannot parameterize both starting_after and ending_before.", param="starting_after")
    return Window(10 if limit is None else limit, after, before)


def page(asked: Window, found: Sequence[T], known: Mapping[str, T], now: datetime) -> tuple[list[T], bool]:
    """One page, newest first, and whether there is more in the direction asked.

    `ending_before` walks forward in time: the page is the *oldest* items newer than the cursor, still newest first.
    A cursor that names nothing visible is a 400 `resource_missing`; it need not match the filter.
    """
    visible = sorted((item for item in found if item.visible_at <= now), key=_place, reverse=True)
    if asked.before is not None:
        edge = _place(_cursor(known, asked.before, "ending_before", now))
        newer = [item for item in visible if _place(item) > edge]
        return newer[-asked.limit :], len(newer) > asked.limit
    if asked.after is not None:
        edge = _place(_cursor(known, asked.after, "starting_after", now))
        visible = [item for item in visible if _place(item) < edge]
    return visible[: asked.limit], len(visible) > asked.limit


def _place(item: Listed) -> tuple[int, int]:
    return item.created, item.serial


def _cursor(known: Mapping[str, T], object_id: str, param: str, now: datetime) -> T:
    item = known.get(object_id)
    if item is None or item.visible_at > now:
        raise error(400, f"No such object: '{object_id}'", code="resource_missing", param=param)
    return item
