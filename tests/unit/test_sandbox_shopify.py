"""The fake shop refuses, hides and forgets what Shopify does."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakes import API, START
from support.fakes import shop_client as client
from support.fakes import shop_get as get
from support.fakes import shop_ids as ids

from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.shopify import FakeShopify


def walk(shop, path, root="orders", **params):
    """Every page by its Link, as lists of ids."""
    pages, answer = [], get(shop, path, **params)
    while True:
        assert answer.status_code == 200, answer.text
        pages.append(ids(answer, root))
        if "next" not in answer.links:
            return pages
        answer = client(shop).get(answer.links["next"]["url"])


# access


def test_only_the_access_token_header_counts(shop):
    """A token in `Authorization` is a 401; in X-Shopify-Access-Token it is accepted, whatever stands beside it."""
    bare = httpx.Client(base_url="https://acme.myshopify.com", transport=httpx.MockTransport(shop.handle))
    path = f"{API}/orders.json"
    assert bare.get(path, headers={"Authorization": "Bearer shpat_dummy"}).status_code == 401
    assert client(shop).get(path, headers={"Authorization": "Bearer other"}).status_code == 200


def test_client_credentials_give_a_token_of_a_day(clock):
    """A token of the client-credentials grant works for 24 h and is a 401 after."""
    shop = FakeShopify(clock=clock, access_token="")
    form = {"grant_type": "client_credentials", "client_id": "client_dummy", "client_secret": "shpss_dummy"}
    answer = client(shop, "").post("/admin/oauth/access_token", data=form).json()
    token = answer["access_token"]
    assert answer["expires_in"] == 86_399
    assert client(shop, token).get(f"{API}/orders.json").status_code == 200
    clock.advance(86_400)
    assert client(shop, token).get(f"{API}/orders.json").status_code == 401


def test_a_refresh_token_is_rotated_at_each_use(shop):
    """A refresh token gives an hour and its successor, and is refused the second time."""
    form = {"grant_type": "refresh_token", "client_id": "client_dummy", "client_secret": "shpss_dummy"}
    form["refresh_token"] = shop.tokens.new_refresh_token()
    first = client(shop).post("/admin/oauth/access_token", json=form)
    assert first.json()["expires_in"] == 3_599
    assert first.json()["refresh_token"] != form["refresh_token"]
    assert client(shop).post("/admin/oauth/access_token", json=form).status_code == 400


def test_wrong_client_secret_is_refused_without_a_token(shop):
    """A grant needs the right client secret."""
    form = {"grant_type": "client_credentials", "client_id": "client_dummy", "client_secret": "wrong"}
    answer = client(shop).post("/admin/oauth/access_token", data=form)
    assert answer.status_code == 400
    assert "access_token" not in answer.json()


def test_granted_scopes_are_listed_without_a_version(clock):
    """The scopes page has no version in its path and lists what is granted, nothing else."""
    shop = FakeShopify(clock=clock, scopes=["read_orders"])
    answer = client(shop).get("/admin/oauth/access_scopes.json")
    assert answer.json() == {"access_scopes": [{"handle": "read_orders"}]}


def test_a_missing_scope_means_less_data_not_an_error(clock):
    """Without read_customers the list is empty and a read is 404: nothing says why."""
    shop = FakeShopify(clock=clock, scopes=["read_orders"])
    customer = shop.create_customer()
    assert get(shop, "customers.json").json() == {"customers": []}
    assert get(shop, f"customers/{customer}.json").status_code == 404


@pytest.mark.parametrize(("asked", "served"), [("2024-01", "2026-01"), ("2026-01", "2026-01"), ("2026-10", "2026-10")])
def test_a_retired_version_falls_forward_in_silence(shop, asked, served):
    """An old version is answered by the oldest supported one; only the response header tells."""
    answer = client(shop).get(f"/admin/api/{asked}/orders.json")
    assert (answer.status_code, answer.headers["X-Shopify-API-Version"]) == (200, served)


def test_a_version_of_the_future_is_not_found(shop):
    """A version that does not exist yet is a 404."""
    assert client(shop).get("/admin/api/2031-01/orders.json").status_code == 404


def test_every_answer_carries_provider_time(shop, clock):
    """The Date header is the provider's clock, on refusals too."""
    clock.advance(61)
    assert get(shop, "orders.json").headers["Date"] == "Thu, 01 Oct 2026 12:01:01 GMT"
    assert client(shop, "bad").get(f"{API}/orders.json").headers["Date"] == "Thu, 01 Oct 2026 12:01:01 GMT"


# rate limit


def test_the_bucket_overflows_and_leaks(shop, clock):
    """40 requests fill the bucket; the next is a 429 with a decimal retry-after and no call-limit header."""
    levels = [get(shop, "shop.json").headers["X-Shopify-Shop-Api-Call-Limit"] for _ in range(40)]
    assert (levels[0], levels[-1]) == ("1/40", "40/40")
    refused = get(shop, "shop.json")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "4.0")
    assert "X-Shopify-Shop-Api-Call-Limit" not in refused.headers
    assert refused.json()["errors"].startswith("Exceeded 2 calls per second for api client.")
    clock.advance(0.5)
    assert get(shop, "shop.json").status_code == 200
    assert get(shop, "shop.json").status_code == 429


