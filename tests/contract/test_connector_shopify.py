"""Shopify keeps the connector contract, against the fake shop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

from reconcile.connector import StreamRef
from reconcile.model import Window
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.shopify import FakeShopify
from reconcile.testing import NOW, ConnectorContract, Sample, Vector, World

START = NOW - timedelta(hours=3)
HOOK = "https://hooks.acme.example/shopify"


class TestShopify(ConnectorContract):
    name = "shopify"
    settings: ClassVar = {"shop": "acme.myshopify.com", "access_token": "shpat_dummy"}
    secret = "shpss_dummy"
    vector = Vector(
        secret="hush",
        headers={"X-Shopify-Hmac-Sha256": "D0UMXmhjwBRi4y66TmhJrDlhQABD7zI2fm3p6/QLMo8="},
        body=b'{"id":820982911946154508,"email":"jon@example.com"}',
    )

    def worlds(self, clock: SettableClock) -> Iterator[World]:
        clock.set(START)
        fake = FakeShopify(clock=clock, throttle=False)
        fake.delete_order(gone := fake.create_order())
        for topic in ("orders/create", "orders/updated", "orders/cancelled", "orders/fulfilled", "refunds/create",
                      "fulfillments/create", "customers/update", "products/create", "draft_orders/update"):  # fmt: skip
            fake.subscribe(topic, HOOK)
        busy = [fake.create_order() for _ in range(5)]
        clock.advance(60)
        ids = {
            "orders": frozenset(map(str, [*busy, *(fake.create_order() for _ in range(252))])),
            "customers": frozenset(str(fake.create_customer()) for _ in range(3)),
            "products": frozenset(str(fake.create_product()) for _ in range(3)),
            "draft_orders": frozenset(str(fake.create_draft()) for _ in range(3)),
        }
        self._go_on(fake, clock, busy)
        fake.complete_draft(int(min(ids["draft_orders"])))
        ids["orders"] |= {str(order) for order in fake.tables["orders"].ids()}
        clock.set(NOW)
        samples = [Sample(sent.topic, fake.headers_of(sent), sent.body) for sent in fake.outbox]
        for stream, found in ids.items():
            deliveries = [one for one in samples if one.topic.startswith(_FAMILIES[stream])][-12:]
            yield World(
                fake.handle, StreamRef(stream), Window(START, NOW), found, gone=str(gone), deliveries=tuple(deliveries)
            )

    def _go_on(self, fake: FakeShopify, clock: SettableClock, orders: list[int]) -> None:
        for order in orders[:4]:
            clock.advance(45)
            fake.pay_order(order)
            clock.advance(45)
            fake.fulfill_order(order)
        clock.advance(45)
        fake.refund_order(orders[0])
        clock.advance(45)
        fake.cancel_order(orders[4])


_FAMILIES = {
    "orders": ("orders/", "refunds/", "fulfillments/"),
    "customers": "customers/",
    "products": "products/",
    "draft_orders": "draft_orders/",
}
