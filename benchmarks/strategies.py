"""Three ways of getting lost webhooks back: the usual script, a cursor with an upsert, and ours.

The first two are what such code looks like, at its best: both check what they know before they act, and both ask for
everything that changed since the newest change they have seen.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
from histories import SECRET, Handled, Shop, seconds

from reconcile import runner
from reconcile.clock import Stop
from reconcile.config import load
from reconcile.connector.finding import connector_class
from reconcile.context import Context, Options
from reconcile.ledger import Ledger, gaps
from reconcile.model import Event
from reconcile.receiver import Receiver
from reconcile.targets.inprocess import InProcessTarget
from reconcile.targets.loading import LoadedHandler

CONFIG = f"""
ledger: sqlite:///ledger.db
sources:
  shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    http: {{rate: 1000/s}}
    webhook: {{secret: {SECRET}, topics: [orders/create, orders/updated]}}
    handler: app:take
"""

_TOKEN = {"X-Shopify-Access-Token": "shpat_dummy"}


class Listed:
    """What the two scripts share: a list of what changed since an instant, page by page."""

    def __init__(self, shop: Shop) -> None:
        self.handled: list[Handled] = []
        self._since = int(shop.clock.now().timestamp())
        transport = httpx.MockTransport(shop.answer)
        self._http = httpx.Client(base_url="https://acme.myshopify.com", transport=transport)

    def _changed(self, order: str) -> Iterator[dict[str, object]]:
        since = datetime.fromtimestamp(self._since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        params = {"status": "any", "limit": "250", "updated_at_min": since, "order": order}
        answer = self._http.get("/admin/api/2026-10/orders.json", params=params, headers=_TOKEN)
        while True:
            yield from answer.json()["orders"]
            if "next" not in answer.links:
                return
            answer = self._http.get(answer.links["next"]["url"], headers=_TOKEN)

    def reported(self) -> set[int]:
        """A script says nothing of what it did not see."""
        return set()

    def close(self) -> None:
        """Let go of the client."""
        self._http.close()


class Script(Listed):
    """Remembers deliveries by id and orders by version; asks for what is newer than the newest it has listed."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop)
        self._ids: set[str] = set()
        self._known: set[tuple[int, int]] = set()

    def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """Handle what is no repeat of a delivery."""
        if headers["X-Shopify-Webhook-Id"] not in self._ids:
            self._ids.add(headers["X-Shopify-Webhook-Id"])
            self._handle(Handled.of(headers["X-Shopify-Topic"], body))
        return 200

    def reconcile(self) -> None:
        """Handle every listed version that is not known."""
        newest = self._since
        for order in self._changed("created_at desc"):
            id_, version = int(str(order["id"])), seconds(str(order["updated_at"]))
            new = not any(known == id_ for known, _ in self._known)
            if version > self._since and (id_, version) not in self._known:
                self._handle(Handled("orders/create" if new else "orders/updated", id_, version))
            newest = max(newest, version)
        self._since = newest

    def _handle(self, told: Handled) -> None:
        self._known.add((told.order, told.version))
        self.handled.append(told)


class Cursor(Listed):
    """One upsert for webhooks and lists, which lets nothing older over something newer; oldest change first, from the
    newest one listed.
    """

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop)
        self._rows: dict[int, int] = {}

    def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """Upsert."""
        self._upsert(Handled.of(headers["X-Shopify-Topic"], body))
        return 200

    def reconcile(self) -> None:
        """Upsert all that is listed; the cursor is where the list ended."""
        for order in self._changed("updated_at asc"):
            id_, version = int(str(order["id"])), seconds(str(order["updated_at"]))
            self._upsert(Handled("orders/updated" if id_ in self._rows else "orders/create", id_, version))
            self._since = max(self._since, version)

    def _upsert(self, told: Handled) -> None:
        if told.version > self._rows.get(told.order, -1):
            self._rows[told.order] = told.version
            self.handled.append(told)


class Ours:
    """`reconcile`, with its defaults: the receiver, and `run backfill dispatch`."""

    def __init__(self, shop: Shop) -> None:
        self.handled: list[Handled] = []
        self._shop = shop
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "schedules.yaml"
        path.write_text(CONFIG)
        self._config = load(path, os.environ)
        self._ledger = Ledger.open(self._config.ledger.get_secret_value(), shop.clock)
        source = self._config.sources["shop"]
        pair = (source, connector_class("shopify")(source.settings))
        self._receiver = Receiver(self._ledger, {"shop": pair}.get, shop.clock)

    def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """Store it; the next run delivers it."""
        return self._receiver.receive("shop", headers, body).status

    def reconcile(self) -> None:
        """One run."""
        context = Context(
            config=self._config,
            ledger=self._ledger,
            clock=self._shop.clock,
            stop=Stop(),
            transports=lambda _source: httpx.MockTransport(self._shop.answer),
            targets=lambda *_: InProcessTarget(LoadedHandler(self._take), self._shop.clock),
            threads=0,
        )
        report = runner.run(context, ("backfill", "dispatch"), Options(force=True), "benchmark")
        assert report.bug is None, report.bug

    def _take(self, event: Event) -> None:
        self.handled.append(Handled.of(event.topic, event.body, late=event.late))

    def reported(self) -> set[int]:
        """The subjects of its open gaps."""
        with self._ledger.read() as tx:
            return {int(gap.subject.id) for gap in gaps.find(tx) if gap.subject}

    def close(self) -> None:
        """Let go of the ledger."""
        self._ledger.close()
        self._folder.cleanup()
