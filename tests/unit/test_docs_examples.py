"""The examples of the documentation run, and its links lead somewhere."""

from __future__ import annotations

import ast
import asyncio
import io
import re
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime

import httpx
import pytest
import stripe
import yaml as plain_yaml
from support.docs import PAGES, ROOT, blocks, marked
from support.gateways import GATEWAY_VARIABLES

import connectors.shopify.signature as shopify
import connectors.stripe.signature as stripe_signature
from reconcile import mounted
from reconcile.config import load
from reconcile.model import Event, Origin
from reconcile.targets.loading import load_handler, topics_nobody_takes

HOW_TO = ROOT / "docs/how-to"
SECRET = "hush_dummy"
NAMES = ("SHOPIFY_ACCESS_TOKEN", "SHOPIFY_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET", "APP_DB", *GATEWAY_VARIABLES)
NAMES += ("SMTP_PASSWORD", "HEALTHCHECK")
ENV = dict.fromkeys(NAMES, SECRET)
ENV["STRIPE_API_KEY"] = "sk_test_dummy"
SOURCE = "sources:\n  acme-shop:\n    connector: shopify\n    shop: acme.myshopify.com\n    access_token: shpat_dummy\n"
WEBHOOK = "    webhook: {secret: hush_dummy, topics: [orders/create]}\n"
BODY = b'{"id": 1001, "updated_at": "2026-11-02T10:00:00Z", "created_at": "2026-11-02T10:00:00Z"}'


def names(page):
    return str(page.relative_to(ROOT))


def run(text, **given):
    """The names a block of Python leaves behind."""
    space = dict(given)
    exec(compile(text, "docs", "exec"), space)  # noqa: S102 - our own documentation
    return space


