"""The gateway itself: payments that happen, an API in front of them, and webhooks owed."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import unquote

import httpx
import msgspec

from reconcile.clock import Clock
from reconcile.model import TransactionStatus
from reconcile.sandbox.fake import Fake, Lag, Refusal, respond
from reconcile.sandbox.gateway.listing import Asked, page
from reconcile.sandbox.gateway.records import Payment, Row
from reconcile.sandbox.gateway.shape import Paging, Shape
from reconcile.sandbox.truth import Delivery, Happened

#: Seconds before each retry of a webhook; then it gives up for good, and has no list of what it never delivered.
RETRIES = (60.0, 600.0, 3600.0)


class FakeGateway(Fake):
    """One account at a gateway of `shape`. It has no event log, no redelivery and no subscriptions API.

    `lag` is how many seconds a change takes to show in lists and answers. A terminal status changes only as real ones
    do: what succeeded may be refunded, what failed may still succeed where `revivable`.
    """

    def __init__(self, shape: Shape, *, clock: Clock, lag: Lag = 0.0, seed: int = 0, revivable: bool = False) -> None:
        super().__init__(clock, seed, lag)
        self.shape = shape
        self.rows: dict[str, Row] = {}
        self.hooks: dict[str, str] = {}
        self.revivable = revivable
        self._serials = itertools.count(1)

    def subscribe(self, url: str, secret: str) -> None:
        """Send webhooks to `url`, signed with `secret`; again to change the secret."""
        self.hooks[url] = secret

    def create(self, amount: str = "12.50", currency: str = "EUR") -> str:
        """A new payment, pending; its reference or id, by which the provider is asked for it."""
        with self.lock:
            serial, now = next(self._serials), self.clock.now()
            id_ = f"{self.shape.id_prefix}{self.dice.token(14)}"
            status = TransactionStatus.PENDING
            payment = Payment(
                id_, f"ref/{serial} ä", serial, Decimal(amount), currency, status, self.shape.words[status], now, now
            )
            key = self.shape.key(payment)
            self.rows[key] = Row([(self.visible_at(), payment)])
            self._tell(key, payment)
            return key

    def become(self, key: str, status: TransactionStatus) -> None:
        """Give a payment another status."""
        with self.lock:
            row = self.rows[key]
            before = row.now.status
            revived = self.revivable and before is TransactionStatus.FAILED
            refunded = (before, status) == (TransactionStatus.SUCCEEDED, TransactionStatus.REFUNDED)
            if before.terminal and not (revived or refunded):
                raise ValueError(f"a payment that is {before} never becomes {status}")
            changed = row.become(status, self.shape.words[status], self.clock.now(), self.visible_at())
            self._tell(key, changed)

    def forget(self, key: str) -> None:
        """Delete a payment, as providers do with test data."""
        with self.lock:
            del self.rows[key]

    def headers_of(self, delivery: Delivery) -> dict[str, str]:
        """Headers of an attempt to deliver, signed now."""
        secret = self.hooks[delivery.url]
        signed = self.shape.sign(secret, delivery.body, delivery.event_id, self.clock.now())
        return {"Content-Type": "application/json", **signed}

    def owed(self, delivery: Delivery) -> bool:
        """Whether it would still send it."""
        return delivery.url in self.hooks

    def report(self, delivery: Delivery, *, ok: bool) -> float | None:
        """Seconds until the next attempt, None if there is none."""
        if ok or delivery.attempts > len(RETRIES):
            return None
        return RETRIES[delivery.attempts - 1]

    def _tell(self, key: str, payment: Payment) -> None:
        topic = self.shape.topics.get(payment.status)
        if topic is None:
            return
        now, event_id = self.clock.now(), f"evt_{self.dice.token(16)}"
        body = msgspec.json.encode(self.shape.envelope(topic, payment, event_id, now))
        self.truth.append(Happened(topic, key, now, body, event_id))
        self.outbox.extend(Delivery(event_id, url, url, topic, event_id, key, body, created=now) for url in self.hooks)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        params = self._authorized(request)
        if request.method != "GET":
            raise Refusal(405, {"error": {"message": "only GET"}})
        path = unquote(request.url.raw_path.partition(b"?")[0].decode())
        asked = self._status_asked(request.url, params)
        if asked is not None:
            return self._status(asked)
        if path == self.shape.list_path:
            return self._list(Asked(self.shape, params, request.url))
        raise Refusal(404, {"error": {"message": "no such page"}})

    def _authorized(self, request: httpx.Request) -> Mapping[str, str]:
        """The parameters without the credential; 401 without that."""
        kind, name, value = self.shape.auth
        pairs = request.url.params.multi_items()
        params = dict(pairs)
        if len(params) != len(pairs):
            raise Refusal(400, {"error": {"message": "a parameter is given twice"}})
        header = request.headers.get(name or "authorization", "")
        given = params.pop(name, "") if kind == "query" else header
        pair = base64.b64encode(value.encode()).decode()
        wanted = {"bearer": f"Bearer {value}", "basic": f"Basic {pair}"}.get(kind, value)
        if given != wanted:
            raise Refusal(401, {"error": {"message": "who are you?"}})
        return params

    def _status_asked(self, url: httpx.URL, params: Mapping[str, str]) -> str | None:
        """The id that a status request asks for, None if it is another request."""
        raw = url.raw_path.partition(b"?")[0].decode()
        if self.shape.status_param:
            return params.get(self.shape.status_param) if unquote(raw) == self.shape.status_path else None
        before, _, after = self.shape.status_path.partition("{id}")
        inner = raw.removeprefix(before)
        return unquote(inner) if inner != raw and "/" not in inner and inner and not after else None

    def _status(self, key: str) -> httpx.Response:
        payment = self._shown().get(key)
        if payment is not None:
            return _json(self.shape.one(self.shape.item(payment)))
        if self.shape.list_path == self.shape.status_path:
            return _json({"data": [], "has_more": False, "links": []})
        raise Refusal(404, {"error": {"message": "no such payment"}})

    def _list(self, asked: Asked) -> httpx.Response:
        for name, value in self.shape.fixed.items():
            if asked.params.get(name, value) != value:
                raise Refusal(400, {"error": {"message": f"{name} must be {value}"}})
        here, more = page(asked, list(self._shown().values()))
        link = {"Link": f'<{more.url}>; rel="next"'} if more.url and self.shape.paging is Paging.LINK else {}
        return _json(self.shape.page([self.shape.item(payment) for payment in here], more), link)

    def _shown(self) -> dict[str, Payment]:
        now = self.clock.now()
        found = {key: row.seen(now) for key, row in self.rows.items()}
        return {key: payment for key, payment in found.items() if payment is not None}


def _json(body: object, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return respond(200, msgspec.json.encode(body), headers or {})
