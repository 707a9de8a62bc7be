"""REST lists of a shop: bounds, paging, versions and shapes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connectors.shopify import Shopify, ShopifySettings
from reconcile.connector import StreamRef
from reconcile.errors import BadAnswer, CredentialsRefused
from reconcile.model import Subject, Window, instant
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.shopify import FakeShopify
from reconcile.testing.worlds import client_for

START = datetime(2026, 11, 1, 10, 0, 0, 250_000, tzinfo=UTC)
WINDOW = Window(START, datetime(2026, 11, 1, 11, 0, 0, 1, tzinfo=UTC))
ORDERS = StreamRef("orders")


def shop(**changes):
    return Shopify(ShopifySettings(shop="acme.myshopify.com", access_token="shpat_dummy", **changes))


def listed(handle, stream=ORDERS, window=WINDOW):
    connector = shop()
    return list(connector.pages(client_for(connector, handle), stream, window, ()))


def answer(items, root="orders", **headers):
    return httpx.Response(200, json={root: items}, headers=headers)


def test_the_window_is_widened_to_whole_seconds_in_utc():
    """Bounds are inclusive and never narrower than the window (C5), and no plus sign can turn into a space."""
    asked = []

    def handle(request):
        asked.append(request.url)
        return answer([])

    (page,) = listed(handle)
    assert (page.items, page.next) == ([], None)
    assert asked[0].path == "/admin/api/2026-10/orders.json"
    assert dict(asked[0].params) == {
        "limit": "250",
        "status": "any",
        "updated_at_min": "2026-11-01T10:00:00Z",
        "updated_at_max": "2026-11-01T11:00:01Z",
    }


def test_an_item_keeps_its_bytes_and_is_timed_in_utc():
    """The shop's own offset is read, and the body is what Shopify sent, byte for byte (H9)."""
    body = '{"id": 9007199254740993,   "updated_at":"2026-11-01T12:59:14+02:00","note":"\\u00e9 ü"}'
    content = ('{"orders": [' + body + "]}").encode()
    (page,) = listed(lambda _: httpx.Response(200, content=content))
    (item,) = page.items
    assert item.body == body.encode()
    assert item.subject == Subject("order", "9007199254740993")
    assert item.at == instant(item.version) == datetime(2026, 11, 1, 10, 59, 14, tzinfo=UTC)
    assert item.at.tzinfo is UTC


def test_the_next_link_is_followed_as_it_stands():
    """A cursor URL carries the filter: one parameter beside it would be a 400, so none is added."""
    following = "https://acme.myshopify.com/admin/api/2026-10/orders.json?limit=250&page_info=a%2Bb%3D"
    asked = []

    def handle(request):
        asked.append(str(request.url))
        link = f'<https://acme.myshopify.com/x?page_info=p>; rel="previous", <{following}>; rel="next"'
        item = {"id": len(asked), "updated_at": "2026-11-01T10:00:00Z"}
        return answer([item], **({"Link": link} if len(asked) == 1 else {}))

    first, second = listed(handle)
    assert asked[1] == following
    assert (first.next is None, second.next) == (False, None)


def test_a_link_to_another_host_is_never_followed():
    """The token goes to the configured origin only (X2)."""
    asked = []

    def handle(request):
        asked.append(request.url.host)
        return answer([], Link='<https://evil.example/admin/api/2026-10/orders.json?page_info=x>; rel="next"')

    with pytest.raises(BadAnswer, match="would leave configured origin"):
        listed(handle)
    assert asked == ["acme.myshopify.com"]


def test_each_state_of_a_draft_order_is_asked_for():
    """Whatever the default is, open, invoiced and completed drafts are listed, as one window with one last page."""
    asked = []

    def handle(request):
        asked.append(request.url.params["status"])
        return answer([{"id": len(asked), "updated_at": "2026-11-01T10:00:00Z"}], "draft_orders")

    pages = listed(handle, StreamRef("draft_orders"))
    assert asked == ["open", "invoice_sent", "completed"]
    assert [page.next is None for page in pages] == [False, False, True]


