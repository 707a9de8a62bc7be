"""`reconcile.receive`: the receiver for a web application of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

import reconcile
from connectors.shopify.signature import digest
from reconcile import mounted
from reconcile.clock import SystemClock
from reconcile.errors import ConfigError
from reconcile.ledger import Ledger

SECRET = "hush_dummy"
BODY = b'{"id": 1001, "created_at": "2026-11-02T10:00:00Z", "updated_at": "2026-11-02T10:00:00Z"}'
CONFIG = """\
ledger: sqlite:///reconcile.db
sources:
  acme-shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    webhook: {secret: hush_dummy, topics: [orders/create]}
    handler: acme:handlers
"""


def headers(delivery="delivery-1", secret=SECRET, body=BODY):
    """A signed request's, in the case that WSGI servers give them."""
    return {
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Webhook-Id": delivery,
        "X-Shopify-Hmac-Sha256": digest(secret, body).decode(),
    }


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A configuration that the environment names; the process's receiver is made anew before and after."""
    path = tmp_path / "schedules.yaml"
    path.write_text(CONFIG)
    monkeypatch.setenv("RECONCILE_CONFIG", str(path))
    mounted._process.forget()
    yield tmp_path
    made = mounted._process._made
    if made is not None:
        made._ledger.close()
    mounted._process.forget()


def recorded(folder):
    ledger = Ledger.open(f"sqlite:///{folder / 'reconcile.db'}", SystemClock())
    try:
        with ledger.read() as tx:
            return [tuple(row) for row in tx.connection.execute(text("select id, state from reconcile_event"))]
    finally:
        ledger.close()


def test_a_delivery_is_stored_before_it_is_answered(project):
    """When 200 is answered the event waits in the ledger (H6)."""
    answer = reconcile.receive("acme-shop", headers(), BODY)
    assert (answer.status, answer.text) == (200, "new")
    assert recorded(project) == [("delivery-1", "waiting")]


def test_a_forged_delivery_is_refused(project):
    """Without the right signature it is 401, and nothing is stored (X3)."""
    assert reconcile.receive("acme-shop", headers(secret="wrong_dummy"), BODY).status == 401
    assert recorded(project) == []


def test_an_unknown_source_is_not_found(project):
    """Only what the configuration names is received for."""
    assert reconcile.receive("other-shop", headers(), BODY).status == 404


def test_all_threads_share_one_receiver(project, monkeypatch):
    """First calls from many threads read the configuration once, and every delivery is stored."""
    made = []
    monkeypatch.setattr(mounted._process, "_make", lambda: made.append(1) or mounted.receiver())
    with ThreadPoolExecutor(8) as pool:
        bodies = [BODY.replace(b"1001", str(2000 + n).encode()) for n in range(24)]
        answers = list(
            pool.map(lambda n: reconcile.receive("acme-shop", headers(f"d{n}", body=bodies[n]), bodies[n]), range(24))
        )
    assert [answer.status for answer in answers] == [200] * 24
    assert len(made) == 1
    assert len(recorded(project)) == 24


def test_a_broken_configuration_is_raised(project):
    """It is the operator's to mend, so it is not hidden behind a status; once mended, it is read."""
    (project / "schedules.yaml").write_text("sources: {}\n")
    with pytest.raises(ConfigError, match="must name at least one source"):
        reconcile.receive("acme-shop", headers(), BODY)
    (project / "schedules.yaml").write_text(CONFIG)
    assert reconcile.receive("acme-shop", headers(), BODY).status == 200


def test_an_unavailable_ledger_is_asked_to_wait(project):
    """503 makes the provider send it again; the next call tries to open the ledger once more."""
    (project / "schedules.yaml").write_text(CONFIG.replace("reconcile.db", "missing/folder/reconcile.db"))
    assert reconcile.receive("acme-shop", headers(), BODY).status == 503
    (project / "schedules.yaml").write_text(CONFIG)
    assert reconcile.receive("acme-shop", headers(), BODY).status == 200


def test_a_forked_child_makes_its_own(project):
    """A server that forks after the first call does not share the parent's connections."""
    assert reconcile.receive("acme-shop", headers(), BODY).status == 200
    child = os.fork()
    if child == 0:
        own = mounted._process._made is None
        body = BODY.replace(b"1001", b"1002")
        status = reconcile.receive("acme-shop", headers("delivery-2", body=body), body).status
        os._exit(0 if own and status == 200 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(recorded(project)) == 2


def test_importing_the_package_loads_no_database():
    """Every handler imports `reconcile`; a worker must not pay 40 MB for a function it does not call."""
    code = "import sys, reconcile; sys.exit('sqlalchemy' in sys.modules or 'httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
