"""Shopify's statuses: an order's money and its transactions, asked for, told and listed, and what their end proves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from connectors.shopify import Shopify, ShopifySettings
from connectors.shopify.status import STATUSES
from reconcile.connector import ReportsStatus, StreamRef
from reconcile.errors import BadAnswer, CredentialsRefused, Rejected
from reconcile.model import Subject, TransactionStatus, Window
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.shopify import FakeShopify, Item
from reconcile.testing.worlds import client_for

START = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)
SHOPIFY = Shopify(ShopifySettings(shop="acme.myshopify.com", access_token="shpat_dummy"))
PENDING, SUCCEEDED = TransactionStatus.PENDING, TransactionStatus.SUCCEEDED
FAILED, CANCELLED = TransactionStatus.FAILED, TransactionStatus.CANCELLED
REFUNDED = TransactionStatus.REFUNDED


@pytest.fixture
def fake():
    return FakeShopify(clock=SettableClock(START), throttle=False)


@pytest.fixture
def order(fake):
    return fake.create_order(items=[Item("Enamel mug", 1999)])


def ask(fake, subject):
    return SHOPIFY.status(client_for(SHOPIFY, fake.handle), subject)


def later(fake, minutes):
    fake.clock.set(START + timedelta(minutes=minutes))


@pytest.mark.parametrize(("status", "come_to"), [("success", SUCCEEDED), ("failure", FAILED), ("error", FAILED)])
def test_a_transaction_ends_as_the_webhook_would_have_told(fake, order, status, come_to):
    """P5: asked for by order and id; its fact is that of the `order_transactions/create` Shopify did send."""
    subject = Subject("order_transaction", f"{order}/{fake.start_payment(order)}")
    asked = ask(fake, subject)
    assert (asked.status, asked.raw, asked.amount, asked.currency) == (PENDING, "pending", Decimal("19.99"), "USD")
    assert (asked.at, asked.facts) == (START, ())
    later(fake, 3)
    fake.settle_payment(order, int(subject.id.partition("/")[2]), status)
    later(fake, 9)
    answer = ask(fake, subject)
    (fact,) = answer.facts
    assert (answer.status, answer.changed_at) == (come_to, START + timedelta(minutes=3))
    sent = next(one for one in fake.truth if one.topic == "order_transactions/create")
    lived = SHOPIFY.describe(fact.topic, sent.body, {})
    assert (lived.key, lived.kind, lived.subject, lived.occurred_at) == (
        fact.key, fact.kind, fact.subject, fact.occurred_at,
    )  # fmt: skip
    assert json.loads(fact.body()) == json.loads(sent.body)
    assert SHOPIFY.told(fact.topic, sent.body)[0].subject == subject


def test_a_paid_order_proves_when_it_was_paid(fake, order):
    """P5: `orders/paid` cannot be built of a list, which does not say when; the order's transactions do."""
    subject = Subject("order", str(order))
    assert ask(fake, subject).status is PENDING
    later(fake, 3)
    fake.pay_order(order)
    later(fake, 9)
    fake.update_order(order, note="later")
    answer = ask(fake, subject)
    (fact,) = answer.facts
    assert (answer.status, fact.topic, fact.occurred_at) == (SUCCEEDED, "orders/paid", START + timedelta(minutes=3))
    assert (fact.key, fact.reason) == (f"orders/paid:{order}", "")
    assert json.loads(fact.body())["financial_status"] == "paid"


def test_a_voided_order_proves_its_cancellation(fake, order):
    """P5: cancelled unpaid is voided, and the order says when it was cancelled."""
    later(fake, 3)
    fake.cancel_order(order)
    answer = ask(fake, Subject("order", str(order)))
    assert (answer.status, answer.raw) == (CANCELLED, "voided")
    assert [(one.topic, one.occurred_at) for one in answer.facts] == [
        ("orders/cancelled", START + timedelta(minutes=3))
    ]


def test_a_refunded_order_proves_payment_and_refund(fake, order):
    """P5: refunded between two askings: both facts, oldest first."""
    fake.pay_order(order)
    later(fake, 3)
    fake.refund_order(order)
    answer = ask(fake, Subject("order", str(order)))
    assert answer.status is REFUNDED
    assert [one.topic for one in answer.facts] == ["orders/paid", "refunds/create"]