@pytest.mark.parametrize("default", ["", "open", "completed"])
def test_drafts_are_found_whatever_the_default_is(default):
    """No completed draft is lost to an unwritten default of the list (C1)."""
    clock = SettableClock(START)
    fake = FakeShopify(clock=clock, draft_status=default)
    drafts = [fake.create_draft() for _ in range(3)]
    fake.complete_draft(drafts[0])
    pages = listed(fake.handle, StreamRef("draft_orders"))
    assert sorted(item.subject.id for page in pages for item in page.items) == sorted(map(str, drafts))


def test_another_api_version_is_an_error():
    """A retired version falls forward in silence; bodies of another version are never taken for those asked for."""
    with pytest.raises(BadAnswer, match=r"2026-10 was asked for and 2027-01 answered.*api_version: '2027-01'"):
        listed(lambda _: answer([], **{"X-Shopify-API-Version": "2027-01"}))
    assert listed(lambda _: answer([], **{"X-Shopify-API-Version": "2026-10"}))


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"id": 1},
        {"id": 1, "updated_at": None},
        {"id": "1", "updated_at": "2026-11-01T10:00:00Z"},
        {"id": 1, "updated_at": "2026-11-01T10:00:00"},
        {"id": 1, "updated_at": "yesterday"},
        {"id": 1, "updated_at": 5},
        {"id": 1, "updated_at": "2026-11-01T10:00:00Z", "refunds": {}},
        None,
        [],
    ],
)
def test_an_item_that_cannot_be_read_is_an_error(item):
    """An item without an id or a time is never skipped (C9); a time without an offset is no time (C14)."""
    with pytest.raises(BadAnswer):
        listed(lambda _: answer([item]))


def test_a_read_by_id_is_the_listed_item():
    """The singular root is unwrapped; a missing one is an error, and a 404 is None."""
    connector = shop()
    order = {"id": 7, "updated_at": "2026-11-01T10:00:00Z"}
    client = client_for(connector, lambda _: answer(order, "order"))
    assert connector.read(client, ORDERS, "7").body == json.dumps(order, separators=(",", ":")).encode()
    with pytest.raises(BadAnswer):
        connector.read(client_for(connector, lambda _: answer(order, "orders")), ORDERS, "7")
    assert connector.read(client_for(connector, lambda _: httpx.Response(404)), ORDERS, "7") is None


def test_the_shops_own_name_in_a_link_is_no_other_host():
    """Behind a base_url the next link still names the shop; it is asked where the source was told to ask."""
    connector = shop()
    asked = []

    def handle(request):
        asked.append((request.url.host, request.url.path))
        link = '<https://acme.myshopify.com/admin/api/2026-10/orders.json?page_info=x>; rel="next"'
        return answer([], **({"Link": link} if len(asked) == 1 else {}))

    connector.origin = lambda: "https://proxy.example"
    list(connector.pages(client_for(connector, handle), ORDERS, WINDOW, ()))
    assert asked == [("proxy.example", "/admin/api/2026-10/orders.json")] * 2


def test_a_list_without_its_scope_is_refused():
    """Shopify answers a missing scope with an empty list; that is never coverage (C9)."""
    fake = FakeShopify(clock=SettableClock(START), scopes=("read_orders", "write_products"))
    connector = shop()
    client = client_for(connector, fake.handle)
    greeting = connector.greet(client)
    assert "read_customers" in greeting.unreadable["customers"]
    with pytest.raises(CredentialsRefused, match="read_customers"):
        list(connector.pages(client, StreamRef("customers"), WINDOW, ()))
    assert list(connector.pages(client, StreamRef("products"), WINDOW, ()))


def test_orders_without_read_all_orders_have_a_limit():
    """60 days of orders are all a plain token sees; what is older is said to be out of reach (C11)."""
    now = START.replace(microsecond=0)
    fake = FakeShopify(clock=SettableClock(now), scopes=("read_orders",))
    connector = shop()
    greeting = connector.greet(client_for(connector, fake.handle))
    assert greeting.limits == {"orders": now - timedelta(days=60)}
    assert "read_all_orders" in greeting.about["orders"]
    assert greeting.account == "acme.myshopify.com"
