"""How one provider's API looks, as far as it is published: what a `FakeGateway` plays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconcile.model import TransactionStatus
from reconcile.sandbox.fake import Json
from reconcile.sandbox.gateway.records import Payment


class Paging(StrEnum):
    """How a list goes on."""

    PAGE = "page"
    OFFSET = "offset"
    CURSOR = "cursor"  # an opaque token in the answer
    AFTER_ID = "after_id"  # the id of the last item
    NEXT = "next"  # a URL in the answer
    LINK = "link"  # a URL in the Link header
    NONE = "none"


@dataclass(frozen=True, slots=True)
class More:
    """What an answer says of the page after it: a token, a URL. `total` counts all that was asked for."""

    more: bool
    token: str | None
    url: str | None
    total: int
    page: int


@dataclass(frozen=True, slots=True)
class Shape:
    """One provider.

    `auth` is (kind, name, value). `filters` are its parameters by ours; `open_ended` says that their bounds are
    exclusive. `time` is how it writes them: iso8601, epoch_s, epoch_ms or date. `words` are its statuses by ours,
    `topics` the webhooks it sends by status. `item` renders a payment, `page` a list, `one` an answer about one,
    `envelope` a webhook; `sign` gives a webhook's headers at an instant. `fixed` parameters are always the same.
    `ends_with_404`: there is no page after the last one with anything on it. `clamps`: a page size that is too large is
    cut in silence. `by_reference`: its status call takes the reference.
    """

    auth: tuple[str, str, str]
    list_path: str
    status_path: str
    status_param: str
    filters: Mapping[str, str]
    time: str
    paging: Paging
    page_param: str
    size_param: str
    default_size: int
    max_size: int
    words: Mapping[TransactionStatus, str]
    topics: Mapping[TransactionStatus, str]
    item: Callable[[Payment], Json]
    page: Callable[[list[Json], More], Any]
    one: Callable[[Json], Any]
    envelope: Callable[[str, Payment, str, datetime], Json]
    sign: Callable[[str, bytes, str, datetime], Mapping[str, str]]
    fixed: Mapping[str, str] = field(default_factory=dict)
    ends_with_404: bool = False
    clamps: bool = False
    open_ended: bool = False
    by_reference: bool = True
    id_prefix: str = "pay_"

    def key(self, payment: Payment) -> str:
        """By which id its status is asked for."""
        return payment.reference if self.by_reference else payment.id
