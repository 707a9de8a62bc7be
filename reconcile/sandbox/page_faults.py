"""Faults of lists: answers that are valid JSON and wrong. Each returns a `Fault` for `Faults.add`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import msgspec

from reconcile.sandbox.fake import Handle, Json
from reconcile.sandbox.faults import Fault

LISTS = ("data", "orders", "customers", "products", "draft_orders", "webhooks")


def edited(edit: Callable[[Json], object]) -> Fault:
    """The true answer with its JSON changed: in place, or replaced by what `edit` returns unless that is None."""

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        true = handle(request)
        body: Any = msgspec.json.decode(true.content)
        other = edit(body)
        return _with(true, msgspec.json.encode(body if other is None else other))

    return fault


def missing_key(*names: str) -> Fault:
    """The true answer without these keys; without names, without the list itself."""

    def edit(body: Json) -> None:
        for name in names or LISTS:
            body.pop(name, None)

    return edited(edit)


def wrong_shape() -> Fault:
    """A list where an object should be: the items without their envelope."""
    return edited(lambda body: next((body[name] for name in LISTS if name in body), []))


def empty_page() -> Fault:
    """A page without items that says there are more: its links and `has_more` stay as they were."""

    def edit(body: Json) -> None:
        for name in LISTS:
            if name in body:
                body[name] = []

    return edited(edit)


def items_dropped(count: int = 1) -> Fault:
    """The true page without its last `count` items: a list that forgets."""

    def edit(body: Json) -> None:
        for name in LISTS:
            if name in body:
                del body[name][-count:]

    return edited(edit)


def next_link(url: str | Callable[[httpx.Request], str]) -> Fault:
    """The true page with another `rel="next"`: foreign (`https://evil.example/…`), or its own URL again."""

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        true = handle(request)
        target = url if isinstance(url, str) else url(request)
        true.headers["Link"] = f'<{target}>; rel="next"'
        return true

    return fault


def looped(period: int = 1) -> Fault:
    """The first `period` pages, again and again: 1 is A→A, 2 is A→B→A. Use it with `times=0`."""
    kept: list[httpx.Response] = []
    asked = 0

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        nonlocal asked
        asked += 1
        if len(kept) < period:
            kept.append(handle(request))
            return kept[-1]
        return _with(kept[(asked - 1) % period], kept[(asked - 1) % period].content)

    return fault


def repeated_page() -> Fault:
    """The items of the page before in the place of this page's, this page's own links kept. Use it with `times=0`.

    Every second request gets it, so that lists still end.
    """
    before: list[bytes] = []

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        true = handle(request)
        if before:
            return _with(true, before.pop())
        before.append(true.content)
        return true

    return fault


def overlapping(count: int = 1) -> Fault:
    """Every page begins with the last `count` items of the one before: duplicates across pages. Use `times=0`."""
    before: list[object] = []

    def edit(body: Json) -> None:
        for name in LISTS:
            if name in body:
                own = list(body[name])
                body[name] = [*before, *own]
                before[:] = own[-count:]

    return edited(edit)


def _with(true: httpx.Response, body: bytes) -> httpx.Response:
    headers = httpx.Headers([item for item in true.headers.multi_items() if item[0] != "content-length"])
    return httpx.Response(true.status_code, headers=headers, content=body)
