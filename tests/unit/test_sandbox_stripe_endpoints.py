"""Webhook endpoints of the fake Stripe, and what is owed to them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import stripe as sdk
from support.fakes import stripe_client as client

from reconcile.sandbox.stripe import FakeStripe
from reconcile.sandbox.stripe.endpoints import signature

URL = "https://hooks.acme.example/webhooks/payments"


def create(stripe, **form):
    form = {"url": URL, "enabled_events[]": ["payment_intent.created"], **form}
    return client(stripe).post("/v1/webhook_endpoints", data=form)


def param_of(answer):
    assert answer.status_code == 400, answer.text
    return answer.json()["error"].get("param")


def test_the_secret_is_shown_once(stripe):
    """S4: the signing secret is in the creating answer and in no later one."""
    made = create(stripe, **{"metadata[team]": "pay"}).json()
    assert made["secret"].startswith("whsec_")
    assert (made["status"], made["metadata"]) == ("enabled", {"team": "pay"})
    read = client(stripe).get(f"/v1/webhook_endpoints/{made['id']}").json()
    assert read == {name: value for name, value in made.items() if name != "secret"}
    assert client(stripe).get("/v1/webhook_endpoints").json()["data"] == [read]


def test_the_request_says_disabled_and_the_answer_status(stripe):
    """S6: `disabled=true` makes `status: disabled`; `status` itself is no parameter."""
    path = f"/v1/webhook_endpoints/{create(stripe).json()['id']}"
    assert client(stripe).post(path, data={"disabled": "true"}).json()["status"] == "disabled"
    assert client(stripe).post(path, data={"disabled": "false"}).json()["status"] == "enabled"
    assert param_of(client(stripe).post(path, data={"status": "enabled"})) == "status"
    assert param_of(client(stripe).post(path, data={"disabled": "1"})) == "disabled"


@pytest.mark.parametrize("fixed", ["api_version", "connect"])
def test_version_and_connect_cannot_be_changed(stripe, fixed):
    """api_version and connect are settled at creation."""
    path = f"/v1/webhook_endpoints/{create(stripe).json()['id']}"
    assert param_of(client(stripe).post(path, data={fixed: "true"})) == fixed


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"url": "hooks.acme.example"}, "url"),
        ({"url": ""}, "url"),
        ({"enabled_events[]": []}, "enabled_events"),
        ({"enabled_events[]": ["payment_intent.success"]}, "enabled_events[0]"),
        ({"disabled": "true"}, "disabled"),
    ],
)
def test_refused_endpoints(stripe, form, param):
    """No scheme, no URL, no events, a mistyped event and `disabled` at creation are 400."""
    assert param_of(create(stripe, **form)) == param


def test_live_mode_wants_https(clock):
    """A live endpoint must be https; in a sandbox http is accepted."""
    assert param_of(create(FakeStripe(clock=clock, livemode=True), url="http://hooks.acme.example/x")) == "url"
    assert create(FakeStripe(clock=clock), url="http://127.0.0.1:8000/x").status_code == 200


def test_sixteen_endpoints_and_no_more(stripe):
    """The same URL may be taken again and again, up to 16 endpoints."""
    assert [create(stripe).status_code for _ in range(16)] == [200] * 16
    refused = create(stripe)
    assert refused.status_code == 400
    assert "16 webhook endpoints" in refused.json()["error"]["message"]


def test_deleting_an_endpoint(stripe):
    """A deleted endpoint says so once and is a 404 after."""
    path = f"/v1/webhook_endpoints/{create(stripe).json()['id']}"
    assert client(stripe).delete(path).json()["deleted"] is True
    assert client(stripe).delete(path).status_code == 404


def test_idempotency_keys_replay_the_first_answer(stripe):
    """S2: a repeated POST with the same key makes nothing new; other parameters under it are a 400."""
    keyed = client(stripe, **{"Idempotency-Key": "key-1"})
    form = {"url": URL, "enabled_events[]": ["charge.failed"]}
    first, second = (keyed.post("/v1/webhook_endpoints", data=form) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(stripe.endpoints.of("acct_main")) == 1
    other = keyed.post("/v1/webhook_endpoints", data={**form, "url": URL + "2"})
    assert other.json()["error"]["type"] == "idempotency_error"


# signatures


def test_the_official_signature_vector():
    """Stripe-Signature equals what Stripe's own libraries compute, with the whole whsec text as key."""
    body = b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded"}'
    expected = "67da5088c63e080c71bd2bb0cb5c03d85a8fc6a21ce3aaf484df809654745b92"
    assert signature(["whsec_test_secret"], body, 1700000000) == f"t=1700000000,v1={expected}"


