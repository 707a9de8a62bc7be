"""A service between two fake providers, everything real but the providers: executables, HTTP, database, kill -9."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from reconcile.clock import SystemClock
from reconcile.model import micros
from reconcile.sandbox.faults import Faults
from reconcile.sandbox.seeds import Dice
from reconcile.sandbox.server import serve
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe
from reconcile.sandbox.truth import Delivery
from support.cli import EXECUTABLE
from support.ledgers import sql

ORDER_TOPICS = ("orders/create", "orders/updated", "orders/cancelled")
SHOP_TOPICS = (*ORDER_TOPICS, "refunds/create")
PAYMENT_TOPICS = ("payment_intent.succeeded", "payment_intent.payment_failed", "charge.refunded")
CONFIG = """\
ledger: "LEDGER"
defaults: {retry: [1s, 1s, 2s, 3s]}
sources:
  shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    base_url: SHOP_ORIGIN
    webhook: {url: "https://hooks.acme.example/webhooks/shop", secret: shpss_dummy, topics: [SHOP_TOPICS]}
    handler: acme:handlers
  payments:
    connector: stripe
    api_key: sk_test_dummy
    base_url: PAYMENTS_ORIGIN
    webhook:
      url: https://hooks.acme.example/webhooks/payments
      secret: PAYMENTS_SECRET
      topics: [PAYMENT_TOPICS]
    handler: acme:handlers
"""
HANDLERS = """\
from sqlalchemy import text
from reconcile import Handlers

handlers = Handlers()
EFFECT = text("insert into effects (topic, subject, version) values (:topic, :subject, :version)")

@handlers.on("*")
def effect(event, session):
    session.execute(EFFECT, {"topic": event.topic, "subject": str(event.data["id"]), "version": event.version})
"""


class ShiftedClock(SystemClock):
    """The machine's clock, ahead of it or behind by as much as it was moved."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return super().now() + self._ahead

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead.total_seconds()

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    def catch_up(self) -> None:
        """Join the machine's clock."""
        self._ahead = timedelta()


@dataclass
class Providers:
    """Both fakes and their clock. Ties are ordinary: things happen in bursts of one second."""

    clock: ShiftedClock
    shop: FakeShopify
    stripe: FakeStripe
    dice: Dice

    @classmethod
    def made(cls, seed: int) -> Providers:
        clock = ShiftedClock(timedelta(hours=-6))
        shop = FakeShopify(clock=clock, webhook_secret="shpss_dummy", plan="plus", seed=seed, lag=(0.0, 2.0))
        stripe = FakeStripe(clock=clock, seed=seed, livemode=True, lag=(0.0, 2.0))
        for topic in SHOP_TOPICS:
            shop.subscribe(topic, "https://hooks.acme.example/webhooks/shop")
        stripe.subscribe("https://hooks.acme.example/webhooks/payments", PAYMENT_TOPICS)
        return cls(clock, shop, stripe, Dice(seed))

    @property
    def secret(self) -> str:
        return self.stripe.endpoints.of("acct_main")[0].secret

    def live_through(self, orders: int) -> None:
        """Let `orders` orders and as many payments happen, in bursts, and much of what may follow."""
        placed: list[int] = []
        charges: list[str] = []
        for number in range(orders):
            if number % 40 == 0:
                self.clock.advance(60)
            placed.append(self.shop.create_order())
            charges.append(self._payment(number))
        for order in self.dice.sample(placed, orders // 3):
            self.clock.advance(self.dice.choice((0, 0, 5)))
            self.shop.update_order(order, note="changed")
        cancelled = self.dice.sample(placed, orders // 10)
        for order in cancelled:
            self.clock.advance(2)
            self.shop.cancel_order(order)
        standing = [order for order in placed if order not in cancelled]  # nobody refunds what was never paid
        for order, charge in zip(self.dice.sample(standing, 20), self.dice.sample(charges, 20), strict=True):
            self.clock.advance(2)
            self.shop.refund_order(order, 100)
            self.stripe.refund(charge, 100)

    def _payment(self, number: int) -> str:
        intent = self.stripe.create_payment_intent(1000 + number)
        if number % 15 == 0:
            self.stripe.fail(intent)
        return self.stripe.succeed(intent)

    def owed(self) -> list[tuple[str, Delivery]]:
        """Every delivery not yet on its way, as (source, delivery)."""
        found = []
        for source, fake in (("shop", self.shop), ("payments", self.stripe)):
            while fake.outbox:
                found.append((source, fake.outbox.popleft()))
        return found

    def mutations(self) -> int:
        """Requests so far that would have changed something at a provider."""
        return sum(seen.method != "GET" for fake in (self.shop, self.stripe) for seen in fake.requests)


@dataclass
class Service:
    """The service's folder, its processes and its effects."""

    folder: Path
    ledger: str
    providers: Providers
    port: int
    server: subprocess.Popen[bytes] | None = None
    refused: list[tuple[str, Delivery]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], **more}

    def command(self, *words: str) -> list[str]:
        return [str(EXECUTABLE), "--config", str(self.folder / "schedules.yaml"), *words]

    def start_server(self) -> None:
        """Start `reconcile serve`, and wait until it listens."""
        log = (self.folder / "serve.log").open("ab")
        command = self.command("serve", "--port", str(self.port))
        self.server = subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log)
        log.close()
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.server.wait(timeout=0.05)
                raise AssertionError(f"serve ended with {code}: {(self.folder / 'serve.log').read_text()}")

    def kill_server(self) -> None:
        """Kill -9, in the middle of whatever it does."""
        assert self.server is not None
        self.server.kill()
        self.server.wait()

    def stop_server(self) -> int:
        """SIGTERM; its exit code."""
        assert self.server is not None
        self.server.send_signal(signal.SIGTERM)
        return self.server.wait(timeout=20)

    def start_run(self, *words: str, failpoints: str = "") -> subprocess.Popen[str]:
        """`reconcile run`, started; `failpoints` say where it is to be killed."""
        command = self.command("run", "--json", *words)
        environment = self.environment(RECONCILE_FAILPOINTS=failpoints)
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def run(self, *words: str) -> dict[str, Any]:
        """`reconcile run` to its end: its report."""
        out, _ = self.start_run(*words).communicate(timeout=100)
        report: dict[str, Any] = json.loads(out)
        return report

    def deliver(
        self, deliveries: Sequence[tuple[str, Delivery]], each: Callable[[int], object] = lambda _: None
    ) -> None:
        """POST deliveries, some at a time; `each` is told how many went before. What was not taken is `refused`."""
        with httpx.Client(timeout=10, trust_env=False) as client, ThreadPoolExecutor(4) as pool:
            for _ in pool.map(lambda one: self._post(client, *one[1], each, one[0]), enumerate(deliveries)):
                pass

    def _post(
        self, client: httpx.Client, source: str, delivery: Delivery, each: Callable[[int], object], number: int
    ) -> None:
        each(number)
        fake = self.providers.shop if source == "shop" else self.providers.stripe
        delivery.attempts += 1
        url = f"http://127.0.0.1:{self.port}/webhooks/{source}"
        try:
            status = client.post(url, headers=fake.headers_of(delivery), content=delivery.body).status_code
        except httpx.TransportError:
            status = 0
        assert status in {0, 200, 503}, status
        if status != 200:
            with self._lock:
                self.refused.append((source, delivery))

    def take_refused(self) -> list[tuple[str, Delivery]]:
        """What the provider knows it has to send again."""
        found, self.refused = self.refused, []
        return found

    def effects(self) -> list[tuple[str, str, int | None]]:
        """What the handlers did, as (topic, subject, version)."""
        return [(row[0], row[1], row[2]) for row in sql(self.ledger, "select topic, subject, version from effects")]

    def create_table(self) -> None:
        sql(self.ledger, "create table effects (topic text, subject text, version bigint)")


