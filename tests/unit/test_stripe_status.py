"""Stripe's statuses: what each comes to, asked for, told by events and listed, and the facts an end proves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from connectors.stripe import Stripe, StripeSettings
from connectors.stripe.status import STATUSES
from reconcile.connector import ReportsStatus, StreamRef
from reconcile.errors import BadAnswer, CredentialsRefused, Rejected, Retriable
from reconcile.model import Subject, TransactionStatus, Window
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.stripe import FakeStripe
from reconcile.testing.worlds import client_for

START = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)
STRIPE = Stripe(StripeSettings(api_key="sk_test_dummy"))
PENDING, SUCCEEDED = TransactionStatus.PENDING, TransactionStatus.SUCCEEDED
FAILED, CANCELLED = TransactionStatus.FAILED, TransactionStatus.CANCELLED


@pytest.fixture
def fake():
    return FakeStripe(clock=SettableClock(START), throttle=False)


def ask(fake, type_, id_, stripe=STRIPE):
    return stripe.status(client_for(stripe, fake.handle), Subject(type_, id_))


def charge(fake):
    return fake.succeed(fake.create_payment_intent(1999))


def setup(fake):
    return fake.create_setup_intent()


def session(fake):
    return fake.create_checkout_session(1999)


#: Resource, how it begins, what happens to it, its statuses before and after, the topics its end proves.
STORIES = {
    "intent paid": ("payment_intent", FakeStripe.create_payment_intent, FakeStripe.succeed, SUCCEEDED,
                    ["payment_intent.succeeded"]),
    "intent cancelled": ("payment_intent", FakeStripe.create_payment_intent, FakeStripe.cancel, CANCELLED,
                         ["payment_intent.canceled"]),
    "intent failed": ("payment_intent", FakeStripe.create_payment_intent, FakeStripe.fail, PENDING, []),
    "intent processing": ("payment_intent", FakeStripe.create_payment_intent, FakeStripe.start_processing, PENDING, []),
    "setup done": ("setup_intent", setup, FakeStripe.succeed_setup, SUCCEEDED, ["setup_intent.succeeded"]),
    "setup cancelled": ("setup_intent", setup, FakeStripe.cancel_setup, CANCELLED, ["setup_intent.canceled"]),
    "setup failed": ("setup_intent", setup, FakeStripe.fail_setup, PENDING, []),
    "refund done": ("refund", lambda f: f.refund(charge(f), status="pending"), FakeStripe.settle_refund, SUCCEEDED,
                    ["refund.updated", "charge.refund.updated"]),
    "refund failed": ("refund", lambda f: f.refund(charge(f), status="requires_action"),
                      lambda f, id_: f.settle_refund(id_, "failed"), FAILED,
                      ["refund.updated", "charge.refund.updated", "refund.failed"]),
    "payout paid": ("payout", lambda f: f.create_payout(5000), FakeStripe.pay_payout, SUCCEEDED, ["payout.paid"]),
    "payout failed": ("payout", lambda f: f.create_payout(5000), FakeStripe.fail_payout, FAILED, ["payout.failed"]),
    "dispute won": ("dispute", lambda f: f.open_dispute(charge(f)), FakeStripe.close_dispute, SUCCEEDED,
                    ["charge.dispute.closed"]),
    "dispute lost": ("dispute", lambda f: f.open_dispute(charge(f)), lambda f, id_: f.close_dispute(id_, "lost"),
                     FAILED, ["charge.dispute.closed"]),
    "session done": ("checkout.session", session, FakeStripe.complete_checkout_session, SUCCEEDED,
                     ["checkout.session.completed"]),
    "session expired": ("checkout.session", session, FakeStripe.expire_checkout_session, CANCELLED,
                        ["checkout.session.expired"]),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_an_end_is_reported_as_the_event_that_was_lost(fake, story):
    """P5: asked for, told and listed agree; each fact of an answer is the fact of the event that Stripe did send."""
    type_, begin, happen, status, topics = STORIES[story]
    id_ = begin(fake)
    assert ask(fake, type_, id_).status is PENDING
    fake.clock.set(START + timedelta(minutes=3))
    happen(fake, id_)
    fake.clock.set(START + timedelta(minutes=9))
    answer = ask(fake, type_, id_)
    assert (answer.status, answer.raw) == (status, fake.body(type_, id_)["status"])
    sent = {one.topic: one for one in fake.truth if one.subject_id == id_ and one.at > START}
    assert sorted(fact.topic for fact in answer.facts) == sorted(set(topics) & set(sent))
    for fact in answer.facts:
        lived = STRIPE.describe(fact.topic, sent[fact.topic].body, {})
        built = STRIPE.describe(fact.topic, fact.body(), {})
        assert (lived.key, lived.kind) == (built.key, built.kind) == (fact.key, fact.kind)
        assert START <= fact.occurred_at <= START + timedelta(minutes=9)
        assert json.loads(fact.body())["data"]["object"] == fake.body(type_, id_)
    (told,) = STRIPE.told("", next(reversed(sent.values())).body)
    assert (told.subject, told.status, told.amount) == (answer.subject, status, answer.amount)


def test_the_connector_reports_status():
    """The job asks for the capability."""
    assert isinstance(STRIPE, ReportsStatus)


def test_amounts_are_whole_minor_units(fake):
    """P4: exact, never float, in Stripe's own unit, with its currency; a session's is its total, a setup has none."""
    answer = ask(fake, "payment_intent", fake.create_payment_intent(123_456_789_012, "jpy"))
    assert (answer.amount, answer.currency, answer.at) == (Decimal(123_456_789_012), "jpy", START)
    assert ask(fake, "checkout.session", fake.create_checkout_session(777)).amount == Decimal(777)
    assert ask(fake, "setup_intent", fake.create_setup_intent()).amount is None


def test_a_session_paid_for_later_is_pending(fake):
    """A completed session of a method that takes days is not paid yet: its payment_status says so."""
    id_ = fake.create_checkout_session(777)
    fake.change("checkout.session", id_, {"status": "complete", "payment_status": "unpaid"})
    assert (ask(fake, "checkout.session", id_).status, ask(fake, "checkout.session", id_).raw) == (
        PENDING, "complete/unpaid",
    )  # fmt: skip
    fake.change("checkout.session", id_, {"payment_status": "no_payment_required"})
    assert ask(fake, "checkout.session", id_).status is SUCCEEDED


@pytest.mark.parametrize("type_", STATUSES)
def test_an_unknown_status_is_pending(type_):
    """P2: every set of statuses is open; a new one, or none, is no end."""
    for status in ("levitating", None):
        item = {"id": "x_1", "object": type_, "created": 1, "status": status}
        client = client_for(STRIPE, lambda _, item=item: httpx.Response(200, json=item))
        assert STRIPE.status(client, Subject(type_, "x_1")).status is PENDING


def test_connected_accounts_are_asked_in_turn(fake):
    """A transaction of a connected account is found there, and its event says whose it is."""
    intent = fake.connect("acct_2").create_payment_intent(500)
    fake.connect("acct_2").succeed(intent)
    fake.connect("acct_1")
    stripe = Stripe(StripeSettings(api_key="sk_test_dummy", accounts=("acct_1", "acct_2")))
    answer = ask(fake, "payment_intent", intent, stripe)
    assert json.loads(answer.facts[0].body())["account"] == "acct_2"
    assert ask(fake, "payment_intent", "pi_nowhere", stripe) is None


def test_not_there_is_none_and_a_refusal_is_raised(fake):
    """P2: 404 is None; 401, 500 and what is no object leave as every request's faults do."""
    assert ask(fake, "payment_intent", "pi_nowhere") is None
    for answer, error in (
        (httpx.Response(401, json={}), CredentialsRefused),
        (httpx.Response(500, json={}), Retriable),
        (httpx.Response(200, json=[]), BadAnswer),
        (httpx.Response(200, text="<html>"), Retriable),
    ):
        with pytest.raises((error, BadAnswer)):
            STRIPE.status(client_for(STRIPE, lambda _, answer=answer: answer), Subject("charge", "ch_1"))
    with pytest.raises(Rejected, match="Stripe has no invoice with a status"):
        ask(fake, "invoice", "in_1")


