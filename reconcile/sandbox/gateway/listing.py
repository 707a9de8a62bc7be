"""Lists of a fake gateway: filters, pages, and refusals of what the provider would refuse."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

import httpx

from reconcile.model import EPOCH
from reconcile.sandbox.fake import Refusal
from reconcile.sandbox.gateway.records import Payment
from reconcile.sandbox.gateway.shape import More, Paging, Shape

_UNSIGNED = re.compile(r"[0-9]{1,15}")


def refusal(text: str) -> Refusal:
    """A 400."""
    return Refusal(400, {"error": {"message": text}})


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a request for a list."""

    shape: Shape
    params: Mapping[str, str]
    url: httpx.URL

    def check(self) -> None:
        """400 for a parameter that there is not."""
        shape = self.shape
        known = {shape.page_param, shape.size_param, *shape.filters.values(), *shape.fixed} - {""}
        unknown = sorted(self.params.keys() - known)
        if unknown:
            raise refusal(f"unknown parameter {unknown[0]}")

    @property
    def size(self) -> int:
        """How many items a page has; more than the most is refused, or cut in silence where the provider does so."""
        text = self.params.get(self.shape.size_param, str(self.shape.default_size))
        size = _whole(text, self.shape.size_param)
        if self.shape.clamps:
            return max(1, min(size, self.shape.max_size))
        if not 1 <= size <= self.shape.max_size:
            raise refusal(f"{self.shape.size_param} must be from 1 to {self.shape.max_size}")
        return size

    def wants(self, payment: Payment) -> bool:
        """Whether the filters let it through."""
        shape = self.shape
        for ours, theirs in shape.filters.items():
            if theirs in self.params:
                time = payment.created if ours.startswith("created") else payment.updated
                if not self._within(time, ours, self.params[theirs]):
                    return False
        return True

    def _within(self, time: datetime, bound: str, text: str) -> bool:
        limit = _instant(text, self.shape.time)
        if self.shape.time in ("epoch_s", "iso8601"):
            time = time.replace(microsecond=0)
        if bound.endswith("_min"):
            return time > limit if self.shape.open_ended else time >= limit
        if self.shape.time == "date" and not self.shape.open_ended:
            return time < limit + timedelta(days=1)  # the whole day
        return time < limit if self.shape.open_ended else time <= limit


def page(asked: Asked, shown: list[Payment]) -> tuple[list[Payment], More]:
    """One page, newest first, and what is said of the next."""
    asked.check()
    shape, size = asked.shape, asked.size
    if shape.paging is Paging.NONE:
        size = max(1, len(shown))
    by_update = any(ours.startswith("updated") and theirs in asked.params for ours, theirs in shape.filters.items())
    found = sorted(
        (payment for payment in shown if asked.wants(payment)),
        key=lambda one: (one.updated if by_update else one.created, one.serial),
        reverse=True,
    )
    start = _start(asked, found, size)
    here, more = found[start : start + size], start + size < len(found)
    if start and not here and shape.ends_with_404:
        raise Refusal(404, {"detail": "Invalid page."})
    token = _token(shape, here[-1]) if more and shape.page_param else None
    url = _next_url(asked, token) if token and shape.paging in (Paging.NEXT, Paging.LINK) else None
    return here, More(more, token, url, len(found), start // size + 1)


def _start(asked: Asked, found: list[Payment], size: int) -> int:
    shape = asked.shape
    given = asked.params.get(shape.page_param)
    if given is None or shape.paging is Paging.NONE:
        return 0
    if shape.paging is Paging.PAGE:
        number = _whole(given, shape.page_param)
        if number < 1:
            raise refusal(f"{shape.page_param} begins with 1")
        return (number - 1) * size
    if shape.paging is Paging.OFFSET:
        return _whole(given, shape.page_param)
    places = [number for number, payment in enumerate(found) if _token(shape, payment) == given]
    if not places:
        raise refusal(f"{shape.page_param} names nothing")
    return places[0] + 1


def _token(shape: Shape, payment: Payment) -> str:
    if shape.paging is Paging.AFTER_ID:
        return payment.id
    return base64.urlsafe_b64encode(f"c:{payment.id}".encode()).decode()


def _next_url(asked: Asked, token: str) -> str:
    params = {**asked.params, asked.shape.page_param: token}
    return f"{asked.url.scheme}://{asked.url.netloc.decode()}{asked.shape.list_path}?{urlencode(params)}"


def _whole(text: str, name: str) -> int:
    if not _UNSIGNED.fullmatch(text):
        raise refusal(f"{name} must be a number")
    return int(text)


def _instant(text: str, time: str) -> datetime:
    try:
        if time == "date":
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        if time == "iso8601":
            return datetime.fromisoformat(text).astimezone(UTC)
        number = int(text)
    except ValueError:
        raise refusal(f"{text} is no {time}") from None
    return EPOCH + timedelta(milliseconds=number if time == "epoch_ms" else number * 1000)
