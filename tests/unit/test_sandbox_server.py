"""The fake over real loopback HTTP, and scripted faults in one process and on the wire."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from datetime import UTC, datetime

import httpx
import pytest
import trustme

from reconcile.clock import SystemClock
from reconcile.sandbox import page_faults, wire_faults
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.faults import Faults
from reconcile.sandbox.server import serve
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe

START = datetime(2026, 10, 1, 12, tzinfo=UTC)
LIST = "/admin/api/2026-10/orders.json"
TOKEN = {"X-Shopify-Access-Token": "shpat_dummy"}


@pytest.fixture
def clock():
    return SettableClock(START)


@pytest.fixture
def shop(clock):
    shop = FakeShopify(clock=clock, throttle=False)
    for _ in range(6):
        shop.create_order()
        clock.advance(1)
    return shop


@pytest.fixture
def faults(shop):
    return Faults(shop)


@pytest.fixture(params=["in process", "on the wire"])
def client(request, faults):
    """A client of the same faults, without and with a network."""
    if request.param == "in process":
        base, transport = "https://acme.myshopify.com", httpx.MockTransport(faults.handle)
        with httpx.Client(base_url=base, transport=transport, headers=TOKEN) as made:
            yield made
        return
    with (
        serve(faults) as server,
        httpx.Client(base_url=server.url, headers=TOKEN, trust_env=False, timeout=0.5) as made,
    ):
        yield made


def ids(answer, root="orders"):
    return [item["id"] for item in answer.json()[root]]


# the server


def test_one_connection_serves_many_requests(shop):
    """HTTP/1.1 keep-alive: three requests, one connection, links to the host that was asked."""
    with serve(shop) as server, socket.create_connection(server.url.removeprefix("http://").split(":")) as raw:
        host = server.url.removeprefix("http://")
        request = f"GET {LIST}?limit=1 HTTP/1.1\r\nHost: {host}\r\nX-Shopify-Access-Token: shpat_dummy\r\n\r\n"
        for _ in range(3):
            raw.sendall(request.encode())
            answer = httpx_read(raw)
            assert answer.startswith(b"HTTP/1.1 200")
            assert f"<{server.url}{LIST}?".encode() in answer
    assert len(shop.requests) == 3


def httpx_read(raw):
    """One whole answer of a raw connection, by its Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += raw.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while len(body) < int(lengths[0]):
        body += raw.recv(65536)
    return head + body


def test_bodies_and_queries_arrive_as_sent(clock):
    """A form, a JSON body and an encoded query reach the fake byte for byte; the Date is the fake's own."""
    stripe, shop = FakeStripe(clock=clock), FakeShopify(clock=clock)
    with serve(stripe) as one, serve(shop) as two, httpx.Client(trust_env=False) as client:
        form = {"url": "https://hooks.acme.example/ü", "enabled_events[]": ["charge.failed"]}
        made = client.post(f"{one.url}/v1/webhook_endpoints", data=form, auth=("sk_test_dummy", ""))
        assert made.json()["url"] == "https://hooks.acme.example/ü"
        hook = {"webhook": {"topic": "orders/create", "address": "https://hooks.acme.example/x"}}
        assert client.post(f"{two.url}/admin/api/2026-10/webhooks.json", json=hook, headers=TOKEN).status_code == 201
        listed = client.get(f"{two.url}{LIST}", params={"updated_at_min": "2026-01-01T00:00:00+09:00"}, headers=TOKEN)
        assert listed.headers.get_list("Date") == ["Thu, 01 Oct 2026 12:00:00 GMT"]
        assert shop.requests[-1].query == "updated_at_min=2026-01-01T00%3A00%3A00%2B09%3A00"


def test_it_ends_with_its_block(shop):
    """After the block nothing listens, and a connection kept alive is hung up."""
    with serve(shop) as server:
        client = httpx.Client(base_url=server.url, headers=TOKEN, trust_env=False)
        assert client.get(LIST).status_code == 200
    with pytest.raises(httpx.TransportError):
        client.get(LIST)
    client.close()


def test_it_serves_several_clients_at_once(shop, clock):
    """A request that hangs does not keep others waiting."""
    faults = Faults(shop)
    faults.add(wire_faults.silent(), path="limit=1")
    errors = []

    def hang(url):
        with httpx.Client(headers=TOKEN, trust_env=False, timeout=0.5) as client:
            try:
                client.get(f"{url}{LIST}?limit=1")
            except httpx.ReadTimeout as error:
                errors.append(error)

    with serve(faults) as server, httpx.Client(headers=TOKEN, trust_env=False) as client:
        thread = threading.Thread(target=hang, args=(server.url,))
        thread.start()
        assert client.get(f"{server.url}{LIST}?limit=2").status_code == 200
        thread.join()
    assert len(errors) == 1


