"""Configurations of the gateway connector for the fake's shapes, and worlds of payments to try them on."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import timedelta

import yaml

from reconcile.connector import StreamRef
from reconcile.model import TransactionStatus, Window
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.gateway import FakeGateway, Shape
from reconcile.testing import NOW, Sample, World
from support.docs import ROOT, marked

START = NOW - timedelta(hours=3)
URL = "https://hooks.acme.example/gate"
STANDARD_SECRET = "whsec_" + base64.b64encode(b"a dummy key of thirty-two bytes!").decode()
FIELDS = {
    "id": "/reference",
    "created_at": "/created_at",
    "updated_at": "/updated_at",
    "status": "/status",
    "amount": "/amount",
    "currency": "/currency",
}
STATUSES = {"pending": "pending", "paid": "succeeded", "failed": "failed", "void": "cancelled", "refunded": "refunded"}
PLAIN = {
    "base_url": "https://api.gateway.example",
    "auth": {"bearer": "gate_dummy_token"},
    "list": {
        "path": "/payments",
        "items": "/payments",
        "filters": {"created_at_min": "created_from", "created_at_max": "created_to"},
        "time": "iso8601",
        "paging": {"page": "page", "size": {"per_page": 100}},
    },
    "fields": FIELDS,
    "status": {"path": "/get-status", "params": {"reference": "{id}"}, "item": ""},
    "statuses": STATUSES,
    "topic": "payment.{status}",
    "webhook": {
        "event": {"id": "/event_id", "topic": "/event_type", "item": "/data"},
        "signature": {
            "scheme": "hmac",
            "header": "X-Signature",
            "algorithm": "sha256",
            "encoding": "hex",
            "prefix": "",
        },
    },
}


def changed(base=PLAIN, /, *, listing=None, signature=None, **top):
    """A configuration with some of its parts replaced."""
    made = {**base, **top}
    if listing:
        made["list"] = {**base["list"], **listing}
    if signature:
        made["webhook"] = {**base["webhook"], "signature": signature}
    return made


UP_TO_404 = changed(listing={"paging": {"page": "page", "size": {"per_page": 100}, "past_end": 404}})
BY_CURSOR = changed(
    listing={
        "filters": {"updated_at_min": "updated_from", "updated_at_max": "updated_to"},
        "paging": {"cursor": "after", "from": "/meta/next", "size": {"limit": 50}},
    },
    signature={"scheme": "standard-webhooks"},
)
BY_NEXT = changed(
    auth={"query": {"name": "api_key", "value": "query_dummy_value"}},
    listing={"time": "epoch_ms", "paging": {"next": "/links/next", "size": {"per_page": 40}}},
    signature={
        "scheme": "hmac",
        "header": "X-Signature",
        "algorithm": "sha512",
        "encoding": "base64",
        "prefix": "sha512=",
    },
)
BY_LINK = changed(
    auth={"header": {"name": "X-Api-Key", "value": "header_dummy_value"}},
    listing={"time": "date", "paging": {"link_header": True, "size": {"per_page": 100}}},
    signature={"scheme": "hmac", "header": "X-Signature", "timestamp": "X-Timestamp"},
)


def a_world(shape: Shape, stream: str, clock: SettableClock, secret: str, *, count: int = 101) -> World:
    """More payments of one instant than a page holds, some of them brought to every end there is."""
    clock.set(START - timedelta(hours=1))
    fake = FakeGateway(shape, clock=clock)
    fake.subscribe(URL, secret)
    fake.create()
    clock.set(START)
    gone = fake.create()
    keys = [fake.create(f"{number}.25") for number in range(count)]
    fake.forget(gone)
    for at, status in enumerate(_ENDS):
        clock.advance(61.25)
        if status in shape.words:
            fake.become(keys[at], status)
    clock.advance(61.25)
    fake.become(keys[0], TransactionStatus.REFUNDED)
    clock.set(NOW)
    samples = [Sample(sent.topic, fake.headers_of(sent), sent.body) for sent in fake.outbox if sent.subject_id != gone]
    return World(
        fake.handle, StreamRef(stream), Window(START, NOW), frozenset(keys), gone=gone, deliveries=tuple(samples[-8:])
    )


_ENDS = (
    TransactionStatus.SUCCEEDED,
    TransactionStatus.FAILED,
    TransactionStatus.CANCELLED,
    TransactionStatus.SUCCEEDED,
)


def worlds_of(shape: Shape, stream: str, secret: str, clock: SettableClock, **more) -> Iterator[World]:
    """The one world of a contract."""
    yield a_world(shape, stream, clock, secret, **more)


RECIPES = ROOT / "docs/how-to/gateway-recipes.md"
#: What the recipes find in their environment: the fakes' credentials.
VARIABLES = {
    "RAZORPAY_KEY_ID": "rzp_test_dummy",
    "RAZORPAY_KEY_SECRET": "secret_dummy",
    "RAZORPAY_WEBHOOK_SECRET": "whsec_dummy",
    "PAYSTACK_SECRET_KEY": "sk_test_dummy",
    "XENDIT_SECRET_KEY": "xnd_development_dummy",
    "XENDIT_CALLBACK_TOKEN": "whsec_dummy",
}
GATEWAY_VARIABLES = (*VARIABLES, "GATEWAY_TOKEN", "GATEWAY_SECRET")


def recipe(name):
    """The text of a recipe, as it stands on its page."""
    return marked(RECIPES, f"recipe {name}")


def settings_of(name):
    """A recipe's own keys of the connector, with what its variables stand for."""
    text = re.sub(r"\$\{(\w+)\}", lambda found: VARIABLES[found[1]], recipe(name))
    source = yaml.safe_load(text)["sources"][name]
    common = {"connector", "handler"}
    webhook = {key: value for key, value in source["webhook"].items() if key in ("event", "signature")}
    return {**{key: value for key, value in source.items() if key not in common}, "webhook": webhook}
