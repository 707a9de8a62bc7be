"""The real `reconcile serve`: what it answers, what it stores, how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from support.cli import Project
from support.serving import Serving, serving

from connectors.shopify.signature import digest
from reconcile import failpoints
from reconcile.clock import SystemClock
from reconcile.ledger import Ledger, bodies
from reconcile.ledger.integrity import problems

SECRET = "whsec_dummy_hush"
CONFIG = """\
ledger: ${LEDGER:-sqlite:///reconcile.db}
sources:
  acme-shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    base_url: http://127.0.0.1:9
    retry: [1s, 1s, 1s]
    webhook: {secret: whsec_dummy_hush, topics: [orders/create]}
    handler: acme:handlers
"""
APP = """\
import os
from pathlib import Path
from reconcile import Handlers

handlers = Handlers()
here = Path(__file__).parent

@handlers.on("orders/*")
def take(event):
    if event.data.get("note") == "hang":
        open(here / "began", "w").close()
        open(here / "never").read()
    with open(here / "effects", "w") as effects:  # a pipe: whoever waits for it knows when
        effects.write(f"{event.subject.id} {event.origin} {event.body.decode()}")
"""


@pytest.fixture
def project(tmp_path):
    """An application whose handler tells through pipes, so that nobody has to wait and see."""
    made = Project(tmp_path)
    made.configure(CONFIG, APP)
    for name in ("effects", "began", "never"):
        os.mkfifo(tmp_path / name)
    return made


@pytest.fixture
def receiver(project):
    """It, receiving."""
    with serving(project) as running:
        yield running


def order(id_: int = 5, note: str = "") -> bytes:
    """The body of a delivery."""
    stamp = "2024-06-01T10:00:00Z"
    return f'{{"id": {id_}, "created_at": "{stamp}", "updated_at": "{stamp}", "note": "{note}"}}'.encode()


def headers_of(body: bytes, id_: str = "w-1") -> dict[str, str]:
    """What Shopify sends with it."""
    signed = digest(SECRET, body).decode()
    return {"X-Shopify-Topic": "orders/create", "X-Shopify-Webhook-Id": id_, "X-Shopify-Hmac-Sha256": signed}


def post(receiver: Serving, body: bytes = b"{}", path: str = "acme-shop", **more) -> httpx.Response:
    """A genuine delivery."""
    given = {"headers": headers_of(body), "content": body, "timeout": 30, "trust_env": False} | more
    return httpx.post(receiver.url + path, **given)


def stored(project: Project) -> list:
    """Every event in the ledger."""
    with project.ledger() as ledger, ledger.read() as tx:
        return list(tx.connection.execute(bodies.whole_events()))


def test_what_is_stored_is_answered_2xx_and_handled_at_once(project, receiver):
    """H6, H9: the handler gets the exact bytes as soon as the provider has its answer."""
    body = order(7)
    assert post(receiver, body).status_code == 200
    assert (project.folder / "effects").read_text() == f"7 live {body.decode()}"
    assert post(receiver, body).json() == {"status": "duplicate"}
    assert receiver.stop() == 143
    (row,) = stored(project)
    assert (row.state, row.body, row.duplicates) == ("handled", body, 1)


def test_a_taken_port_is_said_in_one_line(project):
    """Nothing was started: the port is taken first, and the remedy named."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = project.run("serve", "--port", str(port))
    remedy = "the port is taken; end what has it, or choose another with --port"
    assert (done.returncode, done.stderr) == (2, f"reconcile: cannot listen on 127.0.0.1:{port}: {remedy}\n")
    elsewhere = project.run("serve", "--host", "192.0.2.1")
    assert elsewhere.returncode == 2
    assert "choose an address of this machine with --host" in elsewhere.stderr


def chunks(size: int):
    """A body that does not say how long it is."""
    for _ in range(size // 65_536 + 1):
        yield b"x" * 65_536


REFUSED = {
    "a bad signature": ({"headers": {**headers_of(b"other"), "X-Shopify-Topic": "orders/create"}}, 401),
    "no signature": ({"headers": {}}, 401),
    "too large": ({"content": b"x" * 10_000_001}, 413),
    "too large, in chunks": ({"content": chunks(10_000_001)}, 413),
    "our own replay": ({"headers": {**headers_of(b"{}"), "Reconcile-Event": "e; origin=backfill"}}, 421),
    "an unknown source": ({"path": "nobody"}, 404),
    "another path": ({"path": "acme-shop/more"}, 404),
    "a path that climbs": ({"path": "../acme-shop"}, 404),
}


def test_what_is_not_a_genuine_delivery_is_refused_and_leaves_nothing(project, receiver):
    """X3, X5: each with its status and a reason, and none of them stored."""
    for name, (more, status) in REFUSED.items():
        answer = post(receiver, **more)
        assert answer.status_code == status, name
        assert answer.json()["status"], name
        assert SECRET not in answer.text
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = httpx.request(method, receiver.url + "acme-shop", headers=headers_of(b""), trust_env=False)
        assert answer.status_code == 405, method
    assert receiver.stop() == 143
    assert stored(project) == []


def test_a_ledger_that_is_locked_is_answered_503_within_the_providers_patience(project, receiver):
    """L6: Shopify hangs up after five seconds: it is told to come again before that, and then it is stored."""
    post(receiver, path="nobody")
    with contextlib.closing(sqlite3.connect(project.folder / "reconcile.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answer = post(receiver, order(8))
        took = time.monotonic() - began
        other.execute("ROLLBACK")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert took < 4.9
    assert post(receiver, order(8)).status_code == 200
    assert (project.folder / "effects").read_text().startswith("8 live")


def test_a_hanging_handler_does_not_keep_it_from_ending(project, receiver):
    """L2: SIGTERM ends it with 143 within ten seconds; the event is given back and handled after the restart."""
    assert post(receiver, order(9, "hang")).status_code == 200
    (project.folder / "began").read_text()
    began = time.monotonic()
    assert receiver.stop() == 143
    assert time.monotonic() - began < 10
    (row,) = stored(project)
    assert (row.state, row.claim_owner) == ("waiting", "")


def test_a_sender_that_never_finishes_does_not_keep_it_from_ending(receiver):
    """L2: a half-sent delivery is the provider's to repeat; it is not waited for."""
    parts = urlsplit(receiver.url)
    with socket.create_connection((parts.hostname, parts.port)) as slow:
        slow.sendall(b"POST /webhooks/acme-shop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        assert post(receiver, path="nobody").status_code == 404  # so it has read what was sent before
        began = time.monotonic()
        assert receiver.stop() == 143
        assert time.monotonic() - began < 10


def test_what_was_answered_2xx_survives_a_kill(databases, project, tmp_path):
    """H6, L3: killed with SIGKILL as soon as the provider has its answer: the event is there, whole."""
    config = project.folder / "schedules.yaml"
    config.write_text(config.read_text().replace("    handler: acme:handlers\n", ""))
    with databases.fresh(tmp_path) as url:
        project.environment["LEDGER"] = url
        with serving(project) as running:
            for number in range(5):
                body = order(number)
                assert post(running, body, headers=headers_of(body, f"w-{number}")).status_code == 200
            running.process.kill()
            running.process.wait(10)
        ledger = Ledger.open(url, SystemClock())
        with ledger.read() as tx:
            assert [row.body for row in tx.connection.execute(bodies.whole_events())] == [order(n) for n in range(5)]
            assert problems(tx) == []
        ledger.close()


def test_health_and_metrics_are_shown_beside_deliveries(project, receiver):
    """`/metrics` on this machine tells of what was received and how long its handler took; a wrong address is said."""
    assert post(receiver, order(7)).status_code == 200
    assert (project.folder / "effects").read_text().startswith("7 live")
    base = receiver.url.removesuffix("/webhooks/")
    assert httpx.get(f"{base}/healthz", trust_env=False).json() == {"status": "alive"}
    assert httpx.get(f"{base}/readyz", trust_env=False).json()["status"] == "ready"
    shown = httpx.get(f"{base}/metrics", trust_env=False).text
    assert 'reconcile_webhooks_total{result="new",source="acme-shop",topic="orders/create"} 1.0' in shown
    assert httpx.get(f"{base}/metrics", headers={"X-Forwarded-For": "203.0.113.7"}, trust_env=False).status_code == 404
    for wrong in ("9090", "127.0.0.1:", "127.0.0.1:99999", ":9090"):
        done = project.call("serve", "--metrics", wrong)
        assert (done.returncode, "HOST:PORT" in done.stderr) == (2, True), wrong


def test_an_interrupt_is_130(receiver):
    """The exit code is the signal's."""
    assert receiver.stop(signal.SIGINT) == 130


def test_a_secret_that_is_missing_is_said_at_the_start(project):
    """Without `webhook.secret` every delivery is refused, so the receiver warns before the first one comes."""
    config = project.folder / "schedules.yaml"
    config.write_text(config.read_text().replace("secret: whsec_dummy_hush, ", ""))
    process = project.start("serve", "--port", "0")
    try:
        assert "warning: acme-shop: webhook.secret is not set" in process.stderr.readline()
    finally:
        process.kill()
        process.communicate(timeout=15)


@pytest.mark.parametrize("name", ["inbox.before_store", "inbox.stored"])
def test_killed_while_it_stores_a_delivery_loses_none(databases, project, tmp_path, name):
    """H6, L3: no 2xx without a commit; what was committed unheard is a duplicate when it comes again; handled once."""
    with databases.fresh(tmp_path) as url:
        project.environment["LEDGER"] = url
        body = order(11)
        with serving(project, **{failpoints.ENVIRONMENT: f"{name}=kill@1"}) as running:
            with pytest.raises(httpx.HTTPError):
                post(running, body)
            assert running.process.wait(10) == -9
        with serving(project) as running:
            if name == "inbox.before_store":
                assert post(running, body).json() == {"status": "new"}
            assert (project.folder / "effects").read_text().startswith("11 live")
            assert post(running, body).json() == {"status": "duplicate"}
            assert running.stop() == 143
        ledger = Ledger.open(url, SystemClock())
        with ledger.read() as tx:
            (row,) = tx.connection.execute(bodies.whole_events())
            assert (row.state, row.attempts) == ("handled", 1)
            assert problems(tx) == []
        ledger.close()


def test_the_folder_holds_nothing_others_may_read(project, receiver):
    """Files of the ledger are their owner's alone."""
    assert post(receiver, path="nobody").status_code == 404
    for path in Path(project.folder).glob("reconcile.db*"):
        assert path.stat().st_mode & 0o077 == 0, path