@contextlib.contextmanager
def service(folder: Path, ledger: str, providers: Providers) -> Iterator[tuple[Service, Faults, Faults]]:
    """A service configured for both providers, served over HTTP, and the faults around each; all processes end."""
    shop, stripe = Faults(providers.shop), Faults(providers.stripe)
    with serve(shop) as shop_server, serve(stripe) as stripe_server:
        text = CONFIG
        for name, value in (
            ("LEDGER", ledger),
            ("SHOP_ORIGIN", shop_server.url),
            ("PAYMENTS_ORIGIN", stripe_server.url),
            ("PAYMENTS_SECRET", providers.secret),
            ("SHOP_TOPICS", ", ".join(SHOP_TOPICS)),
            ("PAYMENT_TOPICS", ", ".join(PAYMENT_TOPICS)),
        ):
            text = text.replace(name, value)
        (folder / "schedules.yaml").touch(mode=0o600)
        (folder / "schedules.yaml").write_text(text)
        (folder / "acme.py").write_text(HANDLERS)
        made = Service(folder, ledger, providers, _free_port())
        made.create_table()
        try:
            yield made, shop, stripe
        finally:
            if made.server is not None:
                made.kill_server()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Order(msgspec.Struct):
    updated_at: datetime


def differences(providers: Providers, effects: Sequence[tuple[str, str, int | None]]) -> dict[str, object]:
    """How the effects differ from what happened: each event once; of an order's states the newest, none twice."""
    happened = {
        *((one.topic, one.subject_id) for one in providers.shop.truth if one.topic in SHOP_TOPICS),
        *((one.topic, one.event_id) for one in providers.stripe.truth if one.topic in PAYMENT_TOPICS),
    }
    events = {one for one in happened if one[0] != "orders/updated"}
    seen = Counter((topic, subject) for topic, subject, _ in effects if topic != "orders/updated")
    states = Counter(one for one in effects if one[0] == "orders/updated")
    return {
        name: found
        for name, found in (
            ("missing", events - seen.keys()),
            ("invented", seen.keys() - events),
            ("repeated", {one for one, number in (seen + states).items() if number > 1}),
            (
                "old",
                _newest(providers)
                - {(subject, version) for topic, subject, version in effects if topic in ORDER_TOPICS},
            ),
        )
        if found
    }


def _newest(providers: Providers) -> set[tuple[str, int | None]]:
    states: dict[str, int | None] = {}
    for one in providers.shop.truth:
        if one.topic in ORDER_TOPICS:
            states[one.subject_id] = micros(msgspec.json.decode(one.body, type=_Order).updated_at)
    return set(states.items())
