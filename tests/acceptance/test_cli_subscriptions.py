"""`reconcile subscriptions` with the installed executable, against providers on loopback."""

from __future__ import annotations

import json
import stat
from base64 import b64encode
from datetime import UTC, datetime

import httpx
import pytest
from support.cli import SOURCE, shop
from support.serving import serving

from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.server import serve
from reconcile.sandbox.stripe import FakeStripe

PAY = """\
ledger: sqlite:///reconcile.db
sources:
  pay:
    connector: stripe
    api_key: sk_test_dummycanary7f3a
    base_url: BASE_URL
    webhook:
      url: https://hooks.acme.example/webhooks/pay
      secret: whsec_dummy_hush
      topics: [payment_intent.succeeded]
    handler: acme:handlers
"""
HANDLER = """\
from pathlib import Path
from reconcile import Handlers

handlers = Handlers()

@handlers.on("*")
def take(event):
    with Path(__file__).with_name("effects").open("a") as effects:
        effects.write(f"{event.topic} {event.subject.id}\\n")
"""


def test_plan_apply_and_list(project):
    """A plan says what it would do and does nothing (S5), apply does it, and then there is nothing to do."""
    with shop(project, orders=0) as fake:
        planned = project.run("subscriptions", "plan")
        assert planned.returncode == 3, planned.stderr
        assert "  + orders/create   missing        will be created" in planned.stdout
        assert "2 to mend, 0 to delete, 0 for you to mend; `reconcile subscriptions apply` does it" in planned.stdout
        assert {seen.method for seen in fake.requests} == {"GET"}
        assert project.json("subscriptions", "plan")["subscriptions"][0]["action"] == "created"
        applied = project.json("subscriptions", "apply")
        assert applied["returned"] == 0
        assert [(row["found"], row["action"]) for row in applied["subscriptions"]] == [("missing", "created")] * 2
        again = project.run("subscriptions", "plan")
        assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "nothing to do")
        listed = project.json("subscriptions", "list")
        assert [(row["whose"], row["enabled"]) for row in listed["subscriptions"]] == [("ours", True)] * 2


def test_a_deleted_subscription_is_made_again_and_what_was_lost_is_delivered(project):
    """`run subscriptions` alone is enough: the repaired source is backfilled and its handler called."""
    with shop(project, orders=0) as fake:
        assert project.run("run").returncode == 0
        fake.hooks.remove(next(hook.id for hook in fake.hooks if hook.topic == "orders/create"))
        fake.clock.advance(60)
        lost = fake.create_order()
        fake.clock.advance(600)
        done = project.json("run", "subscriptions")
        assert done["returned"] == 0, done
        assert {row["topic"]: row["action"] for row in done["subscriptions"]}["orders/create"] == "created"
        assert f"orders/create {lost}" in project.effects()
        assert sorted(hook.topic for hook in fake.hooks) == ["orders/create", "orders/updated"]


@pytest.mark.parametrize("key", ["", b64encode(b"k" * 32).decode()], ids=["file", "ledger"])
def test_a_receiver_that_runs_accepts_the_secret_another_process_got(project, key):
    """S4, X1: kept before the endpoint counts, found by a receiver that was there before, and shown nowhere."""
    fake = FakeStripe(clock=SettableClock(datetime.now(UTC)), api_key="sk_test_dummycanary7f3a", throttle=False)
    project.environment["RECONCILE_KEY"] = key
    with serve(fake) as served:
        project.configure(PAY.replace("BASE_URL", served.url), HANDLER)
        with serving(project) as running:
            applied = project.run("--log-format", "json", "subscriptions", "apply", "--json")
            (endpoint,) = fake.endpoints.of(fake.main_account)
            fake.succeed(fake.create_payment_intent())
            (sent,) = [one for one in fake.outbox if fake.owed(one)]
            answer = httpx.post(f"{running.url}pay", content=sent.body, headers=fake.headers_of(sent))
            assert answer.status_code == 200, answer.text
            forged = httpx.post(f"{running.url}pay", content=sent.body, headers={"Stripe-Signature": "t=1,v1=00"})
            assert forged.status_code == 401
            running.stop()
        listed = project.run("subscriptions", "list")
        checked = project.run("check")
    assert applied.returncode == 0, applied.stderr
    assert json.loads(applied.stdout)["subscriptions"][0]["action"] == "created"
    for done in (applied, listed, checked):
        assert endpoint.secret not in done.stdout + done.stderr
    holding = [
        path for path in project.folder.iterdir() if path.is_file() and endpoint.secret.encode() in path.read_bytes()
    ]
    assert [(path.name, stat.S_IMODE(path.stat().st_mode)) for path in holding] == (
        [] if key else [("reconcile.db.pay.secrets", 0o600)]
    )


def test_a_bad_key_is_a_configuration_error(project, monkeypatch):
    """Exit 2 before anything is asked of a provider, and the value is not shown (X1)."""
    monkeypatch.setenv("RECONCILE_KEY", "hunter2-dummy")
    with shop(project, orders=0) as fake:
        done = project.call("subscriptions", "apply")
    assert (done.returncode, fake.requests) == (2, [])
    assert "$RECONCILE_KEY: must be 32 bytes in base64" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_check_points_to_the_plan(project):
    """What `check` sees of subscriptions is what the plan would mend."""
    with shop(project, orders=0) as fake:
        fake.subscribe("orders/create", "https://hooks.acme.example/webhooks/acme-shop")
        done = project.call("check")
    assert "the provider sends no orders/updated to https://hooks.acme.example/webhooks/acme-shop" in done.stdout
    assert f"`reconcile subscriptions plan --source {SOURCE}`" in done.stdout
