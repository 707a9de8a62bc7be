"""Left alone in production: real processes around a daemon, everything going wrong that it is there to set right."""

from __future__ import annotations

import contextlib
import itertools
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.cli import Project
from support.ledgers import sql

from reconcile.clock import SystemClock
from reconcile.model import TransactionStatus, instant
from reconcile.sandbox import mail
from reconcile.sandbox.fake import Fake
from reconcile.sandbox.gateway import FakeGateway
from reconcile.sandbox.gateway.shapes import XENDIT
from reconcile.sandbox.server import serve
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe

HOOKS = "https://hooks.acme.example/webhooks"
CONFIG = """\
ledger: "LEDGER"
defaults: {settle: 1s, overlap: 3s, retry: [1s, 1s, 2s, 3s]}
sources:
  shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    base_url: SHOP
    webhook: {url: "HOOKS/shop", secret: shpss_dummy, topics: [orders/create]}
    handler: acme:handlers
  payments:
    connector: stripe
    api_key: sk_test_dummy
    base_url: PAYMENTS
    webhook: {url: "HOOKS/payments", secret: whsec_dummy_of_old, topics: [payment_intent.succeeded]}
    handler: acme:handlers
  gate:
    connector: gateway
    base_url: GATE
    auth: {basic: "xnd_development_dummy:"}
    list:
      path: /transactions?types=PAYMENT
      items: /data
      filters: {updated_at_min: "updated[gte]", updated_at_max: "updated[lte]"}
      time: iso8601
      paging: {cursor: after_id, last: /id, more: /has_more, size: {limit: 50}}
    fields:
      id: /reference_id
      created_at: /created
      updated_at: /updated
      status: /status
      amount: /amount
      currency: /currency
    status: {path: "/transactions?types=PAYMENT", params: {reference_id: "{id}"}, item: /data/0}
    statuses: {PENDING: pending, SUCCESS: succeeded, SUCCEEDED: succeeded, FAILED: failed}
    topic: payment.{status}
    ladder: [1s, 1s, 2s]
    webhook:
      url: HOOKS/gate
      secret: token_dummy_of_the_gateway
      topics: [payment.succeeded]
      event: {topic: /event, item: /data}
      signature: {scheme: token, header: x-callback-token}
    handler: acme:handlers
schedules:
  - {job: subscriptions, every: 1s}
  - {job: backfill, every: 1s}
  - {job: status-checks, every: 1s}
  - {job: dispatch, every: 1s}
  - {job: alerts, every: 1s}
alerts:
  smtp: smtp://127.0.0.1:SMTP?tls=off
  from: reconcile@acme.example
  to: [ops@acme.example]
  third_parties: {gate: [support@gateway.example]}
  lag: 1000  # turns of a second each: a busy machine is no news here
  silence: {runs: 1000}
"""
HANDLERS = """\
from sqlalchemy import text
from reconcile import Handlers

handlers = Handlers()
EFFECT = text("insert into effects (topic, subject) values (:topic, :subject)")

@handlers.on("*")
def effect(event, session):
    session.execute(EFFECT, {"topic": event.topic, "subject": event.subject.id})
"""


