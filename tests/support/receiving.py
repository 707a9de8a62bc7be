"""A receiver of two shops and a payment account behind a real port of this process, and raw requests to it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from connectors.shopify import Shopify, ShopifySettings
from connectors.shopify.signature import digest as shopify_digest
from connectors.stripe import Stripe, StripeSettings
from connectors.stripe.signature import digest as stripe_digest
from reconcile.clock import SystemClock
from reconcile.config import HttpHandler, WebhookConfig
from reconcile.ledger import Ledger, bodies
from reconcile.receiver import Receiver
from reconcile.receiving.committer import Committer
from reconcile.web.asgi import ReceiverApp
from reconcile.web.listener import Listener
from support.targets import a_source

SECRET = "whsec_dummy_hush"
HANDLER = HttpHandler(url="http://127.0.0.1:1/none")
SHOP = Shopify(ShopifySettings(shop="acme.myshopify.com", access_token="shpat_dummy"))
STRIPE = Stripe(StripeSettings(api_key="sk_test_dummy"))
AT = "2024-06-01T10:00:00Z"
Headers = dict[str, str]


def a_webhook(*topics: str, **more: Any) -> WebhookConfig:
    """A subscription signed with our dummy."""
    return WebhookConfig(**({"secrets": (SECRET,), "topics": topics} | more))


def sources(**more: Any) -> Mapping[str, Any]:
    """`shop`, `pay`, and two that were configured without a secret."""
    orders, intents = ("orders/create", "orders/updated"), ("payment_intent.succeeded",)
    return {
        "shop": (a_source(webhook=a_webhook(*orders, **more), handler=HANDLER), SHOP),
        "pay": (
            a_source(name="pay", connector="stripe", webhook=a_webhook(*intents, **more), handler=HANDLER),
            STRIPE,
        ),
        "open-shop": (a_source(name="open-shop", webhook=WebhookConfig(topics=orders)), SHOP),
        "open-pay": (a_source(name="open-pay", connector="stripe", webhook=WebhookConfig(topics=intents)), STRIPE),
    }


def order(number: int = 5) -> bytes:
    """What Shopify sends of an order."""
    return f'{{"id": {number}, "created_at": "{AT}", "updated_at": "{AT}"}}'.encode()


def intent(number: int = 5) -> bytes:
    """What Stripe sends of a payment."""
    about = f'{{"id": "pi_{number}", "object": "payment_intent", "created": 1717236000}}'
    return (
        f'{{"id": "evt_{number}", "object": "event", "type": "payment_intent.succeeded", "created": 1717236000, '
        f'"data": {{"object": {about}}}}}'
    ).encode()


def by_shopify(body: bytes, id_: str = "w-1", secret: str = SECRET) -> Headers:
    """What Shopify puts beside a body."""
    signed = shopify_digest(secret, body).decode()
    named = {"X-Shopify-Topic": "orders/create", "X-Shopify-Webhook-Id": id_}
    return {"Content-Type": "application/json", **named, "X-Shopify-Hmac-Sha256": signed}


def by_stripe(body: bytes, age: float = 0.0, secret: str = SECRET) -> Headers:
    """What Stripe puts beside a body that it signed `age` seconds ago."""
    at = int(time.time() - age)
    signature = f"t={at},v1={stripe_digest(secret, at, body)}"
    return {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}


class Door:
    """A port, and what is behind it."""

    def __init__(self, ledger: Ledger, port: int, woken: list[str], receiver: Receiver) -> None:
        self.ledger = ledger
        self.port = port
        self.woken = woken
        self.receiver = receiver

    def rows(self) -> list[Any]:
        """Every event stored, whole."""
        with self.ledger.read() as tx:
            return list(tx.connection.execute(bodies.whole_events()))

    def send(self, raw: bytes, *, hang_up: bool = False) -> tuple[int, bytes]:
        """(status, whole answer) of raw bytes; status 0 if the server hung up without one."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            answer = b""
            try:
                connection.sendall(raw)
                if hang_up:
                    connection.shutdown(socket.SHUT_WR)
                while not _whole(answer) and (data := connection.recv(65_536)):
                    answer += data
            except ConnectionError:
                pass  # it hung up in the midst of what it does not want
        return (int(answer.split(b" ", 2)[1]) if answer else 0), answer

    def post(self, source: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """A well-formed request."""
        return self.send(request(f"/webhooks/{source}", headers, body))


def request(path: str, headers: Mapping[str, str] | list[tuple[str, str]], body: bytes, method: str = "POST") -> bytes:
    """A request as bytes; `Content-Length` unless it is given, or chunks are announced."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    names = {name.lower() for name, _ in pairs}
    if not names & {"content-length", "transfer-encoding"}:
        pairs.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    return f"{method} {path} HTTP/1.1\r\nHost: hooks.acme.example\r\n{head}\r\n".encode("latin-1") + body


def _whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    sizes = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(found and sizes) and len(body) >= int(sizes[0])


@contextmanager
def receiving(
    ledger: Ledger, configured: Mapping[str, Any] | None = None, *, patience: float = 60.0, **more: Any
) -> Iterator[Door]:
    """It, listening; patient, for a test's machine may be slow."""
    woken: list[str] = []
    known = sources() if configured is None else configured
    receiver = Receiver(ledger, known.get, SystemClock(), woken.append, **more)
    app = ReceiverApp(receiver, Committer(receiver.store, receiver.clock.monotonic, patience=patience))
    try:
        with Listener(app, "127.0.0.1", 0) as listener:
            yield Door(ledger, int(listener.address.rpartition(":")[2]), woken, receiver)
    finally:
        app.close()