# lists


def test_lists_are_wrapped_and_newest_first(shop, clock):
    """The root is the resource's name; newest first, ties by id; no Link when one page is all."""
    made = []
    for _ in range(4):
        made.append(shop.create_order())
        clock.advance(0.5)
    answer = get(shop, "orders.json")
    assert list(answer.json()) == ["orders"]
    assert ids(answer) == made[::-1]
    assert "Link" not in answer.headers


def test_the_limit_defaults_to_50_and_ends_at_250(shop):
    """50 items unless asked; 251 is a 400 in Shopify's words."""
    for _ in range(51):
        shop.create_customer()
    assert len(ids(get(shop, "customers.json"), "customers")) == 50
    assert len(ids(get(shop, "customers.json", limit=250), "customers")) == 51
    refused = get(shop, "customers.json", limit=251)
    assert (refused.status_code, refused.json()) == (400, {"errors": "Limit exceeds maximum limit of 250"})


def test_closed_and_cancelled_orders_are_hidden_by_default(shop):
    """`status` is `open` unless asked: closed and cancelled orders need `status=any`."""
    opened, closed, cancelled = (shop.create_order() for _ in range(3))
    shop.close_order(closed)
    shop.cancel_order(cancelled)
    assert ids(get(shop, "orders.json")) == [opened]
    assert ids(get(shop, "orders.json", status="ANY")) == [opened]
    assert ids(get(shop, "orders.json", status="closed")) == [cancelled, closed]
    assert ids(get(shop, "orders.json", status="cancelled")) == [cancelled]
    assert len(ids(get(shop, "orders.json", status="any"))) == 3


def test_time_bounds_are_inclusive_to_the_second(shop, clock):
    """C5: updated_at_min and updated_at_max include their own second, in any offset."""
    order = shop.create_order()
    clock.advance(10)
    later = shop.create_order()
    low = {"status": "any", "updated_at_min": "2026-10-01T12:00:10Z"}
    high = {"status": "any", "updated_at_max": "2026-10-01T14:00:00+02:00"}
    assert ids(get(shop, "orders.json", **low)) == [later]
    assert ids(get(shop, "orders.json", **high)) == [order]


@pytest.mark.parametrize("broken", ['"2026-10-02T00:00:00Z"', "2026-10-02T00:00:00 02:00", "yesterday"])
def test_an_unreadable_bound_is_ignored_in_silence(shop, broken):
    """A quoted bound, or a bare + that became a space, filters nothing and says nothing."""
    order = shop.create_order()
    assert ids(get(shop, "orders.json", updated_at_min=broken)) == [order]


def test_unknown_filters_are_ignored_in_silence(shop):
    """Draft orders have no created_at filter: it is accepted and does nothing."""
    draft = shop.create_draft()
    assert ids(get(shop, "draft_orders.json", created_at_min="2030-01-01T00:00:00Z"), "draft_orders") == [draft]
    assert ids(get(shop, "draft_orders.json", updated_at_min="2030-01-01T00:00:00Z"), "draft_orders") == []


def test_filters_of_orders(shop):
    """since_id goes up by id; ids, name, financial_status and fulfillment_status select; fields cuts."""
    first, second, third = (shop.create_order() for _ in range(3))
    shop.pay_order(second)
    shop.fulfill_order(third)
    assert ids(get(shop, "orders.json", since_id=first)) == [second, third]
    assert ids(get(shop, "orders.json", ids=f"{first},{third}")) == [third, first]
    assert ids(get(shop, "orders.json", financial_status="paid")) == [second]
    assert ids(get(shop, "orders.json", fulfillment_status="shipped")) == [third]
    assert ids(get(shop, "orders.json", name="#1001")) == [first]
    assert get(shop, "orders.json", ids=first, fields="id,name").json() == {"orders": [{"id": first, "name": "#1001"}]}


def test_counts_take_the_same_filters(shop):
    """count.json counts what the list would show."""
    shop.close_order(shop.create_order())
    shop.create_order()
    assert get(shop, "orders/count.json").json() == {"count": 1}
    assert get(shop, "orders/count.json", status="any").json() == {"count": 2}


def test_timestamps_are_in_the_shops_offset_and_ids_are_large(shop):
    """Bodies show the shop's own offset, whole seconds; ids exceed 2**53."""
    order = shop.create_order()
    body = get(shop, f"orders/{order}.json").json()["order"]
    assert body["created_at"] == "2026-10-01T08:00:00-04:00"
    assert body["id"] > 2**53
    assert body["admin_graphql_api_id"] == f"gid://shopify/Order/{order}"


