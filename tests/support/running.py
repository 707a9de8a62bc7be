"""Whole runs in one process: sources at fake providers with scripted faults, a handler that remembers, one ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from reconcile import config, failpoints, inbox, runner
from reconcile.book import Book
from reconcile.clock import Stop
from reconcile.context import Context, Options
from reconcile.ledger import Ledger
from reconcile.ledger.tables import events
from reconcile.metrics import Metrics, Unmeasured
from reconcile.model import Arrival, Event, EventState
from reconcile.report import RunReport
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.fake import Fake
from reconcile.sandbox.faults import Faults
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe
from reconcile.targets.inprocess import InProcessTarget
from reconcile.targets.loading import LoadedHandler

#: Whatever a run says must not hold it.
CANARY = "shpat_dummy_canary_7f3a"
STRIPE_CANARY = "sk_test_dummycanary7f3a"
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
SHOP = """\
  {name}:
    connector: shopify
    shop: {name}.myshopify.com
    access_token: {canary}
    settle: 2m
    overlap: 1h
    retry: [10s, 1m]
    webhook: {{url: "https://hooks.example/{name}", secret: whsec_dummy_hush, topics: [{topics}]}}
    {more}
"""
STRIPE = """\
  {name}:
    connector: stripe
    api_key: {canary}
    settle: 2m
    overlap: 1h
    webhook: {{url: "https://hooks.example/{name}", secret: whsec_dummy_hush, topics: [{topics}]}}
    {more}
"""
TOPICS = "orders/create, orders/updated"


def a_shop(name: str, *, topics: str = TOPICS, more: str = "handler: app:take") -> str:
    """A Shopify source; the handler is given in process, whatever `app:take` says."""
    return SHOP.format(name=name, canary=CANARY, topics=topics, more=more)


def a_stripe(name: str, topics: str, *, more: str = "handler: app:take") -> str:
    """A Stripe source."""
    return STRIPE.format(name=name, canary=STRIPE_CANARY, topics=topics, more=more)


@dataclass
class Bench:
    """Sources, their fakes behind faults, and what the handler was given. `hosts` is every host a request went to."""

    folder: Path
    url: str
    clock: SettableClock
    text: str = ""
    faults: dict[str, Faults] = field(default_factory=dict)
    effects: list[tuple[str, str, str]] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    threads: int = 0
    stop: Stop = field(default_factory=Stop)
    refuses: Callable[[Event], bool] = lambda _event: False
    env: dict[str, str] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Unmeasured)

    def __post_init__(self) -> None:
        self.ledger = Ledger.open(self.url, self.clock)

    def add(self, name: str, source: str, fake: Fake) -> Faults:
        """Configure a source whose provider is `fake`."""
        self.text += source
        self.faults[name] = Faults(fake)
        return self.faults[name]

    def config(self) -> config.Config:
        """The configuration as written so far."""
        path = self.folder / "schedules.yaml"
        path.write_text(f"ledger: {self.url}\nsources:\n{self.text}")
        path.chmod(0o600)
        return config.load(path, self.env)

    def context(self) -> Context:
        """A context whose parts are all in this process."""
        return Context(
            self.config(),
            self.ledger,
            self.clock,
            self.stop,
            self._transport,
            self._target,
            threads=self.threads,
            metrics=self.metrics,
        )

    def _transport(self, source: config.SourceConfig) -> httpx.MockTransport:
        def handle(request: httpx.Request) -> httpx.Response:
            self.hosts.add(request.url.host)
            return self.faults[source.name].handle(request)

        return httpx.MockTransport(handle)

    def _target(self, _context: Context, source: config.SourceConfig) -> InProcessTarget:
        def take(event: Event) -> None:
            if self.refuses(event):
                raise ValueError("cannot take it")
            self.effects.append((source.name, event.topic, event.subject.id if event.subject else ""))

        return InProcessTarget(LoadedHandler(take), self.clock)

    def run(self, *jobs: str, since: timedelta | datetime | None = timedelta(days=1), **options: object) -> RunReport:
        """One run, every stream of which must add up (C2) and whose report must hold no secret (X1)."""
        start = self.clock.now() - since if isinstance(since, timedelta) else since
        report = runner.run(self.context(), jobs, Options(since=start, **options), "test")
        if report.bug is not None:
            raise report.bug
        for stream in report.streams:
            assert stream.adds_up(), stream
        said = json.dumps(report.as_json())
        assert CANARY not in said
        assert STRIPE_CANARY not in said
        assert "whsec_dummy_hush" not in said
        return report

    def handled(self, source: str, topic: str = "") -> Counter[str]:
        """How often the handler was given each subject of a source, of one topic or of all."""
        return Counter(id_ for name, of, id_ in self.effects if name == source and topic in ("", of))

    def recorded(self, source: str) -> list[tuple[str, str, str]]:
        """Every event of a source in the ledger: topic, subject, state; oldest first."""
        with self.ledger.read() as tx:
            rows = tx.connection.execute(events.select().where(events.c.source == source).order_by(events.c.seq)).all()
        return [(row.topic, row.subject_id, row.state) for row in rows]

    def close(self) -> None:
        """Let go of the ledger."""
        self.ledger.close()


@contextmanager
def a_bench(databases, folder: Path, start: datetime = NOON, **more: object) -> Iterator[Bench]:
    """A bench on a fresh ledger of one engine."""
    with databases.fresh(folder) as url:
        bench = Bench(folder, url, SettableClock(start), **more)
        try:
            yield bench
        finally:
            bench.close()


def add_shop(
    bench: Bench, name: str = "shop", *, topics: str = TOPICS, more: str = "handler: app:take", **facts
) -> FakeShopify:
    """A source at a fake shop of the same name; `facts` are the fake's."""
    given = {"clock": bench.clock, "access_token": CANARY, "throttle": False, **facts}
    fake = FakeShopify(shop=f"{name}.myshopify.com", **given)
    bench.add(name, a_shop(name, topics=topics, more=more), fake)
    return fake


