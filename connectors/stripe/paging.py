"""One page of any Stripe list, as raw entries: `{"data": […], "has_more": …}`, both insisted on (C9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from reconcile.errors import BadAnswer
from reconcile.http import ProviderClient
from reconcile.model import Window, iso, micros
from reconcile.windows import widen

PAGE_SIZE = 100
Params = Sequence[tuple[str, str]]


class RawPage(msgspec.Struct):
    """Entries newest first, also when paging towards newer ones."""

    data: list[msgspec.Raw]
    has_more: bool


_PAGE = msgspec.json.Decoder(RawPage)


@dataclass(frozen=True, slots=True)
class Lister:
    """Asks one list of one account for its pages. `params` go with every request."""

    client: ProviderClient
    path: str
    account: str = ""
    params: Params = ()

    def page(self, *, limit: int = PAGE_SIZE, extra: Params = ()) -> RawPage:
        """One page; `BadAnswer` if it says that there is more but shows nothing to go on from."""
        asked = [("limit", str(limit)), *self.params, *extra]
        page = self.client.get_json(self.path, _PAGE, params=asked, headers=account_header(self.account))
        if page.has_more and not page.data:
            raise BadAnswer(f"{self.path} answered an empty page and has_more")
        return page


def account_header(account: str) -> dict[str, str] | None:
    """The header that reads a connected account."""
    return {"Stripe-Account": account} if account else None


def created_in(window: Window) -> Params:
    """The window widened to whole seconds: `[start, end)`."""
    end = window.end + timedelta(seconds=1) - timedelta(microseconds=1)
    return [("created[gte]", str(unix(window.start))), ("created[lt]", str(unix(end)))]


def insist(path: str, window: Window, moments: Iterable[datetime]) -> None:
    """Raise `BadAnswer` for an entry of a time that `created_in` does not ask for: something between us and Stripe, a
    cache perhaps, answers another question, so nobody knows what it leaves out.
    """
    asked = widen(window, timedelta(seconds=1))
    if wrong := next((moment for moment in moments if moment not in asked), None):
        raise BadAnswer(f"{path} was asked for {asked} and lists something of {iso(wrong)}: nothing it says is proof")


def unix(when: datetime) -> int:
    """Whole seconds since 1970, rounded down."""
    return micros(when) // 1_000_000


def at(created: int) -> datetime:
    """The instant of a unix second, UTC."""
    return datetime.fromtimestamp(created, UTC)