def test_old_orders_are_invisible_without_read_all_orders(clock):
    """Without read_all_orders an order of 61 days ago is gone from lists and reads, even if changed today."""
    shop = FakeShopify(clock=clock, scopes=["read_orders"])
    order = shop.create_order()
    clock.advance(61 * 86_400)
    shop.refund_order(order)
    assert ids(get(shop, "orders.json", status="any", updated_at_min="2026-01-01T00:00:00Z")) == []
    assert get(shop, f"orders/{order}.json").status_code == 404
    shop.scopes.add("read_all_orders")
    assert ids(get(shop, "orders.json", status="any")) == [order]


# paging


def test_a_cursor_carries_the_filters(shop, clock):
    """Link pages keep the first page's filters and go both ways."""
    for _ in range(5):
        shop.close_order(shop.create_order())
        shop.create_order()
        clock.advance(1)
    pages = walk(shop, "orders.json", status="closed", limit=2)
    assert [len(page) for page in pages] == [2, 2, 1]
    first = get(shop, "orders.json", status="closed", limit=2)
    assert 'rel="next"' in first.headers["Link"]
    assert 'rel="previous"' not in first.headers["Link"]
    second = client(shop).get(first.links["next"]["url"])
    assert ids(client(shop).get(second.links["previous"]["url"])) == pages[0]


@pytest.mark.parametrize("name", ["updated_at_min", "status", "order", "since_id"])
def test_nothing_may_be_said_beside_page_info(shop, name):
    """Any parameter but limit and fields beside page_info is a 400 in Shopify's words."""
    for _ in range(3):
        shop.create_order()
    url = get(shop, "orders.json", limit=1).links["next"]["url"]
    refused = client(shop).get(f"{url}&{name}=1")
    assert refused.status_code == 400
    assert refused.json()["errors"][name].startswith(f"{name} cannot be passed when page_info is present. See https:")
    assert client(shop).get(f"{url}&fields=id").status_code == 200


def test_cursors_expire_and_are_opaque(shop, clock):
    """A made-up, foreign or outdated cursor is a 400."""
    for _ in range(3):
        shop.create_order()
    url = get(shop, "orders.json", limit=1).links["next"]["url"]
    assert get(shop, "orders.json", page_info="bm9uc2Vuc2U=").status_code == 400
    assert get(shop, "orders.json", page_info="%%%").status_code == 400
    assert client(shop).get(url.replace("orders", "customers")).status_code == 400
    clock.advance(3_601)
    assert client(shop).get(url).json() == {"errors": {"page_info": "Invalid value."}}


def test_an_order_that_leaves_the_filter_while_paging_is_not_seen(shop, clock):
    """C7: an order updated beyond updated_at_max between two pages is missing from the rest; nothing else shifts."""
    made = []
    for _ in range(6):
        made.append(shop.create_order())
        clock.advance(1)
    first = get(shop, "orders.json", limit=2, updated_at_max="2026-10-01T12:01:00Z")
    clock.advance(120)
    shop.update_order(made[2])
    second = client(shop).get(first.links["next"]["url"])
    assert ids(first) + ids(second) == [made[5], made[4], made[3], made[1]]


def test_an_order_updated_while_paging_by_update_moves(shop, clock):
    """C7: with order=updated_at asc, an order changed before its page came moves to the end."""
    made = []
    for _ in range(4):
        made.append(shop.create_order())
        clock.advance(1)
    first = get(shop, "orders.json", limit=2, order="updated_at asc")
    shop.update_order(made[2])
    assert ids(first) + ids(client(shop).get(first.links["next"]["url"])) == [made[0], made[1], made[3], made[2]]


@settings(max_examples=30, deadline=None)
@given(gaps=st.lists(st.sampled_from([0.0, 0.0, 0.3, 1.0]), max_size=25), limit=st.integers(1, 6))
def test_ties_are_all_found_by_paging(gaps, limit):
    """C6: any number of orders of one second come out once each, in any page size."""
    clock = SettableClock(START)
    shop = FakeShopify(clock=clock, throttle=False)
    made = []
    for gap in gaps:
        made.append(shop.create_order())
        clock.advance(gap)
    found = [order for page in walk(shop, "orders.json", limit=limit) for order in page]
    assert found == made[::-1]


def test_lists_lag_and_reads_do_not(clock):
    """C4: a change shows in lists only `lag` seconds later; a read by id shows it at once."""
    shop = FakeShopify(clock=clock, lag=8.0)
    order = shop.create_order()
    assert ids(get(shop, "orders.json")) == []
    assert get(shop, f"orders/{order}.json").status_code == 200
    clock.advance(8)
    shop.update_order(order, note="new")
    assert get(shop, "orders.json").json()["orders"][0]["note"] is None
    shop.delete_order(order)
    assert ids(get(shop, "orders.json")) == [order]
    assert get(shop, f"orders/{order}.json").status_code == 404
    clock.advance(8)
    assert ids(get(shop, "orders.json")) == []