@dataclass
class World:
    """The providers, the post, and a service whose daemon comes and goes."""

    project: Project
    ledger: str
    shop: FakeShopify
    stripe: FakeStripe
    gate: FakeGateway
    post: mail.Post
    process: subprocess.Popen[str] | None = None
    reader: threading.Thread = field(default_factory=threading.Thread)
    url: str = ""
    lost: int = 0
    said: list[str] = field(default_factory=list)

    @property
    def fakes(self) -> dict[str, Fake]:
        return {"shop": self.shop, "payments": self.stripe, "gate": self.gate}

    def start(self) -> None:
        """Start the daemon, and wait until it receives."""
        self.process = process = self.project.start("daemon", "--serve", "--port", "0")
        for line in process.stderr:
            self.said.append(line)
            if found := re.search(r"receiving at (http://\S+)/webhooks/", line):
                self.url = found[1]
            if "watching" in line:
                break
        assert self.url, self.said
        # Its pipe must not fill up.
        self.reader = threading.Thread(target=lambda: self.said.extend(process.stderr))
        self.reader.start()

    def end(self, number: int) -> int:
        """Send a signal, wait for the end; the exit code."""
        assert self.process
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        self.process = None
        return code

    def deliver(self, *, losing: int = 0) -> None:
        """Send what the providers owe; every `losing`-th delivery is lost on the way, and every one if nobody is up."""
        number = itertools.count(1)
        for name, fake in self.fakes.items():
            while fake.outbox:
                delivery = fake.outbox.popleft()
                if delivery.url != f"{HOOKS}/{name}" or not fake.owed(delivery):
                    continue
                delivery.attempts += 1
                if self.process is None or (losing and next(number) % losing == 0):
                    self.lost += 1
                    continue
                answer = httpx.post(
                    f"{self.url}/webhooks/{name}", headers=fake.headers_of(delivery), content=delivery.body, timeout=10
                )
                assert answer.status_code == 200, (name, answer.text)

    def happen(self, number: int) -> None:
        """So many orders and payments at each provider."""
        for _ in range(number):
            self.shop.pay_order(self.shop.create_order())
            self.stripe.succeed(self.stripe.create_payment_intent(1999))
            self.gate.become(self.gate.create(), TransactionStatus.SUCCEEDED)

    def truth(self) -> Counter[tuple[str, str]]:
        """What the handler must have been told, each once."""
        wanted = {"orders/create", "payment_intent.succeeded", "payment.succeeded"}
        return Counter(
            {
                (one.topic, one.subject_id): 1
                for fake in self.fakes.values()
                for one in fake.truth
                if one.topic in wanted
            }
        )

    def effects(self) -> Counter[tuple[str, str]]:
        return Counter((row[0], row[1]) for row in self.sql("select topic, subject from effects"))

    def sql(self, statement: str) -> list[Any]:
        return sql(self.ledger, statement)

    def mails_about(self, reference: str) -> dict[str, int]:
        """How many mails name a transaction, by recipient."""
        about = [one for one in self.post.received if reference in one.part("plain")]
        return dict(Counter(to for one in about for to in one.recipients))

    def followed(self) -> set[str]:
        return {row[0] for row in self.sql("select id from reconcile_transaction where source = 'gate'")}

    def promised_from(self) -> datetime:
        return instant(max(row[0] for row in self.sql("select at from reconcile_horizon")))

    def mutations(self) -> int:
        """Requests so far that would have changed something at a provider."""
        return sum(seen.method != "GET" for fake in self.fakes.values() for seen in fake.requests)


@contextlib.contextmanager
def world(folder: Path, ledger: str) -> Iterator[World]:
    """Everything but the daemon, which ends with it."""
    clock = SystemClock()
    shop = FakeShopify(clock=clock, webhook_secret="shpss_dummy", throttle=False)
    stripe = FakeStripe(clock=clock, throttle=False)
    gate = FakeGateway(XENDIT, clock=clock)
    gate.subscribe(f"{HOOKS}/gate", "token_dummy_of_the_gateway")
    with serve(shop) as one, serve(stripe) as two, serve(gate) as three, mail.serve() as post:
        text = CONFIG
        for name, value in (
            ("LEDGER", ledger),
            ("SHOP", one.url),
            ("PAYMENTS", two.url),
            ("GATE", three.url),
            ("HOOKS", HOOKS),
            ("SMTP", str(post.port)),
        ):
            text = re.sub(rf"\b{name}\b", value, text)
        (folder / "schedules.yaml").touch(mode=0o600)
        (folder / "schedules.yaml").write_text(text)
        (folder / "acme.py").write_text(HANDLERS)
        made = World(Project(folder), ledger, shop, stripe, gate, post)
        made.sql("create table effects (topic text, subject text)")
        try:
            yield made
        finally:
            if made.process is not None:
                made.end(signal.SIGKILL)


def wait_for(true: Callable[[], object], what: str, seconds: float = 40.0) -> None:
    """Wait for what other processes do."""
    until, pause = time.monotonic() + seconds, threading.Event()
    while not true():
        assert time.monotonic() < until, what
        pause.wait(0.1)


