"""Runs of the command line that are killed on their way, and what must hold after one that is not.

A `Forker` is a process that has imported everything and forks for each command: the program's own `main` in a process
of its own, without a second of imports. `execute` starts the installed executable instead.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import text

from reconcile import config, failpoints, runner
from reconcile.clock import Stop, SystemClock
from reconcile.context import Context, Options
from reconcile.ledger import Ledger
from reconcile.ledger.integrity import problems
from reconcile.report import RunReport
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.fake import Fake, Handle
from reconcile.sandbox.server import serve
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe
from reconcile.targets.inprocess import InProcessTarget
from reconcile.targets.loading import load_handler
from support.cli import EXECUTABLE

PAGE = "1"  # entries of a page: a provider may show fewer than asked for
CONFIG = """\
ledger: ${LEDGER}
sources:
  shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    base_url: SHOP
    retry: [1s, 1s]
    http: {rate: 1000/s}
    webhook: {secret: whsec_dummy_hush, topics: [orders/create, orders/updated]}
    handler: crash_app:handlers
    transactions: []
  pay:
    connector: stripe
    api_key: sk_test_dummy
    base_url: PAY
    retry: [1s, 1s]
    http: {rate: 1000/s}
    webhook: {secret: whsec_dummy_hush, topics: [payment_intent.succeeded]}
    handler: crash_app:handlers
    transactions: []
"""
APP = """\
from sqlalchemy import text
from reconcile import Handlers

handlers = Handlers()

@handlers.on("*")
def take(event, session):
    row = {"what": f"{event.source} {event.topic} {event.subject.id}"}
    session.connection().execute(text("insert into app_effect (what) values (:what)"), row)
"""
FORKER = """
    import json, os, sys
    from reconcile import failpoints
    from reconcile.cli import main
    import connectors.shopify, connectors.stripe, jobs.backfill, jobs.dispatch, psycopg, reconcile.cli.entry
    import reconcile.ledger.effects, reconcile.targets.factory
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            os.environ.update(asked["environment"])
            failpoints._plan.update(failpoints._parse(os.environ[failpoints.ENVIRONMENT]))
            output = os.open(asked["output"], os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
            os.dup2(output, 1); os.dup2(output, 2)
            code = 70
            try:
                code = main(asked["words"])
            finally:
                sys.stdout.flush()
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
Execute = Callable[[Sequence[str], Mapping[str, str], Path], int]


@contextmanager
def forker() -> Iterator[Execute]:
    """A way to run the command line: words, environment, a file for what it says; the exit code, -9 if killed."""
    code = textwrap.dedent(FORKER)
    environment = {**os.environ, failpoints.ENVIRONMENT: ""}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True, env=environment) as process:

        def run(words: Sequence[str], environment: Mapping[str, str], output: Path) -> int:
            asked = {"words": list(words), "environment": dict(environment), "output": str(output)}
            print(json.dumps(asked), file=process.stdin, flush=True)
            return int(process.stdout.readline())

        yield run
        process.stdin.close()


def execute(words: Sequence[str], environment: Mapping[str, str], output: Path) -> int:
    """The same with the installed executable."""
    with output.open("wb") as file:
        done = subprocess.run(
            [EXECUTABLE, *words], env={**os.environ, **environment}, stdout=file, stderr=file, check=False, timeout=90
        )
    return done.returncode


def _small(fake: Fake) -> Handle:
    """The fake, with pages of `PAGE` entries whatever is asked for."""

    def handle(request: httpx.Request) -> httpx.Response:
        if ("limit" in request.url.params and "/v1/" not in request.url.path) or "created[gte]" in request.url.params:
            request.url = request.url.copy_set_param("limit", PAGE)
        return fake.handle(request)

    return handle


