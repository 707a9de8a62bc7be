"""The HTTP rows of the fault matrix, on real sockets: each server misbehaves byte by byte."""

import contextlib
import gzip
import socket
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.paging import ONE_PAGE, TOKEN, Orders, clients, good, head
from support.wire import WireServer

from reconcile.clock import Stop, SystemClock
from reconcile.errors import BadAnswer, Retriable, Stopped
from reconcile.sandbox.server import serve
from reconcile.sandbox.shopify import FakeShopify


@pytest.fixture
def client():
    """Makes clients on the real clock that retry without waiting, and closes them."""
    with clients() as make:
        yield make


def test_a_reset_in_mid_body_is_retried_and_no_partial_items_are_seen(client):
    """C9: a connection reset half way through a page costs a retry, and the page is whole."""

    def cut(wire):
        wire.send(head(1000) + ONE_PAGE[:12])
        wire.reset()

    with WireServer(cut, good) as server:
        assert len(client(server.origin).get_json("/orders.json", Orders).orders) == 1
    assert len(server.requests) == 2


def test_a_short_content_length_is_retried(client):
    """C9: fewer bytes than announced is a broken answer, even if they happen to be JSON."""

    def short(wire):
        wire.send(head(len(ONE_PAGE) + 100) + ONE_PAGE)

    with WireServer(short, good) as server:
        client(server.origin).get("/orders.json")
        assert len(server.requests) == 2
    with WireServer(short) as server, pytest.raises(Retriable, match=r"broke off its answer.*after 2 attempts"):
        client(server.origin).get("/orders.json")


def test_truncated_json_without_a_length_is_retried(client):
    """C9: httpx takes a closed connection for the end of the body; the JSON tells that it was not."""

    def truncated(wire):
        wire.send(head() + ONE_PAGE[:-3])

    with WireServer(truncated, good) as server:
        assert len(client(server.origin).get_json("/orders.json", Orders).orders) == 1
    with WireServer(truncated) as server, pytest.raises(BadAnswer, match=r"not JSON.*after 2 attempts"):
        client(server.origin).get_json("/orders.json", Orders)


def test_a_truncated_chunked_body_is_retried(client):
    """C9: a chunked body without its last chunk is a broken answer."""

    def chunked(wire):
        wire.send(head(None, "Transfer-Encoding: chunked") + b"%x\r\n%b\r\n" % (len(ONE_PAGE), ONE_PAGE))

    with WireServer(chunked, good) as server:
        client(server.origin).get_json("/orders.json", Orders)
    assert len(server.requests) == 2


def test_a_server_that_hangs_up_or_speaks_no_http_is_retried(client):
    """A connection closed without a word, and one that answers with another protocol, are passing faults."""
    for rude in (lambda wire: wire.reset(), lambda _wire: None, lambda wire: wire.send(b"220 mail.example ESMTP\r\n")):
        with WireServer(rude, good) as server:
            client(server.origin).get_json("/orders.json", Orders)
        assert len(server.requests) == 2


@pytest.mark.parametrize("part", ["headers", "one long header", "body", "chunk sizes"])
def test_slowloris_ends_at_the_total_deadline(client, part):
    """X5: a byte every 0.05 s, wherever it drips, holds a request no longer than its deadline."""
    whole = {
        "headers": b"".join(b"X-Drip: %d\r\n" % n for n in range(1000)),
        "one long header": b"X-Drip: " + b"a" * 1000,
        "body": b" " * 1000,
        "chunk sizes": b"1\r\n \r\n" * 1000,
    }[part]
    start = {"body": head(1000), "chunk sizes": head(None, "Transfer-Encoding: chunked")}.get(
        part, b"HTTP/1.1 200 OK\r\n"
    )

    def drip(wire):
        wire.send(start)
        wire.drip(whole, every=0.05)

    with WireServer(drip) as server:
        begun = time.monotonic()
        with pytest.raises(Retriable, match="in time"):
            client(server.origin, deadline=0.5, attempts=1).get("/orders.json")
        assert time.monotonic() - begun < 2.0