def test_it_speaks_tls(shop):
    """With a certificate it is https, and an unknown authority is refused by the client."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with serve(shop, tls=context) as server:
        assert server.url.startswith("https://")
        with httpx.Client(headers=TOKEN, trust_env=False, verify=trusting) as client:
            answer = client.get(f"{server.url}{LIST}?limit=1")
        assert answer.links["next"]["url"].startswith(server.url)
        with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError):
            client.get(f"{server.url}{LIST}")


# faults, in process and on the wire


def test_a_rule_selects_by_method_path_and_count(client, faults, shop):
    """A fault happens to the nth matching request, as often as said, and to no other."""
    rule = faults.add(wire_faults.answers(503), method="GET", path=r"/orders\.json", nth=2, times=2)
    assert [client.get(LIST).status_code for _ in range(4)] == [200, 503, 503, 200]
    assert client.get("/admin/api/2026-10/shop.json").status_code == 200
    assert (rule.seen, rule.happened) == (4, 2)
    faults.add(wire_faults.answers(500), times=0)
    assert [client.get(LIST).status_code for _ in range(3)] == [500] * 3
    faults.clear()
    assert client.get(LIST).status_code == 200


@pytest.mark.parametrize("value", ["7", "2.0", "-5", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "soon", None])
def test_a_429_with_any_retry_after(client, faults, value):
    """Any Retry-After, or none, reaches the client as written."""
    faults.add(wire_faults.rate_limited(value))
    answer = client.get(LIST)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, value)


def test_a_page_for_people_with_status_200(client, faults):
    """C9: HTML with a 200."""
    faults.add(wire_faults.html())
    answer = client.get(LIST)
    assert answer.status_code == 200
    assert answer.text.startswith("<!DOCTYPE html>")


def test_a_redirect_to_another_host(client, faults):
    """X2: a redirect that names a foreign host."""
    faults.add(wire_faults.redirect("https://evil.example/admin"))
    answer = client.get(LIST)
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://evil.example/admin")


def test_a_body_cut_short_of_its_length(client, faults):
    """A body shorter than promised is a protocol error, not a short page."""
    faults.add(wire_faults.truncated(0.3))
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(LIST)
    assert client.get(LIST).status_code == 200


def test_a_body_cut_short_without_a_length(client, faults):
    """C9: without a promised length only the broken JSON tells."""
    faults.add(wire_faults.truncated_silently(0.3))
    answer = client.get(LIST)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (wire_faults.reset, httpx.ReadError),
        (wire_faults.disconnected, httpx.RemoteProtocolError),
        (wire_faults.silent, httpx.ReadTimeout),
        (wire_faults.unreachable, httpx.NetworkError),
    ],
)
def test_transport_faults(client, faults, shop, fault, error):
    """A reset, a hang-up, silence and no connection are httpx's own errors; the fake sees nothing of it."""
    faults.add(fault())
    with pytest.raises(error):
        client.get(LIST)
    assert shop.requests == []


def test_an_answer_that_is_lost_after_the_deed(client, faults, shop):
    """S2: the subscription was made, and the client cannot know."""
    faults.add(wire_faults.answer_lost(), method="POST")
    hook = {"webhook": {"topic": "orders/create", "address": "https://hooks.acme.example/x"}}
    with pytest.raises(httpx.ReadError):
        client.post("/admin/api/2026-10/webhooks.json", json=hook)
    assert len(list(shop.hooks)) == 1


def test_huge_and_deep_bodies(client, faults):
    """X5: a page of any size, a gzip bomb and deep nesting."""
    faults.add(wire_faults.huge(300_000))
    faults.add(wire_faults.huge(300_000, compressed=True))
    faults.add(wire_faults.nested(5_000))
    assert len(client.get(LIST).content) > 300_000
    bomb = client.get(LIST)
    assert len(bomb.content) > 300_000 > 10 * int(bomb.headers["Content-Length"])
    assert client.get(LIST).content == b"[" * 5_000 + b"]" * 5_000


def test_a_drip_passes_time_in_one_process(faults, clock):
    """X5: a slow body costs its seconds on the injected clock, piece by piece."""
    faults.add(wire_faults.drip(clock, 60.0, pieces=30))
    with httpx.Client(transport=httpx.MockTransport(faults.handle), headers=TOKEN) as client:
        before = clock.monotonic()
        with client.stream("GET", f"https://acme.myshopify.com{LIST}") as answer:
            waits = [clock.monotonic() for _ in answer.iter_raw()]
    assert len(waits) == 30
    assert clock.monotonic() - before == pytest.approx(60)


