"""The event log of the fake Stripe."""

from __future__ import annotations

import json

import pytest
from support.fakes import START, refused
from support.fakes import stripe_client as client
from support.fakes import stripe_get as get
from support.fakes import stripe_ids as ids

from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.stripe import FakeStripe

T = int(START.timestamp())
DAY = 86_400


# events


def test_events_filter_by_type(stripe):
    """`type` is exact or `charge.*`; `types[]` up to 20 exact names; never both, never a wildcard in `types`."""
    stripe.succeed(stripe.create_payment_intent())

    def kinds(**params):
        return [event["type"] for event in get(stripe, "events", **params).json()["data"]]

    assert kinds() == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]
    assert kinds(type="charge.*") == ["charge.succeeded"]
    assert kinds(type="payment_intent.created") == ["payment_intent.created"]
    assert kinds(**{"types[]": ["charge.succeeded", "payment_intent.created"]}) == [
        "charge.succeeded",
        "payment_intent.created",
    ]
    assert kinds(**{"types[0]": "charge.succeeded"}) == ["charge.succeeded"]
    refused(get(stripe, "events", type="charge.succeeded", **{"types[]": "charge.failed"}))
    refused(get(stripe, "events", **{"types[]": ["charge.failed"] * 21}))
    refused(get(stripe, "events", **{"types[]": "charge.*"}))


def test_events_are_forgotten_after_30_days(stripe, clock):
    """C11: an event older than 30 days is neither listed nor read, nor good as a cursor."""
    stripe.create_payment_intent()
    event = stripe.truth[0].event_id
    clock.advance(30 * DAY)
    assert ids(get(stripe, "events")) == [event]
    clock.advance(1)
    assert ids(get(stripe, "events")) == []
    refused(get(stripe, f"events/{event}"), 404, "resource_missing")
    refused(get(stripe, "events", ending_before=event), code="resource_missing")
    assert len(ids(get(stripe, "payment_intents"))) == 1


def test_events_show_late(clock):
    """C4: an event is listed only `lag` seconds after it happened, with its own earlier `created`."""
    stripe = FakeStripe(clock=clock, lag=(5.0, 9.0))
    stripe.create_payment_intent()
    clock.advance(4)
    assert ids(get(stripe, "events")) == []
    refused(get(stripe, "events", starting_after=stripe.truth[0].event_id), code="resource_missing")
    clock.advance(5)
    assert get(stripe, "events").json()["data"][0]["created"] == T


def test_events_are_frozen_and_the_version_header_does_not_touch_them(stripe):
    """An event keeps the object of its moment, in the account's default version, whatever version asks."""
    intent = stripe.create_payment_intent()
    stripe.succeed(intent)
    pinned = client(stripe, **{"Stripe-Version": "2024-06-20"})
    oldest = pinned.get("/v1/events").json()["data"][-1]
    assert oldest["api_version"] == "2026-10-28.endive"
    assert oldest["data"]["object"]["status"] == "requires_payment_method"
    assert get(stripe, f"payment_intents/{intent}").json()["status"] == "succeeded"


def test_previous_attributes_only_on_updates(stripe):
    """`previous_attributes` names what changed, on *.updated events alone."""
    payout = stripe.create_payout()
    stripe.pay_payout(payout)
    paid, updated, created = get(stripe, "events").json()["data"]
    assert [paid["type"], updated["type"], created["type"]] == ["payout.paid", "payout.updated", "payout.created"]
    assert updated["data"]["previous_attributes"] == {
        "status": "in_transit",
        "reconciliation_status": "in_progress",
    }
    assert "previous_attributes" not in paid["data"]
    assert "previous_attributes" not in created["data"]


def test_one_change_may_be_told_twice(stripe):
    """H4: two event ids may tell of the same change of the same object."""
    intent = stripe.create_payment_intent()
    stripe.repeat_event(stripe.truth[0].event_id)
    one, two = get(stripe, "events").json()["data"]
    assert one["id"] != two["id"]
    assert (one["type"], one["data"]) == (two["type"], two["data"])
    assert one["data"]["object"]["id"] == intent