@dataclass
class World:
    """Two providers of a day and a half, and the folder of an application whose handler writes into the ledger."""

    folder: Path
    happened: Counter[str]
    since: str

    @property
    def path(self) -> Path:
        """The configuration."""
        return self.folder / "schedules.yaml"

    def words(self, *sources: str) -> list[str]:
        """A run over everything that happened at some sources, or all."""
        chosen = [word for source in sources for word in ("--source", source)]
        return ["--config", str(self.path), "run", "--since", self.since, "--json", *chosen]


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    """Three orders, one of them changed, and two payments: little, but two windows and several pages."""
    now = datetime.now(UTC).replace(microsecond=0)
    clock = SettableClock(now - timedelta(hours=36))
    shop = FakeShopify(clock=clock, throttle=False)
    stripe = FakeStripe(clock=clock, throttle=False)
    orders = []
    for hours in (1, 33, 1):
        orders.append(shop.create_order())
        clock.advance(hours * 3600)
        if len(orders) < 3:
            stripe.succeed(stripe.create_payment_intent())
    shop.update_order(orders[1], note="changed")
    clock.set(now)
    wanted = [f"shop orders/create {order}" for order in orders] + [f"shop orders/updated {orders[1]}"]
    wanted += [f"pay {one.topic} {one.subject_id}" for one in stripe.truth if one.topic == "payment_intent.succeeded"]
    with serve(_small(shop)) as shop_at, serve(_small(stripe)) as stripe_at:
        (folder / "schedules.yaml").write_text(CONFIG.replace("SHOP", shop_at.url).replace("PAY", stripe_at.url))
        (folder / "schedules.yaml").chmod(0o600)
        (folder / "crash_app.py").write_text(APP)
        yield World(folder, Counter(wanted), (now - timedelta(hours=37)).isoformat())


@dataclass
class Victim:
    """One ledger, on which a run is killed and others are not."""

    world: World
    url: str
    folder: Path
    sources: tuple[str, ...]

    @property
    def wanted(self) -> Counter[str]:
        """What the handlers must have done in the end, once each."""
        return Counter({what: 1 for what in self.world.happened if what.split()[0] in self.sources})

    def prepare(self) -> None:
        """Make the application's own table."""
        with self.open() as ledger, ledger.write() as tx:
            tx.connection.execute(text("create table app_effect (what text)"))

    @contextmanager
    def open(self) -> Iterator[Ledger]:
        """The ledger, from this process."""
        ledger = Ledger.open(self.url, SystemClock())
        yield ledger
        ledger.close()

    def crash(self, how: Execute, name: str, action: str) -> tuple[int, bool]:
        """Run until the failpoint acts: the exit code, and whether it was reached that often."""
        hits = self.folder / "hits"
        hits.mkdir()
        environment = {"LEDGER": self.url, failpoints.ENVIRONMENT: f"{name}={action}", failpoints.HITS: str(hits)}
        code = how(self.world.words(*self.sources), environment, self.folder / "said")
        file = hits / name
        return code, file.exists() and file.stat().st_size >= int(action.partition("@")[2])

    def recover(self) -> RunReport:
        """A run that nobody disturbs."""
        with self.open() as ledger:
            loaded = config.load(self.world.path, {"LEDGER": self.url})
            clock = SystemClock()

            def target(_context: Context, source: config.SourceConfig) -> InProcessTarget:
                handler = load_handler(source.handler.ref, self.world.folder)
                return InProcessTarget(handler, clock, ledger.session)

            context = Context(loaded, ledger, clock, Stop(), lambda _source: None, target)
            report = runner.run(
                context, (), Options(since=datetime.fromisoformat(self.world.since), sources=self.sources), "test"
            )
            if report.bug:
                raise report.bug
            return report

    def effects(self) -> Counter[str]:
        """What the handlers did, how often."""
        with self.open() as ledger, ledger.read() as tx:
            return Counter(tx.connection.execute(text("select what from app_effect")).scalars())

    def problems(self) -> list[str]:
        """What is wrong with the ledger, which needs no repair after a crash (L3)."""
        with self.open() as ledger, ledger.read() as tx:
            return problems(tx)