def test_an_order_paid_outside_is_known_to_be_paid_but_not_when(fake, order):
    """An order marked as paid without a transaction says no time: its fact carries the reason it cannot be built."""
    later(fake, 3)
    fake.update_order(order, financial_status="paid")
    (fact,) = ask(fake, Subject("order", str(order))).facts
    assert "not when" in fact.reason


def test_the_connector_reports_status():
    """The job asks for the capability."""
    assert isinstance(SHOPIFY, ReportsStatus)


@pytest.mark.parametrize("raw", ["authorized", "partially_paid", "unheard_of"])
def test_an_order_that_waits_for_money_is_pending(fake, order, raw):
    """P2: what is not in the table of ends is pending."""
    fake.update_order(order, financial_status=raw)
    answer = ask(fake, Subject("order", str(order)))
    assert (answer.status, answer.raw, answer.facts) == (PENDING, raw, ())


def test_not_there_is_none(fake, order):
    """P2: 404 is None, an id that Shopify cannot have is not asked for, and other types are refused."""
    assert ask(fake, Subject("order", "1")) is None
    assert ask(fake, Subject("order_transaction", f"{order}/1")) is None
    before = len(fake.requests)
    for id_ in ("../shop", "1/../2", "", "x", "1"):
        assert ask(fake, Subject("order_transaction", id_)) is None
    assert ask(fake, Subject("order", "../shop")) is None
    assert len(fake.requests) == before
    with pytest.raises(Rejected, match="Shopify has no payout with a status"):
        ask(fake, Subject("payout", "1"))


def test_faults_leave_as_every_request_s_do():
    """P2: 401 is about the credentials; an answer without its root is no transaction (C9)."""
    for answer, error in ((httpx.Response(401), CredentialsRefused), (httpx.Response(200, json={}), BadAnswer)):
        with pytest.raises(error):
            SHOPIFY.status(client_for(SHOPIFY, lambda _, a=answer: a), Subject("order_transaction", "1/2"))


def test_events_tell_of_the_order_and_its_refunds(fake, order):
    """Every order webhook carries its money; a refund's movements may be pending; most others tell nothing."""
    created = next(one for one in fake.truth if one.topic == "orders/create")
    (told,) = SHOPIFY.told("orders/create", created.body)
    assert (told.subject, told.raw, told.amount) == (Subject("order", str(order)), "pending", Decimal("19.99"))
    assert told.changed_at == START
    movement = {"id": 9, "order_id": None, "status": "pending", "kind": "refund", "amount": "5.00", "currency": "USD"}
    body = json.dumps({"id": 7, "order_id": order, "transactions": [movement]})
    (refund,) = SHOPIFY.told("refunds/create", body.encode())
    assert (refund.subject, refund.status) == (Subject("order_transaction", f"{order}/9"), PENDING)
    for topic in ("orders/delete", "orders/edited", "products/update", "app/uninstalled"):
        assert SHOPIFY.told(topic, b'{"id": 1}') == ()
    with pytest.raises(ValueError, match="not a Shopify webhook body"):
        SHOPIFY.told("orders/create", b"{")


def test_a_list_shows_pending_orders_with_their_money(fake, order):
    """From listings: amount and currency of what is pending; an ended one by its status alone."""
    paid = fake.create_order()
    fake.pay_order(paid)
    window = Window(START - timedelta(days=1), START + timedelta(days=1))
    pages = SHOPIFY.pages(client_for(SHOPIFY, fake.handle), StreamRef("orders"), window, ())
    found = {one.subject.id: one for page in pages for item in page.items for one in SHOPIFY.listed(item)}
    assert (found[str(order)].amount, found[str(order)].at) == (Decimal("19.99"), START)
    assert found[str(paid)].status is SUCCEEDED


def test_facts_state_the_same_statuses():
    """The table of facts and the one that decides do not drift apart."""
    ends = {kind: frozenset(words) for kind, words in STATUSES.items()}
    assert ends == SHOPIFY.facts.terminal_statuses


@pytest.mark.parametrize(
    ("id_", "type_"), [("1001", "order"), ("1001/7", "order_transaction"), ("x", None), ("1/x", None)]
)
def test_an_id_tells_its_type(id_, type_):
    """What an app tracks needs no type: one number is an order, two are one of its transactions."""
    found = SHOPIFY.subject_of(id_)
    assert (found.type if found else None) == type_