def test_events_may_never_be_made(stripe):
    """C1: while Stripe fails to make events only lists and the truth know of a change."""
    stripe.subscribe("https://hooks.acme.example/s", ["*"])
    stripe.generates_events = False
    intent = stripe.create_payment_intent()
    assert ids(get(stripe, "events")) == []
    assert ids(get(stripe, "payment_intents")) == [intent]
    assert list(stripe.outbox) == []
    assert [(h.topic, h.subject_id, h.event_id) for h in stripe.truth] == [("payment_intent.created", intent, "")]


def story(act):
    clock = SettableClock(START)
    stripe = FakeStripe(clock=clock)
    act(stripe)
    return [happened.topic for happened in stripe.truth]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda s: s.fail(s.create_payment_intent()), ["charge.failed", "payment_intent.payment_failed"]),
        (lambda s: s.cancel(s.create_payment_intent()), ["payment_intent.canceled"]),
        (lambda s: s.require_action(s.create_payment_intent()), ["payment_intent.requires_action"]),
        (lambda s: s.start_processing(s.create_payment_intent()), ["payment_intent.processing"]),
        (
            lambda s: s.authorize(s.create_payment_intent()),
            ["charge.succeeded", "payment_intent.amount_capturable_updated"],
        ),
        (lambda s: s.refund(s.succeed(s.create_payment_intent())), ["refund.created", "charge.refunded"]),
        (
            lambda s: s.settle_refund(s.refund(s.succeed(s.create_payment_intent())), "failed"),
            ["refund.updated", "charge.refund.updated", "refund.failed"],
        ),
        (lambda s: s.pay_invoice(s.create_invoice("cus_1")), ["invoice.paid", "invoice.payment_succeeded"]),
        (lambda s: s.void_invoice(s.create_invoice("cus_1")), ["invoice.voided"]),
        (lambda s: s.finalize_invoice(s.create_invoice("cus_1")), ["invoice.finalized"]),
        (lambda s: s.cancel_subscription(s.create_subscription("cus_1")), ["customer.subscription.deleted"]),
        (lambda s: s.fail_payout(s.create_payout()), ["payout.updated", "payout.failed"]),
        (
            lambda s: s.close_dispute(s.open_dispute(s.succeed(s.create_payment_intent()))),
            ["charge.dispute.closed", "charge.dispute.funds_reinstated"],
        ),
        (lambda s: s.complete_checkout_session(s.create_checkout_session()), ["checkout.session.completed"]),
        (lambda s: s.expire_checkout_session(s.create_checkout_session()), ["checkout.session.expired"]),
    ],
)
def test_actions_emit_stripes_events(act, expected):
    """Each action ends with the events Stripe would send for it."""
    assert story(act)[-len(expected) :] == expected


def test_a_failed_attempt_is_not_a_status(stripe):
    """A failed payment goes back to requires_payment_method with last_payment_error; capture completes later."""
    intent = stripe.create_payment_intent()
    stripe.fail(intent)
    body = get(stripe, f"payment_intents/{intent}").json()
    assert (body["status"], body["last_payment_error"]["code"]) == ("requires_payment_method", "card_declined")
    stripe.authorize(intent)
    assert get(stripe, f"payment_intents/{intent}").json()["status"] == "requires_capture"
    stripe.capture(intent)
    assert get(stripe, f"payment_intents/{intent}").json()["status"] == "succeeded"


def test_the_truth_is_what_the_log_shows(stripe, clock):
    """Every event of the truth is listed with the same bytes, as long as nobody is owed it."""
    stripe.refund(stripe.succeed(stripe.create_payment_intent()))
    listed = {event["id"]: event for event in get(stripe, "events", limit=100).json()["data"]}
    assert {h.event_id: json.loads(h.body) for h in stripe.truth} == listed
