"""The fake Stripe refuses, hides and forgets what Stripe does."""

from __future__ import annotations

import base64

import pytest
import stripe as sdk
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakes import START, refused
from support.fakes import stripe_client as client
from support.fakes import stripe_get as get
from support.fakes import stripe_ids as ids

from reconcile.clock import SystemClock
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.server import serve
from reconcile.sandbox.stripe import FakeStripe

T = int(START.timestamp())


def intents(stripe, clock, count, gap=1.0):
    """`count` intents `gap` seconds apart, oldest first."""
    made = []
    for _ in range(count):
        made.append(stripe.create_payment_intent())
        clock.advance(gap)
    return made


# access


@pytest.mark.parametrize("header", ["", "Bearer sk_test_wrong", "Basic !!!", "Token sk_test_dummy"])
def test_wrong_keys_are_refused_without_being_shown(stripe, header):
    """X1: a wrong or missing key is a 401, and the answer masks it."""
    answer = client(stripe, Authorization=header).get("/v1/account")
    assert "sk_test_wrong" not in answer.text
    refused(answer, 401)


def test_basic_authentication_is_accepted(stripe):
    """The key may be the user name of Basic authentication."""
    basic = base64.b64encode(b"sk_test_dummy:").decode()
    assert client(stripe, Authorization=f"Basic {basic}").get("/v1/account").json()["id"] == "acct_main"


def test_versions_are_echoed_or_refused(stripe):
    """Stripe-Version is echoed, the account's default without one; nonsense is a 400."""
    assert get(stripe, "account").headers["Stripe-Version"] == "2026-10-28.endive"
    pinned = client(stripe, **{"Stripe-Version": "2024-06-20"}).get("/v1/account")
    assert pinned.headers["Stripe-Version"] == "2024-06-20"
    refused(client(stripe, **{"Stripe-Version": "latest"}).get("/v1/account"))


def test_connected_accounts_are_apart(stripe):
    """Stripe-Account shows one connected account's objects and events only; an unknown one is a 403."""
    mine, theirs = stripe.create_payment_intent(), stripe.connect("acct_2").create_payment_intent()
    other = client(stripe, **{"Stripe-Account": "acct_2"})
    assert ids(get(stripe, "payment_intents")) == [mine]
    assert ids(other.get("/v1/payment_intents")) == [theirs]
    assert [event["account"] for event in other.get("/v1/events").json()["data"]] == ["acct_2"]
    assert "account" not in get(stripe, "events").json()["data"][0]
    unknown = client(stripe, **{"Stripe-Account": "acct_9"}).get("/v1/events")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (403, "account_invalid")


@pytest.mark.parametrize("path", ["/v1/nonsense", "/v2/core/events", "/v1/payment_intents/pi_1/capture"])
def test_unknown_urls_are_not_found(stripe, path):
    """What this fake does not have is Stripe's 404 for unrecognized URLs."""
    refused(client(stripe).get(path), 404)


# lists


def test_the_limit_defaults_to_10_and_ends_at_100(stripe, clock):
    """10 items unless asked; 0, 101 and `ten` are 400."""
    intents(stripe, clock, 12)
    assert len(ids(get(stripe, "payment_intents"))) == 10
    assert len(ids(get(stripe, "payment_intents", limit=100))) == 12
    for wrong in ("0", "101", "ten", "1.5"):
        error = refused(get(stripe, "payment_intents", limit=wrong), code="parameter_invalid_integer")
        assert error["param"] == "limit"


def test_pages_walk_back_with_starting_after(stripe, clock):
    """Newest first; starting_after goes on below its cursor; has_more says whether there is more."""
    made = intents(stripe, clock, 5)[::-1]
    first = get(stripe, "payment_intents", limit=2).json()
    assert ([item["id"] for item in first["data"]], first["has_more"]) == (made[:2], True)
    last = get(stripe, "payment_intents", limit=3, starting_after=made[1]).json()
    assert ([item["id"] for item in last["data"]], last["has_more"]) == (made[2:], False)


def test_pages_walk_forward_with_ending_before(stripe, clock):
    """ending_before gives the oldest items above its cursor, newest first within the page."""
    made = intents(stripe, clock, 5)
    page = get(stripe, "payment_intents", limit=2, ending_before=made[0]).json()
    assert ([item["id"] for item in page["data"]], page["has_more"]) == ([made[2], made[1]], True)
    rest = get(stripe, "payment_intents", limit=2, ending_before=made[2]).json()
    assert ([item["id"] for item in rest["data"]], rest["has_more"]) == ([made[4], made[3]], False)


