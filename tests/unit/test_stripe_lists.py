"""Stripe's resource lists, and what their objects prove."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connectors.stripe import Stripe, StripeSettings
from connectors.stripe.facts import LISTS
from reconcile.connector import StreamRef
from reconcile.errors import BadAnswer
from reconcile.model import Occurrence, Window
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.stripe import FakeStripe
from reconcile.testing.worlds import client_for

START = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=1))
STRIPE = Stripe(StripeSettings(api_key="sk_test_dummy", api_version="2026-10-28.endive"))
ALL = frozenset(topic.name for topic in STRIPE.facts.topics)
CREATED = int(START.timestamp())


def read(stream, body, account=""):
    client = client_for(STRIPE, lambda _: httpx.Response(200, json=body))
    return STRIPE.read(client, StreamRef(stream, account), body["id"])


def facts(stream, topics=ALL, **fields):
    snapshot = read(stream, {"id": "x_1", "created": CREATED, "livemode": True, **fields})
    return {fact.topic: fact for fact in STRIPE.rebuild(snapshot, topics)}


def seconds(fact):
    return int(fact.occurred_at.timestamp()) - CREATED


def test_the_window_is_widened_to_whole_seconds():
    """`[gte, lt)` in unix seconds, never narrower than the window (C5)."""
    asked = []

    def handle(request):
        asked.append(dict(request.url.params))
        return httpx.Response(200, json={"data": [], "has_more": False})

    window = Window(START + timedelta(microseconds=1), START + timedelta(seconds=9, microseconds=1))
    (page,) = STRIPE.pages(client_for(STRIPE, handle), StreamRef("charges"), window, ())
    assert page.next is None
    assert asked == [{"limit": "100", "created[gte]": str(CREATED), "created[lt]": str(CREATED + 10)}]


@pytest.mark.parametrize("seconds", [-1, 86_400])
def test_an_object_of_another_time_is_no_proof(seconds):
    """C9: whoever answers with it answers another question, and may leave out what was asked for."""
    body = {"data": [{"id": "ch_1", "created": CREATED + seconds, "livemode": True}], "has_more": False}
    client = client_for(STRIPE, lambda _: httpx.Response(200, json=body))
    with pytest.raises(BadAnswer, match=r"/v1/charges was asked for .* and lists something of 2026-11-0"):
        list(STRIPE.pages(client, StreamRef("charges"), WINDOW, ()))


def test_canceled_subscriptions_are_listed():
    """They are left out by default, and they are what a missed deletion is found by (C1)."""
    fake = FakeStripe(clock=SettableClock(START))
    customer = fake.create_customer()
    made = [fake.create_subscription(customer) for _ in range(2)]
    fake.cancel_subscription(made[0])
    pages = list(STRIPE.pages(client_for(STRIPE, fake.handle), StreamRef("subscriptions"), WINDOW, ()))
    assert {item.subject.id for page in pages for item in page.items} == set(made)


def test_a_deleted_customer_is_gone():
    """Stripe answers 200 and `deleted`, which is as gone as a 404 (C16)."""
    fake = FakeStripe(clock=SettableClock(START))
    customer = fake.create_customer()
    client = client_for(STRIPE, fake.handle)
    assert STRIPE.read(client, StreamRef("customers"), customer) is not None
    fake.delete_customer(customer)
    assert STRIPE.read(client, StreamRef("customers"), customer) is None
    assert STRIPE.read(client, StreamRef("customers"), "cus_unknown") is None


@pytest.mark.parametrize("item", [{}, {"id": "x"}, {"created": 1}, {"id": 1, "created": 1}, None])
def test_an_object_that_cannot_be_read_is_an_error(item):
    """An object without id or time is never skipped (C9)."""
    client = client_for(STRIPE, lambda _: httpx.Response(200, json={"data": [item], "has_more": False}))
    with pytest.raises(BadAnswer):
        list(STRIPE.pages(client, StreamRef("charges"), WINDOW, ()))


@pytest.mark.parametrize(
    ("stream", "fields", "topics"),
    [
        ("payment_intents", {"status": "requires_payment_method"}, []),
        ("payment_intents", {"status": "succeeded"}, ["payment_intent.succeeded"]),
        ("payment_intents", {"status": "canceled", "canceled_at": CREATED + 5}, ["payment_intent.canceled"]),
        ("payment_intents", {"status": "processing"}, ["payment_intent.processing"]),
        ("payment_intents", {"status": "requires_action"}, ["payment_intent.requires_action"]),
        ("payment_intents", {"status": "requires_capture"}, ["payment_intent.amount_capturable_updated"]),
        (
            "payment_intents",
            {"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}},
            ["payment_intent.payment_failed"],
        ),
        ("payment_intents", {"status": "a_status_of_tomorrow"}, []),
        ("charges", {"status": "succeeded"}, ["charge.succeeded"]),
        ("charges", {"status": "failed"}, ["charge.failed"]),
        ("charges", {"status": "pending"}, ["charge.pending"]),
        ("charges", {"status": "succeeded", "amount_refunded": 5}, ["charge.succeeded", "charge.refunded"]),
        ("refunds", {"status": "succeeded"}, []),
        ("refunds", {"status": None}, []),
        ("refunds", {"status": "failed"}, ["refund.failed"]),
        ("disputes", {"status": "needs_response"}, []),
        ("disputes", {"status": "lost"}, ["charge.dispute.closed"]),
        ("subscriptions", {"status": "active"}, []),
        ("subscriptions", {"status": "canceled", "ended_at": CREATED + 7}, ["customer.subscription.deleted"]),
        ("payouts", {"status": "paid"}, ["payout.paid"]),
        ("payouts", {"status": "failed"}, ["payout.failed"]),
        ("checkout_sessions", {"status": "open"}, []),
        ("checkout_sessions", {"status": "complete"}, ["checkout.session.completed"]),
        ("checkout_sessions", {"status": "expired"}, ["checkout.session.expired"]),
        ("invoices", {"status": "draft", "status_transitions": {}}, []),
    ],
)
def test_a_status_proves_its_events(stream, fields, topics):
    """Besides its creation, an object proves what its state shows, and nothing of a state not known here."""
    found = [topic for topic in facts(stream, **fields) if not topic.endswith(".created")]
    assert found == topics


def test_invoice_states_have_their_own_times():
    """The only times of that kind Stripe lists are an invoice's; the rest stand at the object's creation."""
    times = {"finalized_at": CREATED + 1, "paid_at": CREATED + 9, "voided_at": None, "marked_uncollectible_at": None}
    found = facts("invoices", status="paid", status_transitions=times)
    assert {topic: seconds(fact) for topic, fact in found.items()} == {
        "invoice.created": 0,
        "invoice.finalized": 1,
        "invoice.payment_succeeded": 9,
        "invoice.paid": 9,
    }
    assert found["invoice.paid"].version == (CREATED + 9) * 1_000_000


def test_a_paid_invoice_may_not_have_been_paid_here():
    """`invoice.payment_succeeded` is rebuilt only where the invoice says that it was not settled elsewhere."""
    times = {"paid_at": CREATED}
    unsure = facts("invoices", status="paid", status_transitions=times)
    sure = facts("invoices", status="paid", status_transitions=times, paid_out_of_band=False)
    assert "invoice.paid" in unsure["invoice.payment_succeeded"].reason
    assert not sure["invoice.payment_succeeded"].reason
    assert not unsure["invoice.paid"].reason


def test_failed_attempts_are_told_apart_by_their_number():
    """An attempt's number is in live and listed bodies alike, so the third failure is not taken for the first."""
    found = facts("invoices", status="open", attempted=True, attempt_count=3)
    assert found["invoice.payment_failed"].key == "invoice.payment_failed:x_1:3"
    assert found["invoice.payment_failed"].kind is Occurrence.DATED


