"""POSTs over real sockets: deadlines, broken answers, certificates, and addresses nothing is sent to."""

from __future__ import annotations

import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme
from support.pools import PATIENCE, an_event, collect, jobs
from support.wire import WireServer

from reconcile.clock import SystemClock
from reconcile.http.transport import DeadlineTransport
from reconcile.targets.destination import Destination
from reconcile.targets.http import HttpTarget
from reconcile.targets.model import Job, Verdict

CLOCK = SystemClock()


@pytest.fixture
def target():
    """Makes targets and closes them."""
    made = []

    def make(url, *, timeout=PATIENCE, **options):
        made.append(HttpTarget(url, CLOCK, timeout=timeout, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


class App(BaseHTTPRequestHandler):
    """An application that keeps its connections and remembers what it got."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.client_address, self.path, dict(self.headers), body))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def app():
    """A running application."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), App)
    server.seen = []
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def names(monkeypatch, **known):
    """Let these host names have these addresses, and no other name any."""

    def getaddrinfo(host, port, *_, **__):
        if host not in known:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def after_the_body(behaviour):
    """Behave so once the request has come whole: a server that closes before loses its answer to a TCP reset."""

    def behave(wire):
        if not wire.request.endswith(b"{}"):
            assert wire._connection.recv(2) == b"{}"
        behaviour(wire)

    return behave


def one(target):
    """One delivery's outcome."""
    target.submit(jobs("t"))
    return collect(target, 1)[0]


def test_the_bytes_arrive_as_they_are(target, app):
    """H10: the body is the event's bytes, the path and query are the configured ones, one connection serves many."""
    made = target(f"http://127.0.0.1:{app.server_port}/hooks?x=1", concurrency=1)
    body = b'{"a": 1.0,\n "b":"\xe2\x80\xa8"}' * 100_000
    for n in range(3):
        made.submit([Job(n, 1, "me", an_event(body=body), 1)])
        assert collect(made, 1)[0].verdict is Verdict.HANDLED
    assert {(path, sent == body) for _, path, _, sent in app.seen} == {("/hooks?x=1", True)}
    assert app.seen[0][2]["Host"] == f"127.0.0.1:{app.server_port}"
    assert len({client for client, *_ in app.seen}) == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 500, b""], ids=["slow headers", "silence"])
def test_one_deadline_over_everything(target, answer):
    """X5: headers that drip in, or never come, end the call at its timeout, not after each byte anew."""
    with WireServer(lambda wire: (wire.drip(answer, 0.05), wire.hang())) as server:
        began = CLOCK.monotonic()
        outcome = one(target(server.origin, timeout=0.5))
        assert CLOCK.monotonic() - began < 5
    assert (outcome.verdict, outcome.error) == (Verdict.UNREACHABLE, "no answer within 0.5 s")


def test_a_status_is_the_answer_whatever_follows(target):
    """H10: a 200 whose body drips, breaks or has no end is handled; its body is not waited for long."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    endless = [
        lambda wire: (wire.send(head), wire.reset()),
        lambda wire: wire.send(head + b"x" * 1_000_000),
        lambda wire: (wire.send(head), wire.drip(b"y" * 100, 0.01)),
    ]
    with WireServer(*map(after_the_body, endless)) as server:
        made = target(server.origin, concurrency=1)
        made.submit(jobs("a", "b", "c"))
        assert {outcome.verdict for outcome in collect(made, 3)} == {Verdict.HANDLED}


@pytest.mark.parametrize(
    "behaviour",
    [
        lambda wire: wire.reset(),
        lambda wire: None,
        lambda wire: wire.send(b"SSH-2.0-OpenSSH_9.2\r\n"),
        lambda wire: wire.send(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000),
    ],
    ids=["reset", "closed", "no HTTP", "huge header"],
)
def test_broken_answers_are_the_targets_fault(target, behaviour):
    """A connection that breaks before a status counts towards the target's pause."""
    with WireServer(behaviour) as server:
        assert one(target(server.origin)).verdict is Verdict.UNREACHABLE


