"""Verifying, reading and signing Stripe deliveries, and the settings of a source."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.stripe import Stripe, StripeSettings
from reconcile.connector import Delivery
from reconcile.errors import DeliveryRefused
from reconcile.model import Event, Occurrence, Origin, Subject

STRIPE = Stripe(StripeSettings(api_key="sk_test_dummy"))
SECRET = "whsec_test_secret"
BODY = b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded"}'
V1 = "67da5088c63e080c71bd2bb0cb5c03d85a8fc6a21ce3aaf484df809654745b92"  # by stripe-node and stripe-python alike
T = 1700000000
AT = datetime.fromtimestamp(T, UTC)


def verify(header, *, body=BODY, secrets=(SECRET,), late=timedelta(0)):
    STRIPE.verify(Delivery({"stripe-signature": header}, body, AT + late), secrets)


def event(body=BODY):
    return Event("evt_1", "s", "t", None, None, None, None, body, {}, "", Origin.LIVE)


@pytest.mark.parametrize(
    "header",
    [
        f"t={T},v1={V1}",
        f"t={T},v1={'0' * 64},v1={V1}",
        f"t={T},v1={V1},v0={'0' * 64}",
        f"t={T}, v1={V1}",
        f"v1={V1},t={T}",
    ],
)
def test_genuine_signatures_are_accepted(header):
    """Any one v1 counts while a secret is being rolled; other schemes are passed over."""
    verify(header)
    verify(header, secrets=("whsec_other", SECRET))
    verify(header, late=timedelta(seconds=300))
    verify(header, late=timedelta(seconds=-300))


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"t={T}",
        f"v1={V1}",
        f"t={T},v0={V1}",
        f"t={T},v1=",
        f"t={T},v1={V1[:-1]}",
        f"t={T},v1={V1}0",
        f"t={T},v1={V1.upper()}",
        f"t={T + 1},v1={V1}",
        f"t=,v1={V1}",
        f"t=-{T},v1={V1}",
        f"t={T}.0,v1={V1}",
        f"t=1_700_000_000,v1={V1}",
        f"t=\uff11700000000,v1={V1}",
        f"t={T},t={T + 1},v1={V1}",
        f"t={'9' * 5000},v1={V1}",
        f"t={T},v1=é",
        f"t={T}," + ",".join(["v1=" + "0" * 64] * 500) + f",v1={V1}",
        "t=" + V1,
        ",,,,====",
    ],
)
def test_forged_signatures_are_refused(header):
    """Nothing but the whole digest of time and body counts, and no header costs more than its share (X3)."""
    with pytest.raises(DeliveryRefused) as refusal:
        verify(header)
    assert refusal.value.status == 401


@pytest.mark.parametrize("late", [timedelta(seconds=301), timedelta(seconds=-301), timedelta(days=1)])
def test_an_old_or_future_signature_is_refused(late):
    """Five minutes either way: a recorded delivery cannot be played back, and a wrong clock is noticed (C15)."""
    with pytest.raises(DeliveryRefused, match="5 minutes"):
        verify(f"t={T},v1={V1}", late=late)


@pytest.mark.parametrize("secrets", [(), ("",), ("  ",), ("whsec_",), (SECRET + " ",), ("test_secret",)])
def test_other_secrets_are_refused(secrets):
    """The key is the whole whsec_ text, and no key is never a pass."""
    with pytest.raises(DeliveryRefused):
        verify(f"t={T},v1={V1}", secrets=secrets)


def test_a_changed_body_is_refused():
    """The bytes are what is signed, not what they mean."""
    with pytest.raises(DeliveryRefused):
        verify(f"t={T},v1={V1}", body=BODY.replace(b":", b": "))


@given(st.text(), st.binary(max_size=32))
def test_any_other_header_is_refused_without_a_crash(header, body):
    """Whatever text the header holds, the answer is a refusal."""
    with pytest.raises(DeliveryRefused):
        verify(header, body=body)


@given(st.binary(max_size=200), st.text("abc_é", min_size=1), st.integers(0, 4_000_000_000))
def test_what_it_signs_it_verifies(body, secret, now):
    """Any body and secret, signed at the time of sending (H10)."""
    when = datetime.fromtimestamp(now, UTC)
    signed = STRIPE.sign(event(body), secret, when)
    STRIPE.verify(Delivery({"stripe-signature": signed["Stripe-Signature"]}, body, when), [secret])


def test_it_signs_as_stripe_does():
    """The signature of the official vector, to the letter."""
    assert STRIPE.sign(event(), SECRET, AT)["Stripe-Signature"] == f"t={T},v1={V1}"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"id":"evt_1"}', b'{"id":1,"type":"t"}', b'{"id":"","type":"t"}']
)
def test_a_nameless_delivery_is_a_bad_request(body):
    """Stripe's events have an id and a type."""
    with pytest.raises(DeliveryRefused) as refusal:
        STRIPE.identify(Delivery({}, body, AT))
    assert refusal.value.status == 400


def describe(**fields):
    return STRIPE.describe("", json.dumps({"id": "evt_1", "created": T, **fields}).encode(), {})


def test_an_event_is_described():
    """Type, object, second and version."""
    said = describe(type="payment_intent.succeeded", data={"object": {"id": "pi_1", "object": "payment_intent"}})
    assert (said.topic, said.subject, said.kind) == (
        "payment_intent.succeeded",
        Subject("payment_intent", "pi_1"),
        Occurrence.ONCE,
    )
    assert (said.version, said.occurred_at) == (T * 1_000_000, AT)


def test_an_event_about_nothing_yet_has_no_subject():
    """An upcoming invoice has no id."""
    said = describe(type="invoice.upcoming", data={"object": {"object": "invoice", "amount_due": 5}})
    assert (said.subject, said.key) == (None, "")


def test_a_thin_event_is_described():
    """`created` is text, and what it is about is only named."""
    said = describe(
        object="v2.core.event",
        type="v1.customer.created",
        created="2026-11-01T10:00:00.123Z",
        related_object={"id": "cus_1", "type": "customer", "url": "/v1/customers/cus_1"},
    )
    assert said.subject == Subject("customer", "cus_1")
    assert said.occurred_at == datetime(2026, 11, 1, 10, 0, 0, 123_000, tzinfo=UTC)


def test_dated_topics_look_at_their_object():
    """The number that tells them apart is the one their listed object shows."""
    charge = {"id": "ch_1", "object": "charge", "created": 1, "amount_refunded": 500}
    assert describe(type="charge.refunded", data={"object": charge}).key == "charge.refunded:ch_1:500"


def test_an_unknown_topic_happens_again_and_again():
    """Of a topic nobody described, nothing is promised."""
    said = describe(type="topic.of_tomorrow", data={"object": {"id": "x_1", "object": "x"}})
    assert said.kind is Occurrence.REPEATED


@pytest.mark.parametrize(
    "change",
    [
        {"api_key": ""},
        {"api_key": "pk_test_dummy"},
        {"api_version": "latest"},
        {"api_version": "2026-10"},
        {"accounts": ["1"]},
        {"accounts": ["acct_1", "acct_1"]},
        {"accounts": [""]},
        {"key": "x"},
    ],
)
def test_settings_that_cannot_work_are_refused(change):
    """A publishable key, an unknown version, an account twice, or an unknown key of ours."""
    with pytest.raises(ValidationError) as refusal:
        StripeSettings.model_validate({"api_key": "sk_test_dummy", **change})
    assert "sk_test_dummy" not in str(refusal.value)