def test_both_cursors_at_once_are_refused(stripe, clock):
    """starting_after and ending_before exclude each other."""
    one, two = intents(stripe, clock, 2)
    refused(get(stripe, "payment_intents", starting_after=two, ending_before=one))


def test_an_unknown_cursor_is_refused(stripe):
    """A cursor that names nothing is resource_missing, never an empty page."""
    refused(get(stripe, "events", starting_after="evt_nothing"), code="resource_missing")


def test_created_bounds_are_whole_seconds(stripe, clock):
    """C5: gte and lte include their second, gt and lt do not; anything but an integer is a 400."""
    one, two, three = intents(stripe, clock, 3)
    assert ids(get(stripe, "payment_intents", **{"created[gte]": T + 1})) == [three, two]
    assert ids(get(stripe, "payment_intents", **{"created[gt]": T + 1})) == [three]
    assert ids(get(stripe, "payment_intents", **{"created[gte]": T, "created[lt]": T + 1})) == [one]
    assert ids(get(stripe, "payment_intents", **{"created[lte]": T + 1})) == [two, one]
    assert ids(get(stripe, "payment_intents", created=T + 2)) == [three]
    for wrong in ("1.5", "2026-10-01", ""):
        refused(get(stripe, "payment_intents", **{"created[gte]": wrong}), code="parameter_invalid_integer")


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("events", {"updated": "1"}),
        ("payment_intents", {"status": "succeeded"}),
        ("payment_intents", {"created[after]": "1"}),
        ("charges", {"types[]": "x"}),
        ("webhook_endpoints", {"created": "1"}),
        ("payouts", {"page": "2"}),
    ],
)
def test_unknown_parameters_are_refused(stripe, path, params):
    """C9: a filter Stripe does not have is a 400 parameter_unknown, never ignored."""
    error = refused(get(stripe, path, **params), code="parameter_unknown")
    assert error["param"] == next(iter(params)).removesuffix("[]")


@settings(max_examples=40, deadline=None)
@given(gaps=st.lists(st.sampled_from([0.0, 0.0, 0.4, 1.0]), max_size=20), limit=st.integers(1, 5))
def test_both_directions_find_every_tie(gaps, limit):
    """C6: paging back and paging forward each meet every object of every second exactly once."""
    clock = SettableClock(START)
    stripe = FakeStripe(clock=clock, throttle=False)
    first = stripe.create_payment_intent()
    made = [first]
    for gap in gaps:
        clock.advance(gap)
        made.append(stripe.create_payment_intent())
    back, cursor, more = [], {}, True
    while more:
        page = get(stripe, "payment_intents", limit=limit, **cursor).json()
        back += [item["id"] for item in page["data"]]
        cursor, more = {"starting_after": back[-1]}, page["has_more"]
    forward, more = [first], True
    while more:
        page = get(stripe, "payment_intents", limit=limit, ending_before=forward[-1]).json()
        forward += [item["id"] for item in reversed(page["data"])]
        more = page["has_more"]
    assert back == made[::-1]
    assert forward == made


def test_what_arrives_while_paging_is_not_lost_going_forward(stripe, clock):
    """C7: an object made between two forward pages is on a later one."""
    one, two = intents(stripe, clock, 2)
    assert ids(get(stripe, "payment_intents", limit=1, ending_before=one)) == [two]
    three = stripe.create_payment_intent()
    assert ids(get(stripe, "payment_intents", limit=1, ending_before=two)) == [three]


def test_filters_of_resources(stripe):
    """Each list filters by its own fields."""
    customer = stripe.create_customer(email="ada@example.com")
    intent = stripe.create_payment_intent(customer=customer)
    stripe.create_payment_intent()
    charge = stripe.succeed(intent)
    refund = stripe.refund(charge)
    dispute = stripe.open_dispute(charge)
    subscription = stripe.create_subscription(customer)
    invoice = stripe.create_invoice(customer, subscription=subscription)
    payout = stripe.create_payout()
    assert ids(get(stripe, "payment_intents", customer=customer)) == [intent]
    assert ids(get(stripe, "charges", payment_intent=intent)) == [charge]
    assert ids(get(stripe, "refunds", charge=charge)) == [refund]
    assert ids(get(stripe, "disputes", payment_intent=intent)) == [dispute]
    assert ids(get(stripe, "invoices", subscription=subscription, status="draft")) == [invoice]
    assert ids(get(stripe, "invoices", status="paid")) == []
    assert ids(get(stripe, "payouts", status="in_transit", **{"arrival_date[gte]": T})) == [payout]
    assert ids(get(stripe, "customers", email="ada@example.com")) == [customer]
    assert ids(get(stripe, "subscriptions", **{"current_period_end[gt]": T})) == [subscription]


