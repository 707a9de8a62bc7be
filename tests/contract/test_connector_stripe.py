"""Stripe keeps the connector contract, against the fake account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from connectors.stripe.facts import LISTS
from reconcile.connector import StreamRef
from reconcile.model import Window
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.stripe import FakeStripe
from reconcile.sandbox.stripe.endpoints import Secret
from reconcile.testing import NOW, ConnectorContract, Sample, Vector, World

START = NOW - timedelta(hours=3)


class TestStripe(ConnectorContract):
    name = "stripe"
    settings: ClassVar = {"api_key": "sk_test_dummy"}
    secret = "whsec_dummy"
    vector = Vector(
        secret="whsec_test_secret",
        headers={
            "Stripe-Signature": "t=1700000000,v1=67da5088c63e080c71bd2bb0cb5c03d85a8fc6a21ce3aaf484df809654745b92"
        },
        body=b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded"}',
        received_at=datetime.fromtimestamp(1700000000, UTC) + timedelta(minutes=4),
    )

    def worlds(self, clock: SettableClock) -> Iterator[World]:
        for older in (True, False):  # an event before the window, or none: the log is walked either way
            clock.set(START - timedelta(hours=1))
            fake = FakeStripe(clock=clock, throttle=False)
            if older:
                fake.create_customer()
            endpoint = fake.subscribe("https://hooks.acme.example/stripe", ["*"])
            endpoint.secrets[:] = [Secret(self.secret)]
            clock.set(START)
            _happen(fake, clock)
            clock.set(NOW)
            samples = [Sample(sent.topic, fake.headers_of(sent), sent.body) for sent in fake.outbox]
            yield World(fake.handle, StreamRef("events"), Window(START, NOW), frozenset(
                event.id for event in fake.events.values() if event.created >= START.timestamp()
            ), deliveries=tuple(samples[-12:]))  # fmt: skip
        for stream, (_, kind) in LISTS.items():
            kept = [row for row in fake.rows[kind].values() if not row.deleted and row.created >= START.timestamp()]
            mine = tuple(sample for sample in samples if f'"object": "{kind}"'.encode() in sample.body)
            yield World(
                fake.handle,
                StreamRef(stream),
                Window(START, NOW),
                frozenset(row.id for row in kept),
                gone="gone_1",
                deliveries=mine[-12:],
            )


def _happen(fake: FakeStripe, clock: SettableClock) -> None:
    customer = fake.create_customer()
    for _ in range(103):
        fake.create_payment_intent(customer=customer)
    intents = [fake.create_payment_intent() for _ in range(5)]
    clock.advance(30)
    charge = fake.succeed(intents[0])
    fake.fail(intents[1])
    clock.advance(30)
    fake.cancel(intents[2])
    fake.require_action(intents[3])
    fake.authorize(intents[4])
    fake.refund(charge, 500)
    clock.advance(30)
    fake.close_dispute(fake.open_dispute(charge))
    invoice = fake.create_invoice(customer)
    clock.advance(30)
    fake.finalize_invoice(invoice)
    clock.advance(30)
    fake.pay_invoice(invoice)
    unpaid = fake.create_invoice(customer)
    fake.finalize_invoice(unpaid)
    fake.fail_invoice(unpaid)
    fake.cancel_subscription(fake.create_subscription(customer))
    fake.complete_checkout_session(fake.create_checkout_session())
    fake.succeed_setup(fake.create_setup_intent())
    fake.fail_setup(fake.create_setup_intent())
    fake.require_setup_action(fake.create_setup_intent())
    fake.cancel_setup(fake.create_setup_intent())
    fake.pay_payout(fake.create_payout())