def wait_for_repair(it: World, when: str) -> None:
    """Wait until the handler was told of everything that happened, each once."""
    with contextlib.suppress(AssertionError):
        wait_for(lambda: it.effects() == it.truth(), when)
    left, more = it.truth() - it.effects(), it.effects() - it.truth()
    open_ = it.sql("select topic, subject_id, state, error from reconcile_event where state <> 'handled'")
    assert (left, more) == (Counter(), Counter()), (when, open_, it.said[-30:])


@pytest.mark.timeout(300)
def test_an_operator_can_leave_it_alone(tmp_path, sqlite_databases):
    """Every event is handled once, every subscription is as desired, every transaction has ended or is in two mails."""
    with sqlite_databases.fresh(tmp_path) as url, world(tmp_path, url) as it:
        live_and_end(it)


@pytest.mark.sweep
@pytest.mark.timeout(300)
def test_an_operator_can_leave_it_alone_with_postgresql(tmp_path, postgresql_databases):
    """The same with a ledger that several machines could share."""
    with postgresql_databases.fresh(tmp_path) as url, world(tmp_path, url) as it:
        live_and_end(it)


def live_and_end(it: World) -> None:
    """All that goes wrong, and what must come of it."""
    it.start()
    wait_for(lambda: list(it.shop.hooks) and it.stripe.endpoints.of("acct_main"), "subscriptions were not made")
    wait_for(lambda: it.promised_from() < datetime.now(UTC), "completeness is not promised yet")
    # Deliveries are lost; the new endpoint's secret, which nobody configured, is accepted.
    it.happen(4)
    it.deliver(losing=3)
    wait_for_repair(it, "after losses")
    # Subscriptions are deleted and disabled, and what happens meanwhile is never sent.
    for hook in list(it.shop.hooks):
        it.shop.hooks.remove(hook.id)
    it.stripe.endpoints.of("acct_main")[0].enabled = False
    it.happen(3)
    it.deliver()
    wait_for(lambda: list(it.shop.hooks), "the shop's subscription was not made again")
    wait_for(lambda: it.stripe.endpoints.of("acct_main")[0].enabled, "the endpoint was not enabled again")
    # Payments are pending; one ends in silence, one never does. The daemon dies in the midst of it all.
    quiet, stuck = it.gate.create(), it.gate.create("99.95")
    wait_for(lambda: {quiet, stuck} <= it.followed(), "not followed")
    it.happen(3)
    it.deliver(losing=2)
    assert it.end(signal.SIGKILL) == -signal.SIGKILL
    it.gate.become(quiet, TransactionStatus.SUCCEEDED)
    it.happen(2)
    it.deliver()
    it.start()
    wait_for_repair(it, "after the kill")
    wait_for(lambda: len(it.mails_about(stuck)) == 2, "nobody was written to about the payment that never ends")
    assert it.end(signal.SIGTERM) == 143
    assert it.lost > 5
    settled(it, quiet, stuck)
    before = (it.mutations(), len(it.post.received), it.effects())
    again = [it.project.json("run") for _ in range(2)][-1]
    assert (it.mutations(), len(it.post.received), it.effects()) == before
    assert again["returned"] == 3  # a person has to settle the one that never ends
    settled(it, quiet, stuck)


def settled(it: World, quiet: str, stuck: str) -> None:
    """What must be so in the end."""
    assert it.effects() == it.truth()
    assert [(hook.topic, hook.address) for hook in it.shop.hooks] == [("orders/create", f"{HOOKS}/shop")]
    (endpoint,) = it.stripe.endpoints.of("acct_main")
    assert (endpoint.url, endpoint.enabled, "payment_intent.succeeded" in endpoint.enabled_events) == (
        f"{HOOKS}/payments",
        True,
        True,
    )
    states = dict(it.sql("select id, state from reconcile_transaction"))
    assert (states[quiet], states[stuck]) == ("settled", "unresolved")
    assert "pending" not in states.values()
    assert it.mails_about(stuck) == {"ops@acme.example": 1, "support@gateway.example": 1}
    assert it.mails_about(quiet) == {}