def test_a_drip_is_slow_on_the_wire(shop):
    """X5: every read is quick enough for the client's timeout, and the whole takes longer than it."""
    faults, system = Faults(shop), SystemClock()
    faults.add(wire_faults.drip(system, 0.6, pieces=6))
    with serve(faults) as server, httpx.Client(headers=TOKEN, trust_env=False, timeout=0.4) as client:
        before = system.monotonic()
        assert len(ids(client.get(f"{server.url}{LIST}"))) == 6
        assert system.monotonic() - before > 0.5


def test_something_happens_between_two_pages(client, faults, shop, clock):
    """C7: a callback changes the shop just before the second page is answered."""
    faults.add(wire_faults.before(lambda _: shop.create_order()), nth=2)
    faults.add(wire_faults.delayed(clock, 30), nth=3)
    first = client.get(LIST, params={"limit": 3})
    second = client.get(first.links["next"]["url"])
    assert len(set(ids(first) + ids(second))) == 6
    before = clock.monotonic()
    assert len(ids(client.get(LIST))) == 7
    assert clock.monotonic() - before == 30


def test_an_answer_can_be_watched(client, faults):
    """A callback sees the true answer."""
    seen = []
    faults.add(wire_faults.after(lambda request, answer: seen.append((request.url.path, answer.status_code))))
    client.get(LIST)
    assert seen == [(LIST, 200)]


# faults of lists


def walk(client, limit=2, most=8):
    """Ids of every page, by Link, `most` pages at the most."""
    answer = client.get(LIST, params={"limit": limit})
    pages = [ids(answer)]
    while "next" in answer.links and len(pages) < most:
        answer = client.get(answer.links["next"]["url"])
        pages.append(ids(answer))
    return pages


def test_lists_in_the_wrong_shape(client, faults):
    """C9: without its key, or bare, a list is valid JSON and not what was asked for."""
    faults.add(page_faults.missing_key())
    faults.add(page_faults.wrong_shape())
    faults.add(page_faults.edited(lambda body: {"orders": [{"name": body["orders"][0]["name"]}]}))
    assert client.get(LIST).json() == {}
    assert len(client.get(LIST).json()) == 6
    assert client.get(LIST).json() == {"orders": [{"name": "#1006"}]}


def test_an_empty_page_in_the_middle(client, faults, shop):
    """C8: a page without items, whose links go on."""
    faults.add(page_faults.empty_page(), nth=2)
    assert [len(page) for page in walk(client)] == [2, 0, 2]


def test_a_page_that_forgets(client, faults):
    """C10: items missing from a page that looks whole."""
    faults.add(page_faults.items_dropped(2))
    assert len(ids(client.get(LIST))) == 4


def test_a_page_repeated_and_pages_that_overlap(client, faults):
    """C8: the page before again, with this page's links; and items that come twice."""
    plain = walk(client)
    rule = faults.add(page_faults.repeated_page(), times=0)
    assert walk(client) == [plain[0], plain[0], plain[2]]
    faults.rules.remove(rule)
    faults.add(page_faults.overlapping(), times=0)
    assert walk(client) == [plain[0], [plain[0][-1], *plain[1]], [plain[1][-1], *plain[2]]]


@pytest.mark.parametrize("period", [1, 2])
def test_cursors_that_loop(client, faults, period):
    """C8: A→A and A→B→A go on for ever."""
    plain = walk(client)
    faults.add(page_faults.looped(period), times=0)
    assert walk(client) == [plain[i % period] for i in range(8)]


def test_links_that_lead_away_or_back(client, faults):
    """X2, C8: a next link to a foreign host, and one to the page itself."""
    faults.add(page_faults.next_link("https://evil.example/admin/orders.json?page_info=x"))
    faults.add(page_faults.next_link(lambda request: str(request.url)))
    assert client.get(LIST).links["next"]["url"].startswith("https://evil.example/")
    own = client.get(LIST, params={"limit": 2})
    assert own.links["next"]["url"] == str(own.request.url)


def test_a_loop_of_stripe_lists(clock):
    """C8: the same for lists whose cursor is their last id: has_more for ever."""
    stripe = FakeStripe(clock=clock)
    for _ in range(4):
        stripe.create_customer()
    faults = Faults(stripe)
    faults.add(page_faults.looped(), path="/v1/events", times=0)
    with httpx.Client(transport=httpx.MockTransport(faults.handle), auth=("sk_test_dummy", "")) as client:
        first = client.get("https://api.stripe.com/v1/events?limit=2").json()
        cursor = first["data"][-1]["id"]
        again = client.get(f"https://api.stripe.com/v1/events?limit=2&starting_after={cursor}").json()
    assert again == first
    assert again["has_more"] is True
