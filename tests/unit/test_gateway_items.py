"""One payment of a gateway: its money, its status, and the deliveries that tell of it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest
from support.answering import ITEM, answering, gateway, listed
from support.gateways import START, URL

from reconcile.connector import (
    Delivery,
)
from reconcile.errors import BadAnswer, Rejected
from reconcile.model import Subject, TransactionStatus
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.gateway import FakeGateway, shapes
from reconcile.testing import NOW
from reconcile.testing.worlds import client_for


def test_a_cent_is_never_lost():
    """Amounts are read from the bytes as decimals: no float is ever made of them (P4)."""
    connector = gateway()
    texts = {"0.1": "0.1", "1234567890123456789.01": "1234567890123456789.01", '"10000.00"': "10000.00", "1e2": "100"}
    for text, amount in texts.items():
        body = json.dumps({**ITEM, "amount": 0}).replace('"amount": 0', f'"amount": {text}').encode()
        handle, _ = answering(body)
        reported = connector.status(client_for(connector, handle), Subject("payment", "ref_1"))
        assert reported.amount == Decimal(amount)
        assert str(reported.amount) == amount


def test_the_status_of_one():
    """The id is filled in and escaped; what is answered becomes our word for it, with the fact it proves."""
    connector = gateway(status={"path": "/v1/payments/{id}", "params": {"expand": "{id}"}, "item": "/data"})
    item = {**ITEM, "reference": "a/b?c=d&e ä", "amount": "5.00", "currency": "EUR"}
    handle, asked = answering({"data": item})
    reported = connector.status(client_for(connector, handle), Subject("payment", item["reference"]))
    assert asked[0].url.raw_path.startswith(b"/v1/payments/a%2Fb%3Fc%3Dd%26e%20%C3%A4?")
    assert asked[0].url.params["expand"] == item["reference"]
    assert (reported.status, reported.raw) == (TransactionStatus.SUCCEEDED, "paid")
    assert (reported.amount, reported.currency) == (Decimal("5.00"), "EUR")
    assert reported.at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    (fact,) = reported.facts
    assert fact.key == "payment.succeeded:a/b?c=d&e ä"
    assert json.loads(fact.body()) == item


@pytest.mark.parametrize("id_", [".", "..", ""])
def test_an_id_that_would_climb_is_not_asked_for(id_):
    """It may be somebody else's text."""
    handle, asked = answering({})
    connector = gateway(status={"path": "/payments/{id}"})
    with pytest.raises(Rejected):
        connector.status(client_for(connector, handle), Subject("payment", id_))
    assert asked == []


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"data": ITEM},
        {**ITEM, "reference": "ref_2"},
        {**ITEM, "status": None},
        {**ITEM, "amount": "?"},
        b"<html>",
    ],
)
def test_an_answer_that_is_no_item_says_nothing(answer):
    """Unreadable, empty, or about another id: an error, so that the state stays what it was (P2)."""
    handle, _ = answering(answer)
    connector = gateway()
    with pytest.raises(BadAnswer):
        connector.status(client_for(connector, handle), Subject("payment", "ref_1"))


def test_one_that_is_not_known_is_none():
    """404 and 410, and an empty list where the item would be the first of one (P2)."""
    connector = gateway()
    for status in (404, 410):
        handle, _ = answering({}, status=status)
        assert connector.status(client_for(connector, handle), Subject("payment", "ref_1")) is None
    connector = gateway(status={"path": "/payments", "params": {"ref": "{id}"}, "item": "/data/0"})
    assert connector.status(client_for(connector, answering({"data": []})[0]), Subject("payment", "ref_1")) is None
    with pytest.raises(BadAnswer):
        connector.status(client_for(connector, answering({"data": None})[0]), Subject("payment", "ref_1"))


def test_an_unknown_word_is_pending_and_said_once(caplog):
    """Statuses are open-ended: a new one is never taken for an end, and nobody is told of it a hundred times."""
    connector = gateway()
    body = {"payments": [{**ITEM, "reference": f"ref_{n}", "status": "on_\u202ehold"} for n in range(5)]}
    with caplog.at_level(logging.WARNING):
        items = listed(connector, answering(body, {"payments": []})[0])
        items += listed(connector, answering(body, {"payments": []})[0])
    assert {connector.listed(item)[0].status for item in items} == {TransactionStatus.PENDING}
    assert [connector.rebuild(item, frozenset({"payment.succeeded"})) for item in items] == [[]] * 10
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "\u202e" not in said[0]


def test_a_listed_item_is_the_transaction_it_shows():
    """Pending ones begin to be asked for by their own time; terminal ones prove their fact."""
    connector = gateway()
    body = {"payments": [{**ITEM, "status": "pending"}, {**ITEM, "reference": "ref_2"}]}
    pending, paid = (connector.listed(item)[0] for item in listed(connector, answering(body, {"payments": []})[0]))
    assert (pending.status, pending.at, pending.facts) == ("pending", datetime(2026, 11, 20, 10, tzinfo=UTC), ())
    assert [fact.key for fact in paid.facts] == ["payment.succeeded:ref_2"]