def test_an_id_is_data_in_the_path():
    """X2: an id full of slashes and dots asks for that id, nothing else."""
    seen = []

    def handle(request):
        seen.append(request.url.raw_path)
        return httpx.Response(404, json={})

    assert STRIPE.status(client_for(STRIPE, handle), Subject("charge", "../account?x=1#y")) is None
    assert seen == [b"/v1/charges/..%2Faccount%3Fx%3D1%23y"]


def test_lists_show_what_is_pending_with_its_money(fake):
    """From listings: a pending object with amount and currency, an ended one by its status; others not at all."""
    intent, paid = fake.create_payment_intent(1999), fake.create_payment_intent(5)
    fake.succeed(paid)
    fake.create_customer()
    client, window = client_for(STRIPE, fake.handle), Window(START - timedelta(days=1), START + timedelta(days=1))

    def shown(stream):
        pages = STRIPE.pages(client, StreamRef(stream), window, ())
        return {one.subject.id: one for page in pages for item in page.items for one in STRIPE.listed(item)}

    found = shown("payment_intents")
    assert (found[intent].status, found[intent].amount, found[intent].at) == (PENDING, Decimal(1999), START)
    assert found[paid].status is SUCCEEDED
    assert shown("customers") == {}


def test_events_about_something_else_tell_nothing(fake):
    """Most events are about no transaction; one that cannot be read raises, for the core to guard."""
    fake.create_customer()
    assert STRIPE.told("", fake.truth[-1].body) == ()
    assert STRIPE.told("", b'{"object":"v2.core.event","related_object":{"id":"pi_1","type":"payment_intent"}}') == ()
    for body in (b"", b"[]", b"{", b"\xff"):
        with pytest.raises(ValueError, match="not a Stripe event"):
            STRIPE.told("", body)


@pytest.mark.parametrize(
    ("id_", "type_"),
    [("pi_1", "payment_intent"), ("seti_1", "setup_intent"), ("ch_1", "charge"), ("py_1", "charge"), ("re_1", "refund"),
     ("pyr_1", "refund"), ("po_1", "payout"), ("du_1", "dispute"), ("dp_1", "dispute"),
     ("cs_test_1", "checkout.session"), ("in_1", None), ("pi", "payment_intent")],
)  # fmt: skip
def test_an_id_tells_its_type(id_, type_):
    """What an app tracks needs no type: Stripe's prefixes tell it."""
    found = STRIPE.subject_of(id_)
    assert (found.type if found else None) == type_
