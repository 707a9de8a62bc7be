"""The gateway connector keeps the connector contract in every shape it can be configured for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

from support import gateways
from support.gateways import STANDARD_SECRET, worlds_of

from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.gateway import shapes
from reconcile.testing import ConnectorContract, Vector, World


class TestByPage(ConnectorContract):
    """The example of the reference: pages by number, a digest in hex."""

    name = "gateway"
    settings: ClassVar = gateways.PLAIN

    def worlds(self, clock: SettableClock) -> Iterator[World]:
        return worlds_of(shapes.PLAIN, "payments", self.secret, clock)


class TestByPageUpTo404(ConnectorContract):
    """The same where a page after the last one is not there, instead of empty."""

    name = "gateway"
    settings: ClassVar = gateways.UP_TO_404

    def worlds(self, clock: SettableClock) -> Iterator[World]:
        return worlds_of(replace(shapes.PLAIN, ends_with_404=True), "payments", self.secret, clock)


class TestByCursor(ConnectorContract):
    """Lists by last change with a token, and Standard Webhooks."""

    name = "gateway"
    settings: ClassVar = gateways.BY_CURSOR
    secret = STANDARD_SECRET
    vector = Vector(
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers={
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        body=b'{"test": 2432232314}',
        received_at=datetime.fromtimestamp(1614265330, UTC),
    )

    def worlds(self, clock: SettableClock) -> Iterator[World]:
        return worlds_of(shapes.BY_CURSOR, "payments", self.secret, clock)


class TestByNextUrl(ConnectorContract):
    """The next page's URL in the answer, a credential in the query, milliseconds, exclusive bounds."""

    name = "gateway"
    settings: ClassVar = gateways.BY_NEXT

    def worlds(self, clock: SettableClock) -> Iterator[World]:
        return worlds_of(shapes.BY_NEXT, "payments", self.secret, clock)


class TestByLinkHeader(ConnectorContract):
    """The next page's URL in a header, whole days, a signed time."""

    name = "gateway"
    settings: ClassVar = gateways.BY_LINK

    def worlds(self, clock: SettableClock) -> Iterator[World]:
        return worlds_of(shapes.BY_LINK, "payments", self.secret, clock)


class TestRazorpay(ConnectorContract):
    """The recipe: offsets, unix seconds with exclusive bounds."""

    name = "gateway"
    settings: ClassVar = gateways.settings_of("razorpay")

    def worlds(self, clock: SettableClock) -> Iterator[World]:
        return worlds_of(shapes.RAZORPAY, "payments", self.secret, clock)


class TestPaystack(ConnectorContract):
    """The recipe: page numbers, a status call within an envelope, SHA-512."""

    name = "gateway"
    settings: ClassVar = gateways.settings_of("paystack")
    secret = "sk_test_dummy"

    def worlds(self, clock: SettableClock) -> Iterator[World]:
        return worlds_of(shapes.PAYSTACK, "transaction", self.secret, clock)


class TestXendit(ConnectorContract):
    """The recipe: the last item's id for a cursor, a status call that is a list of one, a static token."""

    name = "gateway"
    settings: ClassVar = gateways.settings_of("xendit")
    body_is_signed = False

    def worlds(self, clock: SettableClock) -> Iterator[World]:
        return worlds_of(shapes.XENDIT, "transactions", self.secret, clock)