def test_the_official_sdk_verifies_each_attempt(stripe, clock):
    """H10: every attempt is signed with its own time; Stripe's own code accepts it with a rolled secret too."""
    endpoint = stripe.subscribe(URL, ["payment_intent.created"])
    old = endpoint.secret
    new = stripe.endpoints.roll(endpoint.id)
    stripe.create_payment_intent()
    delivery = stripe.outbox.popleft()
    first = stripe.headers_of(delivery)["Stripe-Signature"]
    clock.advance(3600)
    second = stripe.headers_of(delivery)["Stripe-Signature"]
    assert first != second
    for secret in (old, new):
        sdk.WebhookSignature.verify_header(delivery.body.decode(), second, secret, tolerance=0)
    clock.advance(86_400)
    late = stripe.headers_of(delivery)["Stripe-Signature"]
    sdk.WebhookSignature.verify_header(delivery.body.decode(), late, new, tolerance=0)
    with pytest.raises(sdk.SignatureVerificationError):
        sdk.WebhookSignature.verify_header(delivery.body.decode(), late, old, tolerance=0)


# what is owed


def outbox(stripe):
    sent = [(delivery.endpoint, delivery.topic, delivery.account) for delivery in stripe.outbox]
    stripe.outbox.clear()
    return sent


def test_endpoints_get_what_they_asked_for(stripe):
    """Named events, everything for `*`, nothing while disabled: what happens then is never sent."""
    named, everything = stripe.subscribe(URL, ["charge.succeeded"]), stripe.subscribe(URL, ["*"])
    stripe.succeed(stripe.create_payment_intent())
    assert [topic for endpoint, topic, _ in outbox(stripe) if endpoint == named.id] == ["charge.succeeded"]
    everything.enabled = False
    stripe.create_payment_intent()
    everything.enabled = True
    assert outbox(stripe) == []


def test_connect_endpoints_hear_connected_accounts_only(stripe):
    """An endpoint made with connect=true gets the connected accounts' events, with `account`; others their own."""
    own, connect = stripe.subscribe(URL, ["*"]), stripe.subscribe(URL, ["*"], connect=True)
    stripe.create_customer()
    assert outbox(stripe) == [(own.id, "customer.created", "")]
    stripe.connect("acct_2").create_customer()
    assert json.loads(stripe.outbox[0].body)["account"] == "acct_2"
    assert outbox(stripe) == [(connect.id, "customer.created", "acct_2")]


def test_a_delivery_is_rendered_in_its_endpoints_version(stripe):
    """A delivery has its endpoint's version and shape, the log the account's default: they differ."""
    stripe.subscribe(URL, ["invoice.created"], api_version="2024-06-20")
    stripe.create_invoice("cus_1", subscription="sub_1")
    sent = json.loads(stripe.outbox[0].body)
    logged = client(stripe).get("/v1/events").json()["data"][0]
    assert (sent["id"], sent["api_version"]) == (logged["id"], "2024-06-20")
    assert logged["api_version"] == "2026-10-28.endive"
    assert sent["data"]["object"]["subscription"] == "sub_1"
    assert "subscription" not in logged["data"]["object"]
    assert logged["data"]["object"]["parent"]["subscription_details"]["subscription"] == "sub_1"