def test_what_was_refunded_had_succeeded():
    """A list shows a refunded payment once: both facts are proven by it, the older one first."""
    connector = gateway()
    body = {"payments": [{**ITEM, "status": "refunded"}]}
    (item,) = listed(connector, answering(body, {"payments": []})[0])
    topics = frozenset({"payment.succeeded", "payment.refunded"})
    facts = connector.rebuild(item, topics)
    assert [(fact.topic, fact.occurred_at.hour) for fact in facts] == [
        ("payment.succeeded", 10),
        ("payment.refunded", 11),
    ]


def test_two_deliveries_of_one_fact_are_one():
    """Under whatever event id it is told: a fact happens once for a topic and an id."""
    connector = gateway()
    first, second = (
        json.dumps({"event_id": event_id, "event_type": "payment.succeeded", "data": ITEM}).encode()
        for event_id in ("evt_1", "evt_2")
    )
    ids = {connector.identify(Delivery({}, body, NOW)).id for body in (first, second)}
    assert ids == {"payment.succeeded:ref_1"}
    other = json.dumps({"event_id": "evt_3", "event_type": "dispute.opened", "data": ITEM}).encode()
    assert connector.identify(Delivery({}, other, NOW)).id == "evt_3"


def test_a_delivery_may_be_the_item_itself():
    """Without a topic of its own, the item's status says which it is; without an id, its bytes say who it is."""
    connector = gateway(webhook={"event": {}, "signature": {"scheme": "token", "header": "X-Token"}})
    body = json.dumps({**ITEM, "status": "failed"}).encode()
    identity = connector.identify(Delivery({}, body, NOW))
    assert (identity.id, identity.topic) == ("payment.failed:ref_1", "payment.failed")
    assert connector.describe("payment.failed", body, {}).key == "payment.failed:ref_1"
    (told,) = connector.told("payment.failed", body)
    assert (told.status, told.facts) == ("failed", ())


def test_what_a_delivery_says_of_time_and_money_never_loses_it():
    """A time or an amount that cannot be read costs its order, not the delivery; nor does one that is not there."""
    connector = gateway()
    for odd in ({"created_at": "soon"}, {"updated_at": {}}, {"amount": "?"}, {"created_at": None, "updated_at": None}):
        body = json.dumps({"event_id": "e", "event_type": "payment.succeeded", "data": {**ITEM, **odd}}).encode()
        assert connector.describe("payment.succeeded", body, {}).key == "payment.succeeded:ref_1"
    body = json.dumps({"event_id": "e", "event_type": "ping", "data": {}}).encode()
    said = connector.describe("ping", body, {})
    assert (said.topic, said.subject) == ("ping", None)
    assert connector.told("ping", body) == ()


def test_the_fake_refuses_what_a_gateway_refuses():
    """Unknown parameters, sizes beyond its most, cursors of nobody, times of another format, no credential."""
    clock = SettableClock(START)
    fake = FakeGateway(shapes.RAZORPAY, clock=clock)
    fake.subscribe(URL, "whsec_dummy")
    key = fake.create()
    auth = {"Authorization": "Basic cnpwX3Rlc3RfZHVtbXk6c2VjcmV0X2R1bW15"}

    def status_of(path, headers=auth):
        return fake.handle(httpx.Request("GET", f"https://api.razorpay.com{path}", headers=headers)).status_code

    assert status_of("/v1/payments?count=100") == 200
    assert status_of("/v1/payments?count=101") == 400
    assert status_of("/v1/payments?skip=-1") == 400
    assert status_of("/v1/payments?from=2024-01-01") == 400
    assert status_of("/v1/payments?page=2") == 400
    assert status_of(f"/v1/payments/{key}") == 200
    assert status_of("/v1/payments/nobody") == 404
    assert status_of("/v1/payments", {}) == 401
    fake.become(key, TransactionStatus.SUCCEEDED)
    with pytest.raises(ValueError, match="never becomes"):
        fake.become(key, TransactionStatus.FAILED)
    assert [sent.topic for sent in fake.outbox] == ["payment.captured"]


def test_a_change_shows_when_the_lag_is_over():
    """Until then the fake's list and status call show the payment as it was."""
    clock = SettableClock(START)
    fake = FakeGateway(shapes.PLAIN, clock=clock, lag=30.0)
    key = fake.create()
    connector = gateway()
    client = client_for(connector, fake.handle)
    assert connector.status(client, Subject("payment", key)) is None
    clock.advance(30)
    fake.become(key, TransactionStatus.SUCCEEDED)
    assert connector.status(client, Subject("payment", key)).status is TransactionStatus.PENDING
    clock.advance(30)
    assert connector.status(client, Subject("payment", key)).status is TransactionStatus.SUCCEEDED