def test_a_silent_server_ends_at_the_deadline(client):
    """A server that accepts and says nothing is a timeout, retried, then `Retriable`."""
    with WireServer(lambda wire: wire.hang()) as server:
        begun = time.monotonic()
        with pytest.raises(Retriable, match="did not answer in time"):
            client(server.origin, deadline=0.3, attempts=2).get("/orders.json")
        assert 0.6 <= time.monotonic() - begun < 3.0
        assert len(server.requests) == 2


def test_a_stop_ends_a_request_that_hangs(client):
    """L2: SIGTERM does not wait for a provider's deadline."""
    stop = Stop()
    with WireServer(lambda wire: wire.hang()) as server:
        threading.Thread(target=lambda: (server.arrived.wait(10), stop.set()), daemon=True).start()
        begun = time.monotonic()
        with pytest.raises(Stopped):
            client(server.origin, deadline=60.0, stop=stop).get("/orders.json")
        assert time.monotonic() - begun < 8.0


def test_a_stop_ends_the_wait_for_a_rate_limit(client):
    """L2: SIGTERM wakes a sleep of a minute at once."""
    stop = Stop()
    sleeping = threading.Timer(0.2, stop.set)
    limited = ("Retry-After: 60",)
    with WireServer(lambda wire: wire.answer(b"", *limited, status="429 Too Many Requests")) as server:
        begun = time.monotonic()
        with pytest.raises(Stopped):
            client(server.origin, stop=stop, jitter=lambda _longest: sleeping.start() or 0.0).get("/orders.json")
        assert 0.1 < time.monotonic() - begun < 8.0


def test_a_gzip_bomb_is_refused_by_its_decoded_size(client):
    """X5: 48 KB on the wire that would be 50 MB in memory end at the limit."""
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 60_000
    with WireServer(lambda wire: wire.answer(bomb, "Content-Encoding: gzip")) as server:
        with pytest.raises(BadAnswer, match="larger than 1000000 bytes"):
            client(server.origin).get("/orders.json")
        assert len(server.requests) == 1


def test_a_huge_page_is_refused_while_it_streams(client):
    """X5: an endless body without a length ends at the limit, not at the end of memory."""

    def endless(wire):
        wire.send(head())
        while True:
            wire.send(b" " * 65_536)

    with WireServer(endless) as server, pytest.raises(BadAnswer, match="larger than 1000000 bytes"):
        client(server.origin).get("/orders.json")


#: Asks for a page in a process that may not have half the memory the page would take.
STARVED = """
import resource, sys
from reconcile.clock import SystemClock
from reconcile.errors import BadAnswer
from reconcile.http import HttpLimits, ProviderClient, RateBudget
clock = SystemClock()
client = ProviderClient(source="acme", origin=sys.argv[1], headers=dict, clock=clock, budget=RateBudget(1000.0, clock))
resource.setrlimit(resource.RLIMIT_AS, (500_000_000, 500_000_000))
try:
    client.get("/orders.json")
except BadAnswer as error:
    print(error)
"""


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_page_of_a_gigabyte_needs_no_gigabyte(packed):
    """X5: a process that would be killed for its memory is not: the default limit ends the page long before."""
    headers = ["Content-Length: 1000000000"] if not packed else ["Content-Encoding: gzip", "Transfer-Encoding: chunked"]
    block = b" " * 1_000_000

    def heavy(wire):
        packer = zlib.compressobj(wbits=31)
        wire.send(head(None, *headers))
        with contextlib.suppress(OSError):  # whoever has had enough hangs up
            for _ in range(1000):
                data = packer.compress(block) if packed else block
                wire.send(b"%x\r\n%s\r\n" % (len(data), data) if packed and data else data)

    with WireServer(heavy) as server:
        asked = subprocess.run(
            [sys.executable, "-c", STARVED, server.origin], capture_output=True, text=True, check=False
        )
    assert asked.returncode == 0, asked.stderr
    assert "larger than 20000000 bytes" in asked.stdout


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
def test_a_redirect_to_another_server_sends_it_nothing(client, status):
    """X2: the other server sees no request, so no token, whichever header carries it."""
    with WireServer(good) as other:
        moved = f"Location: {other.origin}/orders.json"
        with WireServer(lambda wire: wire.answer(b"", moved, status=status)) as server:
            with pytest.raises(BadAnswer, match="leave the configured origin"):
                client(server.origin).get("/orders.json")
            assert TOKEN.encode() in server.requests[0]
    assert other.requests == []


