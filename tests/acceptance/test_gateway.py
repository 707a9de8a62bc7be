"""The installed executable and any gateway: only configuration, and the app's handler."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
from support.serving import serving

from reconcile.model import TransactionStatus
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.gateway import FakeGateway, shapes
from reconcile.sandbox.server import serve

SECRET = "whsec_dummy_hush"
CONFIG = """\
ledger: sqlite:///reconcile.db
sources:
  gate:
    connector: gateway
    base_url: BASE_URL
    auth: {query: {name: api_key, value: "${TOKEN:-query_dummy_value}"}}
    list:
      path: /payments
      items: /payments
      filters: {created_at_min: created_from, created_at_max: created_to}
      time: epoch_ms
      paging: {next: /links/next, size: {per_page: 4}}
    fields: {id: /reference, created_at: /created_at, updated_at: /updated_at, status: /status, amount: /amount}
    status: {path: /get-status, params: {reference: "{id}"}}
    statuses: {pending: pending, paid: succeeded, failed: failed}
    http: {rate: 1000/s}
    webhook:
      url: https://hooks.acme.example/webhooks/gate
      secret: whsec_dummy_hush
      topics: [payment.succeeded, payment.failed]
      event: {id: /event_id, topic: /event_type, item: /data}
      signature: {scheme: hmac, header: X-Signature, algorithm: sha512, encoding: base64, prefix: "sha512="}
    handler: acme:handlers
"""
HANDLER = """\
from pathlib import Path
from reconcile import Handlers

handlers = Handlers()

@handlers.on("payment.succeeded", "payment.failed")
def take(event):
    with Path(__file__).with_name("effects").open("a") as effects:
        effects.write(f"{event.topic} {event.subject.id}\\n")
"""


def configure(project, url):
    (project.folder / "acme.py").write_text(HANDLER)
    path = project.folder / "schedules.yaml"
    path.write_text(CONFIG.replace("BASE_URL", url))
    path.chmod(0o600)


def a_gateway():
    """Ten payments of the last two hours: six paid, one failed, three pending; every webhook was lost."""
    now = datetime.now(UTC)
    fake = FakeGateway(shapes.BY_NEXT, clock=SettableClock(now - timedelta(hours=2)))
    fake.subscribe("https://hooks.acme.example/webhooks/gate", SECRET)
    keys = []
    for number in range(10):
        keys.append(fake.create(f"{number}.10"))
        fake.clock.advance(60)
    for key in keys[:6]:
        fake.become(key, TransactionStatus.SUCCEEDED)
    fake.become(keys[6], TransactionStatus.FAILED)
    fake.clock.set(now)
    return fake, keys


def test_lost_webhooks_of_a_gateway_are_handled_once(project):
    """What was lost comes back by the list, what was pending by asking; a late webhook changes nothing (X1 besides)."""
    fake, keys = a_gateway()
    with serve(fake) as served:
        configure(project, served.url)
        checked = project.run("check")
        assert "gateway-" in checked.stdout, checked.stderr
        first = project.run("run", "--since", "1d", "--json")
        expected = {f"payment.succeeded {key}" for key in keys[:6]} | {f"payment.failed {keys[6]}"}
        assert set(project.effects()) == expected, first.stderr
        assert len(project.effects()) == 7
        pending = project.run("transactions", "list")
        assert [key in pending.stdout for key in keys[7:]] == [True] * 3

        fake.become(keys[7], TransactionStatus.SUCCEEDED)
        second = project.run("transactions", "check", f"payment/{keys[7]}")
        third = project.run("run", "--json")
        assert project.effects()[7:] == [f"payment.succeeded {keys[7]}"], second.stderr + third.stderr

        late = next(sent for sent in fake.outbox if sent.topic == "payment.succeeded")
        assert live(project, fake, late) == 200
        project.run("run")
        assert len(project.effects()) == 8
    said = [checked, first, pending, second, third]
    assert not [one for one in said if "query_dummy_value" in one.stdout + one.stderr]
    assert {seen.method for seen in fake.requests} == {"GET"}


def live(project, fake, sent):
    """Deliver one webhook to `reconcile serve`; its status."""
    with serving(project) as running:
        url = f"{running.url}gate"
        return httpx.post(url, headers=fake.headers_of(sent), content=sent.body, trust_env=False).status_code