def test_nobody_listens(target):
    """A refused connection counts towards the target's pause."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    outcome = one(target(f"http://127.0.0.1:{port}/"))
    assert outcome.verdict is Verdict.UNREACHABLE
    assert "ConnectError" in outcome.error


def test_the_environments_proxy_is_not_used(target, app, monkeypatch):
    """X2: nothing goes where the environment says."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert one(target(f"http://127.0.0.1:{app.server_port}/")).verdict is Verdict.HANDLED


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[fd00:ec2::254]/",
        "http://metadata.example/",
        "http://both.example/",
    ],
)
def test_metadata_is_never_asked(target, monkeypatch, url):
    """The address is judged after the name was resolved; one bad address among several is enough. Nothing connects."""
    names(monkeypatch, **{"metadata.example": ["169.254.169.254"], "both.example": ["127.0.0.1", "169.254.169.254"]})
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    outcome = one(target(url))
    assert outcome.verdict is Verdict.UNREACHABLE
    assert "metadata address" in outcome.error


def test_the_address_judged_is_the_address_used(target, app, monkeypatch):
    """A name that changes between two look-ups (DNS rebinding) has no second look-up to change in."""
    asked = []

    def getaddrinfo(host, port, *_, **__):
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    real = socket.create_connection
    used = []
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(
        socket, "create_connection", lambda to, *a, **k: used.append(to[0]) or direct(real, to, *a, **k)
    )
    assert one(target(f"http://app.example:{app.server_port}/")).verdict is Verdict.HANDLED
    assert (asked, used) == (["app.example"], ["127.0.0.1"])
    assert app.seen[0][2]["Host"] == f"app.example:{app.server_port}"


def direct(_real, to, timeout=None, source_address=None):
    """Connect to an address without asking the resolver, which this test has replaced."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(timeout)
    made.connect(to)
    return made


def test_an_address_that_is_down_is_passed(target, app, monkeypatch):
    """Of several addresses the next is tried when one cannot be connected to."""
    names(
        monkeypatch,
        **{"app.example": ["127.0.0.9", "127.0.0.1"], "127.0.0.9": ["127.0.0.9"], "127.0.0.1": ["127.0.0.1"]},
    )
    assert one(target(f"http://app.example:{app.server_port}/")).verdict is Verdict.HANDLED


def test_a_name_nobody_knows(target, monkeypatch):
    """An unknown name counts towards the target's pause."""
    names(monkeypatch)
    assert "the name server does not know nowhere.example" in one(target("http://nowhere.example/")).error


def test_a_name_server_that_does_not_answer(target, monkeypatch):
    """The resolver has no deadline of its own; the call has."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(PATIENCE) and [])
    assert one(target("http://silent.example/", timeout=0.3)).error == "no answer within 0.3 s"
    over.set()


@pytest.mark.parametrize(("name", "verdict"), [("localhost", Verdict.HANDLED), ("other.example", Verdict.UNREACHABLE)])
def test_certificates_are_for_the_name(target, tmp_path, name, verdict):
    """TLS is verified for the configured name although the connection is made to its address."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    with WireServer(after_the_body(lambda wire: wire.answer(b"")), tls=context, name="localhost") as server:
        inner = DeadlineTransport(CLOCK, ca_file=tmp_path / "ca.pem")
        outcome = one(target(server.origin, transport=Destination(inner, CLOCK)))
        assert outcome.verdict is verdict, outcome.error
        assert one(target(server.origin)).verdict is Verdict.UNREACHABLE


def test_a_stop_cuts_off_what_does_not_finish(target):
    """L2: after the grace a request is given up; the claim goes back as cut off, not as failed."""
    with WireServer(lambda wire: wire.hang()) as server:
        made = target(server.origin, concurrency=1)
        made.submit(jobs("a", "b"))
        assert server.arrived.wait(PATIENCE)
        found = {outcome.job.event.topic: outcome for outcome in made.stop(0.1)}
    assert {outcome.verdict for outcome in found.values()} == {Verdict.RELEASED}
    assert found["a"].error == "stopped while it was running; whether it had its effect is not known"
    assert found["b"].error == ""