def test_canceled_subscriptions_are_hidden_by_default(stripe):
    """A list without status leaves canceled subscriptions out; `all` and `canceled` show them."""
    customer = stripe.create_customer()
    kept, gone = stripe.create_subscription(customer), stripe.create_subscription(customer)
    stripe.cancel_subscription(gone)
    assert ids(get(stripe, "subscriptions")) == [kept]
    assert ids(get(stripe, "subscriptions", status="all")) == [gone, kept]
    assert ids(get(stripe, "subscriptions", status="canceled")) == [gone]


def test_deleted_customers_are_not_listed(stripe):
    """C16: a deleted customer leaves the list; a read by id says `deleted`."""
    customer = stripe.create_customer()
    stripe.delete_customer(customer)
    assert ids(get(stripe, "customers")) == []
    assert get(stripe, f"customers/{customer}").json() == {"id": customer, "object": "customer", "deleted": True}


def test_missing_objects_are_404(stripe):
    """An id that is not there is a 404 resource_missing."""
    for path in ("payment_intents/pi_x", "events/evt_x", "checkout/sessions/cs_x", "webhook_endpoints/we_x"):
        refused(get(stripe, path), 404, "resource_missing")


# rate limits


def test_rate_limits_say_why_and_not_how_long(clock):
    """25 requests a second; the next is a 429 with a reason and no Retry-After, until the second is over."""
    stripe = FakeStripe(clock=clock)
    for _ in range(25):
        assert get(stripe, "events").status_code == 200
    limited = get(stripe, "events")
    assert limited.status_code == 429
    assert limited.headers["Stripe-Rate-Limited-Reason"] in {"global-rate", "endpoint-rate"}
    assert "Retry-After" not in limited.headers
    clock.advance(1)
    assert get(stripe, "events").status_code == 200


def test_live_mode_limits_each_endpoint_apart(clock):
    """In live mode 25 a second of one endpoint, 100 a second of all."""
    stripe = FakeStripe(clock=clock, livemode=True)
    reasons = [
        get(stripe, path).headers.get("Stripe-Rate-Limited-Reason")
        for path in ("events", "charges", "refunds", "payouts", "account")
        for _ in range(26)
    ]
    assert reasons[25::26] == ["endpoint-rate"] * 3 + ["global-rate"] * 2
    assert reasons.count(None) == 100
    assert reasons[-27:] == ["global-rate"] * 27


# the official SDK, over real HTTP


def test_the_official_sdk_pages_through_both_ways(monkeypatch):
    """The official Python SDK lists every event over loopback HTTP, newest first and in order of time."""
    stripe = FakeStripe(clock=SystemClock(), throttle=False)
    for _ in range(12):
        stripe.succeed(stripe.create_payment_intent())
    truth = [happened.event_id for happened in stripe.truth]
    with serve(stripe) as server:
        monkeypatch.setattr(sdk, "api_base", server.url)
        monkeypatch.setattr(sdk, "api_key", "sk_test_dummy")
        monkeypatch.setattr(sdk, "default_http_client", sdk.UrllibClient())
        monkeypatch.setenv("no_proxy", "*")
        back = [event.id for event in sdk.Event.list(limit=5).auto_paging_iter()]
        forward = sdk.Event.list(limit=5, ending_before=truth[0]).auto_paging_iter()
        assert back == truth[::-1]
        assert [event.id for event in forward] == truth[1:]
        kinds = sdk.Event.list(types=["charge.succeeded"], created={"gte": 0}, limit=100)
        assert {event.type for event in kinds.data} == {"charge.succeeded"}
        made = sdk.WebhookEndpoint.create(url="https://hooks.acme.example/s", enabled_events=["charge.failed"])
        assert made.secret == stripe.endpoints.of("acct_main")[0].secret
        assert sdk.WebhookEndpoint.modify(made.id, disabled=True).status == "disabled"
        with pytest.raises(sdk.InvalidRequestError, match="No such event"):
            sdk.Event.retrieve("evt_nothing")
