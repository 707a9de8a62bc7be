"""How Shopify and Stripe are asked for subscriptions, and the rules of theirs that the fakes keep."""

from __future__ import annotations

import httpx
import pytest

from connectors.shopify import Shopify
from connectors.stripe import Stripe
from connectors.stripe.event_types import EVENT_TYPES, enabled_events
from reconcile.connector import Mend, Subscription, Wanted
from reconcile.errors import BadAnswer, NotFound, Rejected, Retriable
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.shopify.hooks_api import TOPICS
from reconcile.sandbox.stripe import FakeStripe
from reconcile.sandbox.stripe import event_types as fake_types
from reconcile.testing import NOW
from reconcile.testing.worlds import client_for

URL = "https://hooks.acme.example/in"


@pytest.fixture
def clock():
    return SettableClock(NOW)


@pytest.fixture
def shop(clock):
    fake = FakeShopify(clock=clock, throttle=False)
    connector = Shopify(Shopify.Settings(shop="acme.myshopify.com", access_token="shpat_dummy"))
    return fake, connector, client_for(connector, fake.handle, clock)


@pytest.fixture
def stripe(clock):
    fake = FakeStripe(clock=clock, throttle=False)
    connector = Stripe(Stripe.Settings(api_key="sk_test_dummy"))
    return fake, connector, client_for(connector, fake.handle, clock)


def test_every_page_of_a_shops_subscriptions_is_read(shop):
    """C6: more than fit on a page of 250 are all found, over Link headers that carry the question."""
    fake, connector, client = shop
    for number in range(301):
        fake.subscribe(sorted(TOPICS)[number % 40], f"{URL}/{number}")
    found = list(connector.subscriptions(client))
    assert len({one.id for one in found}) == 301
    assert [seen.query.count("page_info") for seen in fake.requests] == [0, 1]


def test_every_page_of_an_accounts_endpoints_is_read(stripe):
    """The cursor is the last endpoint of a page, and a page that comes twice is an error (C8)."""
    fake, connector, client = stripe
    for number in range(130):
        fake.subscribe(f"{URL}/{number}", ["*"])
    assert len({one.id for one in connector.subscriptions(client)}) == 130

    def again(request):
        entry = {"id": "we_1", "url": URL, "status": "enabled", "enabled_events": ["*"]}
        return httpx.Response(200, json={"data": [entry], "has_more": True})

    with pytest.raises(BadAnswer, match="pagination_loop"):
        list(connector.subscriptions(client_for(connector, again)))


def test_event_types_are_those_an_endpoint_may_ask_for():
    """The table of wildcards holds what the fake, made from Stripe's own list, accepts."""
    assert set(EVENT_TYPES) == set(fake_types.EVENT_TYPES)
    assert len(EVENT_TYPES) == len(set(EVENT_TYPES))


@pytest.mark.parametrize(
    ("topics", "asked"),
    [
        (["charge.failed", "*"], ("*",)),
        (["payout.paid", "payout.paid"], ("payout.paid",)),
        (["review.*", "review.opened"], ("review.opened", "review.closed")),
        (["unheard.of"], ("unheard.of",)),
        ([], ()),
    ],
)
def test_wildcards_are_spelled_out_for_stripe(topics, asked):
    """Exact names as they are, families as their types, everything as `*`."""
    assert enabled_events(topics) == asked


def test_a_secret_never_shows_in_an_error(stripe):
    """X1: an answer to the making of an endpoint that cannot be read is not quoted."""
    _, connector, _ = stripe
    broken = client_for(connector, lambda _: httpx.Response(200, json={"secret": "whsec_dummy_canary", "id": 5}))
    with pytest.raises(BadAnswer) as caught:
        connector.create(broken, Wanted(URL, ("charge.failed",)))
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(Subscription("we_1", URL, (), enabled=True, secret="whsec_dummy_canary"))


def test_making_is_asked_once_and_under_its_key(stripe):
    """A 500 may come after the work: the request is not repeated in here."""
    fake, connector, client = stripe
    fake.done_badly = 1
    with pytest.raises(Retriable):
        connector.create(client, Wanted(URL, ("charge.failed",), key="key-1"))
    (seen,) = fake.requests
    assert seen.headers["idempotency-key"] == "key-1"
    (found,) = connector.subscriptions(client)
    assert found.mark == "key-1"
    with pytest.raises(Retriable):  # stored with its key, as Stripe does
        connector.create(client, Wanted(URL, ("charge.failed",), key="key-1"))