def event(topic="orders/create", body=BODY):
    return Event(
        id="1", source="acme-shop", topic=topic, subject=None, version=None, occurred_at=None, data=None, body=body,
        headers={}, api_version="", origin=Origin.BACKFILL,
    )  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_relative_link_leads_somewhere(page):
    """The file is there, and so is the heading that a fragment names."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


def anchors(page):
    """The headings of a page as GitHub names them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_python_block_is_python(page):
    """No example has a slip of the pen."""
    for _, text in blocks(page, "python"):
        ast.parse(text)


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_yaml_block_is_accepted(page, tmp_path):
    """A whole file loads as it stands; lines of a source load as part of one."""
    for _, text in blocks(page, "yaml"):
        whole = text if "sources" in plain_yaml.safe_load(text) else SOURCE + WEBHOOK + text
        path = tmp_path / "schedules.yaml"
        path.write_text(whole)
        assert load(path, ENV).sources


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs/quickstart.md"], ids=names)
def test_the_handlers_take_what_the_configuration_names(page, tmp_path, monkeypatch):
    """The handler a page shows takes every topic that its configuration shows."""
    (configuration,) = [text for _, text in blocks(page, "yaml") if "sources:" in text]
    code = next(text for _, text in blocks(page, "python") if "handlers.on" in text)
    (tmp_path / "schedules.yaml").write_text(configuration)
    module = f"shown_in_{page.stem.lower()}"
    (tmp_path / f"{module}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    handler = load_handler(f"{module}:handlers")
    assert handler.takes_session
    for source in load(tmp_path / "schedules.yaml", ENV).sources.values():
        assert topics_nobody_takes(handler.topics, source.webhook.topics) == ()


def test_the_example_connector_keeps_the_contract(tmp_path):
    """Installed by its entry point, the connector of the guide passes the suite by the guide's own test file."""
    page = HOW_TO / "connectors.md"
    for name in ("reconcile_chargebee.py", "fake_chargebee.py", "test_chargebee.py"):
        (tmp_path / name).write_text(marked(page, f"file {name}"))
    installed = tmp_path / "reconcile_chargebee-0.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: reconcile-chargebee\nVersion: 0.1\n")
    group = marked(page, "file entry_points").replace('[project.entry-points."reconcile.connectors"]', "")
    (installed / "entry_points.txt").write_text("[reconcile.connectors]\n" + group.replace('"', ""))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_chargebee.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_the_handler_guides_own_test_passes(tmp_path):
    """The test of a handler that the guide shows runs against the handler that it shows."""
    page = HOW_TO / "handlers.md"
    (tmp_path / "acme.py").write_text(marked(page, "file acme.py"))
    (tmp_path / "test_acme.py").write_text(marked(page, "run test-handler"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_acme.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_shopifys_verification_accepts_what_we_sign():
    """The receiver's own code takes a replay for genuine, and one with another secret or body not (H10)."""
    is_genuine = run(marked(HOW_TO / "handlers.md", "run verify-shopify"))["is_genuine"]
    signed = shopify.sign(event(), SECRET, datetime.now(UTC), shop="acme.myshopify.com", api_version="2026-10")
    headers = {name.lower(): value for name, value in signed.items()}
    assert is_genuine(SECRET, BODY, headers)
    assert not is_genuine("other_dummy", BODY, headers)
    assert not is_genuine(SECRET, BODY + b" ", headers)


def test_stripes_verification_accepts_what_we_sign():
    """So does the code shown for Stripe, and Stripe's own library; an old time is refused (H10)."""
    is_genuine = run(marked(HOW_TO / "handlers.md", "run verify-stripe"))["is_genuine"]
    body = b'{"id": "evt_1", "object": "event", "type": "charge.refunded"}'
    signed = stripe_signature.sign(event("charge.refunded", body), SECRET, datetime.now(UTC))
    headers = {name.lower(): value for name, value in signed.items()}
    assert is_genuine(SECRET, body, headers)
    assert not is_genuine("other_dummy", body, headers)
    assert stripe.Webhook.construct_event(body, headers["stripe-signature"], SECRET)["id"] == "evt_1"
    old = stripe_signature.sign(event(body=body), SECRET, datetime.fromtimestamp(time.time() - 400, UTC))
    assert not is_genuine(SECRET, body, {"stripe-signature": old["Stripe-Signature"]})


def test_the_apps_own_record_answers(tmp_path, monkeypatch):
    """The callable of the first-contact guide returns those of the keys that the app handled."""
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("app.db") as app:
        app.execute("create table orders (id integer primary key, cancelled integer)")
        app.execute("insert into orders values (1, 0), (2, 1)")
    recorded = run(marked(HOW_TO / "first-contact.md", "run recorded"))["recorded"]
    asked = ["orders/create:1", "orders/cancelled:1", "orders/cancelled:2", "orders/create:3"]
    assert recorded(asked) == ["orders/create:1", "orders/cancelled:2"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A configuration that `reconcile.receive` finds."""
    (tmp_path / "schedules.yaml").write_text(
        f"ledger: sqlite:///reconcile.db\n{SOURCE}{WEBHOOK}    handler: acme:handlers\n"
    )
    monkeypatch.setenv("RECONCILE_CONFIG", str(tmp_path / "schedules.yaml"))
    mounted._process.forget()
    yield tmp_path
    if mounted._process._made is not None:
        mounted._process._made._ledger.close()
    mounted._process.forget()


def delivery(secret=SECRET):
    return {
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Webhook-Id": "delivery-1",
        "X-Shopify-Hmac-Sha256": shopify.digest(secret, BODY).decode(),
    }


@pytest.mark.parametrize(("secret", "status"), [(SECRET, "200 OK"), ("other_dummy", "401 Unauthorized")])
def test_any_wsgi_server_can_receive(project, secret, status):
    """The WSGI application of the guide hands the request on and answers what it is told."""
    app = run(marked(HOW_TO / "receive-in-your-app.md", "run wsgi"))["app"]
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in delivery(secret).items()}
    environ |= {"PATH_INFO": "/webhooks/acme-shop", "CONTENT_LENGTH": str(len(BODY)), "wsgi.input": io.BytesIO(BODY)}
    answered = []
    app(environ, lambda *answer: answered.append(answer))
    assert answered[0][0] == status


def test_the_receiver_can_be_mounted(project, monkeypatch):
    """The ASGI application of the guide takes a delivery below its path."""
    made = []
    monkeypatch.setattr(mounted, "receiver", lambda make=mounted.receiver: made.append(make()) or made[0])
    hooks = run(marked(HOW_TO / "receive-in-your-app.md", "run mount"))["hooks"]

    async def post():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(hooks), base_url="http://test") as client:
            return await client.post("/webhooks/acme-shop", content=BODY, headers=delivery())

    assert asyncio.run(post()).status_code == 200
    made[0]._ledger.close()
