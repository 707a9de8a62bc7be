"""A delivery is stored before it is answered, whatever is in it; what is not genuine leaves no trace."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.clock import ManualClock
from support.targets import a_source

from connectors.shopify import Shopify, ShopifySettings
from connectors.shopify.signature import digest
from connectors.stripe import Stripe, StripeSettings
from reconcile import receiver as module
from reconcile.config import HttpHandler, WebhookConfig
from reconcile.errors import LedgerError
from reconcile.ledger import bodies, gaps
from reconcile.ledger.tables import events
from reconcile.model import Event, GapKind, Origin
from reconcile.receiver import Receiver

SECRET = "whsec_dummy_hush"
NUMBERS = itertools.count()
TOPICS = ("orders/create", "orders/updated", "payment_intent.succeeded")
WEBHOOK = WebhookConfig(secret=(SECRET,), topics=TOPICS)
HANDLER = HttpHandler(url="http://127.0.0.1:1/x")
SHOP = Shopify(ShopifySettings(shop="acme.myshopify.com", access_token="shpat_dummy"))
STRIPE = Stripe(StripeSettings(api_key="sk_test_dummy"))
ORDER = b'{"id": 5, "created_at": "2024-06-01T10:00:00Z", "updated_at": "2024-06-01T10:00:00Z"}'


class Door:
    """A receiver of three sources, and what it woke."""

    def __init__(self, ledger, **more) -> None:
        self.ledger = ledger
        self.clock = ManualClock()
        self.woken: list[str] = []
        sources = {
            "shop": (a_source(webhook=WEBHOOK, handler=HANDLER, **more), SHOP),
            "pay": (a_source(name="pay", connector="stripe", webhook=WEBHOOK, handler=HANDLER, **more), STRIPE),
            "detect": (a_source(name="detect", webhook=WEBHOOK), SHOP),
            "bare": (a_source(name="bare"), SHOP),
        }
        self.receiver = Receiver(ledger, sources.get, self.clock, self.woken.append)

    def shopify(self, body: bytes = ORDER, *, topic: str = "orders/create", id_: str = "w-1", source: str = "shop"):
        """A genuine Shopify delivery."""
        headers = {"X-Shopify-Topic": topic, "X-Shopify-Webhook-Id": id_, "X-Shopify-Hmac-Sha256": signed(body)}
        return self.receiver.receive(source, headers, body)

    def stripe(self, body: bytes):
        """A genuine Stripe delivery."""
        event = Event("e", "pay", "t", None, None, None, None, body, {}, "", Origin.LIVE)
        return self.receiver.receive("pay", STRIPE.sign(event, SECRET, self.clock.now()), body)

    def rows(self):
        """Every event stored."""
        with self.ledger.read() as tx:
            return list(tx.connection.execute(bodies.whole_events().order_by(events.c.seq)))

    def dead(self) -> list[str]:
        """The keys of the open `dead` gaps."""
        with self.ledger.read() as tx:
            return [gap.key for gap in gaps.find(tx, kind=GapKind.DEAD, limit=1000)]


def signed(body: bytes) -> str:
    """What Shopify would sign it with."""
    return digest(SECRET, body).decode()


@pytest.fixture
def door(ledger):
    """On every engine."""
    return Door(ledger)


def test_a_genuine_delivery_is_stored_whole_and_wakes_its_dispatcher(door):
    """H6, H9: the bytes as they came, waiting for the handler; answered 200 after the commit."""
    answer = door.shopify()
    (row,) = door.rows()
    assert (answer.status, answer.text, answer.seq) == (200, "new", row.seq)
    assert (row.body, row.state, row.origin, row.fact) == (ORDER, "waiting", "live", "orders/create:5")
    assert json.loads(row.headers)["x-shopify-topic"] == "orders/create"
    assert door.woken == ["shop"]


def test_the_same_delivery_again_is_a_duplicate_and_still_answered_200(door):
    """H4: the provider repeats itself under the same id or, where ids change, with the same bytes."""
    first = door.shopify()
    assert [door.shopify().text, door.shopify(id_="w-2").text] == ["duplicate", "duplicate"]
    assert door.shopify(id_="w-2").seq == first.seq
    assert len(door.rows()) == 1


@pytest.mark.parametrize(
    ("source", "headers", "status"),
    [
        ("nobody", {}, 404),
        ("bare", {}, 404),
        ("shop", {}, 401),
        ("shop", {"X-Shopify-Hmac-Sha256": "AAAA"}, 401),
        ("shop", {"X-Shopify-Hmac-Sha256": "\xff\u20ac"}, 401),
        ("shop", {"X-Shopify-Hmac-Sha256": ""}, 401),
        ("shop", {"X-Shopify-Hmac-Sha256": signed(ORDER)}, 400),
        ("shop", {"X-Shopify-Hmac-Sha256": signed(ORDER), "Reconcile-Event": "e; origin=backfill"}, 421),
        ("shop", {"reconcile-EVENT": ""}, 421),
        ("pay", {}, 401),
        ("pay", {"Stripe-Signature": "t=x,v1=y"}, 401),
    ],
)
def test_what_is_not_genuine_leaves_nothing(door, source, headers, status):
    """X3: no source, no signature, our own replay: refused with a reason, nothing stored, nobody woken."""
    answer = door.receiver.receive(source, headers, ORDER)
    assert answer.status == status
    assert answer.text
    assert SECRET not in answer.text
    assert door.rows() == []
    assert door.woken == []


def test_a_body_over_the_cap_is_refused_before_it_is_looked_at(door, monkeypatch):
    """X5: 413, also for a caller that is not our own server."""
    monkeypatch.setattr(module, "MAX_BODY", 10)
    assert door.shopify().status == 413
    assert door.rows() == []


def test_a_topic_nobody_asked_for_is_kept_and_not_delivered(door):
    """A provider may send more than is subscribed: it is on record, and no handler is called."""
    assert door.shopify(topic="app/uninstalled").status == 200
    assert door.shopify(id_="w-2", source="detect").status == 200
    assert [row.state for row in door.rows()] == ["ignored", "ignored"]


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"\xff\xfe\x00",
    "cut off": b'{"id": 5, "created_at": "2024-',
    "an array": b"[]",
    "nested": b"[" * 200_000,
    "nested within": b'{"id": 5, "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "no id": b"{}",
    "an id of no kind": b'{"id": {"a": 1}}',
    "a huge id": b'{"id": ' + b"7" * 5000 + b"}",
    "a float id": b'{"id": 1e400}',
    "NaN": b'{"id": NaN}',
    "no such day": b'{"id": 5, "created_at": "2024-02-31T10:00:00Z"}',
    "a time without offset": b'{"id": 5, "created_at": "2024-06-01T10:00:00"}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_a_genuine_delivery_that_cannot_be_read_is_stored_dead_with_its_reason(door, body):
    """H8: never lost, never 500: the bytes are kept, a gap says so, and a repeat adds nothing."""
    answer = door.shopify(body)
    (row,) = door.rows()
    assert answer.status == 200
    assert (row.body, row.state) == (body, "dead")
    assert "cannot be read" in row.error
    assert door.dead() == ["w-1"]
    assert door.shopify(body).text == "duplicate"
    assert len(door.rows()) == len(door.dead()) == 1


STRANGE = {
    "NUL": "a\0b",
    "lone surrogate": "a\ud800b",
    "direction marks": "\u202eabc",
    "long": "".join(str(n) for n in range(4000)),
    "empty": "",
    "quotes": "'; drop table reconcile_event; --",
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("where", ["id", "type", "object id", "delivery id", "topic"])
def test_strange_text_anywhere_is_stored_on_every_engine(door, text, where):
    """Findings 10: what PostgreSQL refuses in text or in an index must not cost a genuine delivery."""
    thing = {"id": text if where == "object id" else "pi_1", "object": "payment_intent", "created": 1717236000}
    said = {"id": "evt_1", "type": "payment_intent.succeeded", "object": "event", "created": 1717236000}
    said |= {"data": {"object": thing}} | ({where: text} if where in said else {})
    if where in ("delivery id", "topic"):
        id_, topic = (text, "orders/create") if where == "delivery id" else ("w-1", text)
        answer = door.shopify(id_=id_, topic=topic)
    else:
        answer = door.stripe(json.dumps(said).encode())
    if not text and where != "object id":  # an empty name is none
        assert (answer.status, door.rows()) == (400, [])
        return
    assert answer.status == 200, answer
    (row,) = door.rows()
    assert row.body == (ORDER if where in ("delivery id", "topic") else json.dumps(said).encode())
    assert row.state in ("waiting", "dead", "ignored")
    assert (row.state == "dead") == bool(door.dead())


_keys = st.sampled_from(["id", "created_at", "updated_at", "refunds", "fulfillments", "cancelled_at"]) | st.text()
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=5),
    max_leaves=10,
)


@given(body=st.binary(max_size=200) | _values.map(lambda value: json.dumps(value).encode()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_whatever_is_signed_is_stored(door, body):
    """H6: any bytes at all that carry a genuine signature are on record when the provider hears 200."""
    before = len(door.rows())
    answer = door.shopify(body, id_=f"w-{next(NUMBERS)}")
    rows = door.rows()
    assert answer.status == 200
    assert (len(rows) > before) == (answer.text == "new")
    (row,) = [row for row in rows if row.seq == answer.seq]
    assert row.body == body
    assert row.state in ("waiting", "dead")


def test_a_connector_that_raises_anything_loses_nothing(door, monkeypatch):
    """H8: a bug in reading is a dead event, not a lost one."""
    monkeypatch.setattr(Shopify, "describe", lambda *_: 1 / 0)
    assert door.shopify().status == 200
    (row,) = door.rows()
    assert (row.state, row.body) == ("dead", ORDER)
    assert "ZeroDivisionError" in row.error


class Broken:
    """A ledger that cannot be written."""

    def write(self):
        """Fails."""
        raise LedgerError("ledger: no space at postgresql://user:hunter2@db/app")


def test_a_ledger_that_cannot_store_is_answered_503(door):
    """L6: the provider keeps it and tries again; it hears nothing about our ledger."""
    broken = Door(Broken())
    answer = broken.shopify()
    assert answer.status == 503
    assert "hunter2" not in answer.text
    assert broken.woken == []


def test_a_wake_that_fails_does_not_unsay_what_is_stored(door):
    """The commit is what counts: the sweep of the next dispatch finds it."""

    def fails(_name: str) -> None:
        raise RuntimeError("no dispatcher")

    door.receiver._stored = fails
    assert door.shopify().status == 200
    assert len(door.rows()) == 1


def test_rotated_secrets_both_verify(ledger):
    """Rotation: any of the configured secrets will do."""
    webhook = WebhookConfig(secret=("whsec_dummy_new", SECRET), topics=TOPICS)
    source = a_source(handler=HANDLER, webhook=webhook)
    receiver = Receiver(ledger, lambda _name: (source, SHOP), ManualClock())
    headers = {"X-Shopify-Topic": "orders/create", "X-Shopify-Webhook-Id": "w", "X-Shopify-Hmac-Sha256": signed(ORDER)}
    assert receiver.receive("shop", headers, ORDER).status == 200