def test_a_key_is_forgotten_after_a_day(stripe, clock):
    """Then the same request makes another one: why a key is not trusted for longer."""
    _, connector, client = stripe
    wanted = Wanted(URL, ("charge.failed",), key="key-1")
    first = connector.create(client, wanted)
    clock.advance(23 * 3600)
    assert connector.create(client, wanted) == first
    clock.advance(2 * 3600)
    assert connector.create(client, wanted).id != first.id


def test_changing_what_was_deleted_is_not_found(shop, stripe):
    """Whoever deleted it meanwhile is told apart from a refusal."""
    gone = {"shop": Subscription("1", URL, ("orders/create",), enabled=True, format="json")}
    gone["stripe"] = Subscription("we_gone", URL, ("charge.failed",), enabled=True)
    for name, (_, connector, client) in {"shop": shop, "stripe": stripe}.items():
        with pytest.raises(NotFound):
            connector.update(client, gone[name], Wanted(URL, gone[name].topics))
        connector.delete(client, gone[name])


def test_what_somebody_moved_since_it_was_listed_stays_there(stripe):
    """S3: it is no longer the one that was listed at our address; another is made instead."""
    fake, connector, client = stripe
    endpoint = fake.subscribe(URL, ["charge.failed"])
    (listed,) = connector.subscriptions(client)
    endpoint.url = f"{URL}/elsewhere"
    assert connector.update(client, listed, Wanted(URL, ("charge.failed", "charge.succeeded"))) is None
    assert (endpoint.url, endpoint.enabled_events) == (f"{URL}/elsewhere", ("charge.failed",))


def test_an_id_is_never_a_path(shop, stripe):
    """X2: a provider's id that looks like a path stays one segment of it."""
    hostile = Subscription("../charges", URL, ("charge.failed",), enabled=True)
    fake, connector, client = stripe
    connector.delete(client, hostile)
    assert {seen.path for seen in fake.requests} == {"/v1/webhook_endpoints/../charges"}


def test_shopify_asks_in_the_wanted_version(shop):
    """The version of the request is one of the two ways in which Shopify may decide a subscription's."""
    fake, connector, client = shop
    (wanted,) = connector.wanted(URL, ["orders/create"], "2026-07")
    assert connector.create(client, wanted).api_version == "2026-07"
    assert fake.requests[-1].path == "/admin/api/2026-07/webhooks.json"


def test_mend_of_shopify(shop):
    """Address and format change; topics are apart; a version takes another in its place."""
    _, connector, _ = shop
    (wanted,) = connector.wanted(URL, ["orders/create"], "2026-10")
    one = Subscription("1", "https://other.example", ("orders/create",), enabled=True, api_version="2026-10")
    assert connector.mend(one, wanted) is Mend.UPDATE
    (other,) = connector.wanted(URL, ["orders/updated"], "2026-10")
    assert connector.mend(one, other) is Mend.ADD
    (newer,) = connector.wanted(URL, ["orders/create"], "2027-01")
    assert connector.mend(one, newer) is Mend.RECREATE


@pytest.mark.parametrize("topics", [["orders/*"], ["*"]])
def test_shopify_wildcards_are_topics_it_knows(shop, topics):
    """A wildcard stands for topics of the connector's facts, each of which the API accepts."""
    _, connector, client = shop
    wanted = connector.wanted(URL, topics, "")
    assert len(wanted) > 5
    for one in wanted:
        connector.create(client, one)


def test_the_fake_shop_refuses_what_shopify_refuses(shop):
    """Topic and address are unique, formats are two, and a cursor takes no filter beside it."""
    fake, connector, client = shop
    wanted = Wanted(URL, ("orders/create",))
    connector.create(client, wanted)
    with pytest.raises(Rejected) as caught:
        connector.create(client, wanted)
    assert caught.value.status == 422
    headers = {"X-Shopify-Access-Token": "shpat_dummy"}
    api = httpx.Client(
        transport=httpx.MockTransport(fake.handle), base_url="https://acme.myshopify.com", headers=headers
    )
    with api:
        path = "/admin/api/2026-10/webhooks.json"
        bad = {"webhook": {"topic": "orders/paid", "address": URL, "format": "yaml"}}
        assert api.post(path, json=bad).status_code == 422
        assert api.get(path, params={"page_info": "x", "topic": "orders/create"}).status_code == 400
        assert api.get(path, params={"page_info": "%%"}).status_code == 400
        assert api.get(path, params={"limit": 251}).status_code == 400