def test_a_next_link_on_another_port_sends_it_nothing(client):
    """X2: same host, other port, is another origin: refused before a byte is sent, user part or not."""
    with WireServer(good) as server, WireServer(good) as other:
        running = client(server.origin)
        for target in (
            f"{other.origin}/orders.json?page_info=2",
            other.origin.replace("http://", f"{server.origin}@"),
            other.origin.replace("http://", "http://127.0.0.1@"),
            other.origin.replace("http://", "//"),
        ):
            with pytest.raises(BadAnswer, match="would leave configured origin"):
                running.get(target)
        running.get(f"{server.origin}/orders.json?page_info=2")
        assert server.requests[0].startswith(b"GET /orders.json?page_info=2 HTTP/1.1\r\n")
    assert other.requests == []


def test_a_connection_refused_and_a_name_unknown_are_retriable(client, monkeypatch):
    """A provider that is down or not resolvable is asked again, then the run ends with exit 4."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Retriable, match=r"cannot connect to http://\S+ \(connection refused\).*after 2") as down:
        client(f"http://127.0.0.1:{port}").get("/orders.json")
    assert down.value.exit_code == 4

    def unknown(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Retriable, match=r"cannot connect to https://shop.example \(its name is not known here\)"):
        client("https://shop.example").get("/orders.json")


def test_a_port_without_tls_is_said_to_be_one(client):
    """`https` where it should be `http`: the cause is not looked for in names and networks."""
    with (
        serve(FakeShopify(clock=SystemClock())) as plain,
        pytest.raises(Retriable, match=r"\(what answers there speaks no TLS\)"),
    ):
        client(plain.url.replace("http://", "https://")).get("/orders.json")


def test_the_environment_cannot_reroute_requests(client, monkeypatch):
    """X2: a proxy named by the environment gets nothing."""
    with WireServer(good) as server, WireServer(good) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.origin)
        client(server.origin).get("/orders.json")
    assert proxy.requests == []


def test_threads_share_one_client(client):
    """Eight threads, one client: every answer belongs to the request it was asked for."""
    with WireServer(lambda wire: wire.answer(wire.request.split(b" ")[1])) as server:
        running = client(server.origin)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda page: running.get(f"/orders/{page}").content, range(40)))
    assert answers == [b"/orders/%d" % page for page in range(40)]
    assert running.requests == 40


# TLS


def test_the_response_of_a_proxy_that_answers_html_is_an_error(client):
    """C9: a captive portal's 200 is refused at once, with what it says."""
    portal = b"<html><title>Log in to Wi-Fi</title></html>"
    with WireServer(lambda wire: wire.answer(portal, "Content-Type: text/html")) as server:
        with pytest.raises(BadAnswer, match="Log in to Wi-Fi"):
            client(server.origin).get_json("/orders.json", Orders)
        assert len(server.requests) == 1


def test_httpx_itself_would_have_leaked():
    """X2: why this exists: httpx, asked for an absolute URL, sends a client's own headers to any host."""
    with WireServer(good) as other, httpx.Client(base_url="https://shop.example", headers={"X-Token": TOKEN}) as plain:
        plain.get(f"{other.origin}/orders.json")
        assert TOKEN.encode() in other.requests[0]