def add_stripe(bench: Bench, topics: str, *, more: str = "handler: app:take", **facts) -> FakeStripe:
    """A source called `pay` at a fake Stripe; `facts` are the fake's."""
    given = {"clock": bench.clock, "api_key": STRIPE_CANARY, "throttle": False, **facts}
    fake = FakeStripe(**given)
    bench.add("pay", a_stripe("pay", topics, more=more), fake)
    return fake


def arrive(bench: Bench, source: str, arrival: Arrival, *, repeats_by_bytes: bool = False) -> None:
    """Record a delivery as the receiver does."""
    with bench.ledger.write() as tx:
        inbox.record(tx, Book(source, EventState.WAITING, repeats_by_bytes=repeats_by_bytes), [arrival])


@contextmanager
def at_failpoint(name: str, action: Callable[[], object], nth: int = 1) -> Iterator[list[str]]:
    """Do something the `nth` time the program reaches a named place; yields the names of all places reached."""
    reached: list[str] = []

    def hook(place: str) -> None:
        reached.append(place)
        if place == name and reached.count(name) == nth:
            action()

    failpoints.hook = hook
    try:
        yield reached
    finally:
        failpoints.hook = None


def stream_of(report: RunReport, source: str, stream: str = ""):
    """The report of one stream, the first of its source unless named."""
    return next(one for one in report.streams if one.source == source and stream in ("", one.stream))


def shop_of(bench: Bench) -> FakeShopify:
    """The fake behind the faults of the source `shop`."""
    fake = bench.faults["shop"].fake
    assert isinstance(fake, FakeShopify)
    return fake


def ids(bench: Bench) -> list[str]:
    """Every order created in the source `shop`, oldest first."""
    return [one.subject_id for one in shop_of(bench).truth if one.topic == "orders/create"]


def kinds(report: RunReport) -> list[str]:
    """The kinds of the gaps a report lists, sorted."""
    return sorted(gap.kind for gap in report.gaps)