def test_a_partial_refund_is_told_apart_by_its_amount():
    """`charge.refunded` is sent for each refund; what was refunded so far says which."""
    assert facts("charges", amount_refunded=500)["charge.refunded"].key == "charge.refunded:x_1:500"


def test_a_rebuilt_event_has_stripes_envelope():
    """A handler reads it as any event (H9): its object is the listed bytes, its id is no id of Stripe's."""
    snapshot = read("charges", {"id": "ch_1", "created": CREATED, "livemode": True, "status": "succeeded"}, "acct_2")
    (fact,) = STRIPE.rebuild(snapshot, frozenset({"charge.succeeded"}))
    body = json.loads(fact.body())
    assert body == {
        "id": body["id"],
        "object": "event",
        "account": "acct_2",
        "api_version": "2026-10-28.endive",
        "created": CREATED,
        "data": {"object": json.loads(snapshot.body)},
        "livemode": True,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": "charge.succeeded",
    }
    assert body["id"].startswith("evt_reconcile_")
    assert snapshot.body in fact.body()


def test_the_official_sdk_reads_a_rebuilt_event():
    """stripe-python verifies its signature and constructs it like any other (H10)."""
    import stripe

    from reconcile.model import Event, Origin

    snapshot = read("charges", {"id": "ch_1", "object": "charge", "created": CREATED, "status": "succeeded"})
    (fact,) = STRIPE.rebuild(snapshot, frozenset({"charge.succeeded"}))
    event = Event("e", "s", fact.topic, fact.subject, 1, None, None, fact.body(), {}, "", Origin.BACKFILL)
    signed = STRIPE.sign(event, "whsec_dummy", datetime.now(UTC))
    read_back = stripe.Webhook.construct_event(event.body, signed["Stripe-Signature"], "whsec_dummy")
    assert (read_back["type"], read_back["data"]["object"]["id"]) == ("charge.succeeded", "ch_1")


def test_every_list_is_readable():
    """Each stream's path and object name are those of the provider's twin."""
    fake = FakeStripe(clock=SettableClock(START))
    for stream in LISTS:
        (page,) = STRIPE.pages(client_for(STRIPE, fake.handle), StreamRef(stream), WINDOW, ())
        assert not page.items