def events(stripe, **params):
    return client(stripe).get("/v1/events", params=params).json()["data"]


def test_delivery_success_is_about_deliveries_owed(stripe):
    """C1: delivery_success=false shows what is pending or failed; an event nobody was owed counts as delivered."""
    stripe.create_customer()
    stripe.subscribe(URL, ["payment_intent.created"])
    stripe.create_payment_intent()
    assert [event["pending_webhooks"] for event in events(stripe)] == [1, 0]
    assert [event["type"] for event in events(stripe, delivery_success="false")] == ["payment_intent.created"]
    assert [event["type"] for event in events(stripe, delivery_success="true")] == ["customer.created"]
    delivery = stripe.outbox.popleft()
    delivery.attempts = 1
    assert stripe.report(delivery, ok=True) is None
    assert events(stripe, delivery_success="false") == []
    assert client(stripe).get("/v1/events", params={"delivery_success": "maybe"}).status_code == 400


def retries(stripe, clock):
    """Fail a delivery until it is given up; the seconds that took, and how many attempts."""
    stripe.subscribe(URL, ["*"])
    stripe.create_payment_intent()
    delivery = stripe.outbox.popleft()
    began, wait = clock.now(), 0.0
    while wait is not None:
        clock.advance(wait)
        delivery.attempts += 1
        wait = stripe.report(delivery, ok=False)
    return clock.now() - began, delivery.attempts


def test_a_sandbox_retries_three_times(stripe, clock):
    """Three retries within a few hours; then the event stays undelivered and is no longer pending."""
    took, attempts = retries(stripe, clock)
    assert attempts == 4
    assert took < timedelta(hours=5)
    assert events(stripe, delivery_success="false")[0]["pending_webhooks"] == 0


def test_live_mode_retries_for_three_days(clock):
    """Live retries go on for three days, no longer."""
    took, attempts = retries(FakeStripe(clock=clock, livemode=True), clock)
    assert attempts > 6
    assert timedelta(days=2) < took <= timedelta(days=3)


def test_a_disabled_endpoint_ends_the_retries_that_come_due(stripe):
    """Disabled when a retry is due, it is not owed; enabled again before that, it is."""
    endpoint = stripe.subscribe(URL, ["*"])
    stripe.create_payment_intent()
    delivery = stripe.outbox.popleft()
    endpoint.enabled = False
    assert not stripe.owed(delivery)
    endpoint.enabled = True
    assert stripe.owed(delivery)
    stripe.endpoints.remove(endpoint.id)
    assert not stripe.owed(delivery)


def test_an_endpoint_that_only_fails_is_switched_off_after_nine_days(stripe, clock):
    """Nine days of nothing but failures disable the endpoint; a success in between starts the count anew."""
    endpoint = stripe.subscribe(URL, ["*"])
    for ok, days in ((False, 8), (True, 1), (False, 8), (False, 1)):
        stripe.create_payment_intent()
        delivery = stripe.outbox.popleft()
        delivery.attempts = 1
        stripe.report(delivery, ok=ok)
        assert endpoint.enabled
        clock.advance(days * 86_400)
    stripe.report(delivery, ok=False)
    assert not endpoint.enabled


def test_resending_an_event(stripe):
    """The undocumented retry sends one event once more to one endpoint, with the same id."""
    stripe.create_payment_intent()
    event = stripe.truth[0].event_id
    endpoint = stripe.subscribe(URL, ["charge.failed"])
    form = {"webhook_endpoint": endpoint.id}
    assert client(stripe).post(f"/v1/events/{event}/retry", data=form).json()["id"] == event
    assert outbox(stripe) == [(endpoint.id, "payment_intent.created", "")]
    assert client(stripe).post(f"/v1/events/{event}/retry").status_code == 404
