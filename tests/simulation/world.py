"""The world of one history: providers, networks, clocks, processes and the service, around production code."""

from __future__ import annotations

import atexit
import os
import random
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
from simulation.plans import START, Plan
from simulation.processes import Killed, Machines, Process
from simulation.service import TABLE, Service

from reconcile import failpoints, runner
from reconcile.clock import Stop, SystemClock
from reconcile.config import Config, SourceConfig, load
from reconcile.connector import Connector, connector_class
from reconcile.context import Context, Options
from reconcile.ledger import Ledger
from reconcile.ledger.engine import Engines, connect
from reconcile.reading import tiling
from reconcile.receiver import Receiver
from reconcile.report import RunReport
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.deliveries import Network, run_until
from reconcile.sandbox.faults import Faults
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe
from reconcile.targets.inprocess import InProcessTarget
from reconcile.targets.loading import LoadedHandler

#: The jobs whose doings the checker knows how to judge.
JOBS = frozenset({"backfill", "dispatch"})
#: Every list is asked for its largest page, but for Stripe's newest event, asked for alone.
_LIMIT = re.compile("limit=(250|100)(?![0-9])")
URL = "https://hooks.acme.example/"
_YAML = """
sources:
  shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    webhook: {url: https://hooks.acme.example/shop, secret: whsec_dummy_shop, topics: [orders/create]}
    handler: simulated:handler
    http: {rate: 1000/s, attempts: 3}
  pay:
    connector: stripe
    api_key: sk_test_dummy
    webhook: {url: https://hooks.acme.example/pay, secret: whsec_dummy_pay, topics: [charge.succeeded]}
    handler: simulated:handler
    http: {rate: 1000/s, attempts: 3}
"""


class Drifting:
    """Our own machine's clock: some seconds off from the provider's, and at times set right or wrong."""

    def __init__(self, base: SettableClock, offset: float) -> None:
        self._base = base
        self.offset = timedelta(seconds=offset)

    def now(self) -> datetime:
        """What our machine thinks."""
        return self._base.now() + self.offset

    def monotonic(self) -> float:
        """Never jumps."""
        return self._base.monotonic()

    def wait(self, seconds: float, stop: Stop | None = None) -> None:
        """Time passes for everyone."""
        self._base.wait(seconds, stop)


@dataclass(frozen=True)
class Place:
    """Where this process plays its histories, one after the other: a folder in memory, if there is one.

    A ledger commits durably, which is slow on disks; and its engine is made once, because SQLAlchemy would compile
    every statement anew for each.
    """

    folder: Path
    ledger: bytes
    config: Config
    engines: Engines

    @property
    def url(self) -> str:
        """Of the ledger."""
        return f"sqlite:///{self.folder / 'ledger.db'}"

    def clear(self) -> None:
        """An empty ledger, and nothing else."""
        self.engines.writer.dispose()
        for path in self.folder.iterdir():
            path.unlink()
        (self.folder / "ledger.db").write_bytes(self.ledger)


@cache
def place() -> Place:
    """This process's own."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder made in it is private
    folder = Path(tempfile.mkdtemp(prefix="reconcile-sim-", dir=memory if os.access(memory, os.W_OK) else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = f"sqlite:///{folder / 'ledger.db'}"
    ledger = Ledger.open(url, SystemClock())
    with ledger.write() as tx:
        tx.connection.exec_driver_sql(TABLE)
    ledger.close()
    (folder / "schedules.yaml").write_text(_YAML)
    return Place(folder, (folder / "ledger.db").read_bytes(), load(folder / "schedules.yaml", {}), connect(url))


class World:
    """Everything there is. `process` is the one that runs jobs, `web` the one that receives."""

    def __init__(self, plan: Plan) -> None:
        here = place()
        here.clear()
        self.plan = plan
        self.path = here.folder / "ledger.db"
        self.own = here.folder / "service.db"
        self.trace: list[str] = []
        self.base = SettableClock(START)
        self.clock = Drifting(self.base, plan.drift)
        self.config = _config(here.config, plan)
        own = sqlite3.connect(self.own, isolation_level=None)
        own.execute(TABLE)
        self.service = Service(plan.seed, own, plan.exactly_once, plan.trouble)
        self.machines = Machines(here.url, here.engines, self.clock)  # type: ignore[arg-type]
        self.fakes = self._fakes()
        self.faults = {name: Faults(fake) for name, fake in self.fakes.items()}
        self.networks = {name: self._network(name) for name in self.fakes}
        self.process = self.machines.start()
        self.web = self.machines.start()
        self.acting: list[Process] = []
        self.reached: Callable[[str], None] = lambda place: None
        self.edit: Callable[[httpx.Request, httpx.Response], httpx.Response] = lambda request, answer: answer
        self.interfere: Callable[[str], None] = lambda place: None
        self.accepted: list[tuple[str, Mapping[str, str], bytes]] = []
        self.requests: list[tuple[str, str, str]] = []
        self.baselined = -1

    def _fakes(self) -> dict[str, Any]:
        plan, lag = self.plan, (0.0, self.plan.lag) if self.plan.lag else 0.0
        fakes: dict[str, Any] = {}
        if "shop" in plan.sources:
            shop = fakes["shop"] = FakeShopify(
                clock=self.base,
                webhook_secret="whsec_dummy_shop",
                lag=lag,
                throttle=False,
                seed=plan.seed,
                versions=("2026-10",),
                keeps_webhook_id=plan.keeps_webhook_id,
                order_parameter=plan.seed % 2 == 0,
            )
            for topic in plan.subscribed["shop"]:
                shop.subscribe(topic, URL + "shop", app_specific=True)
        if "pay" in plan.sources:
            pay = fakes["pay"] = FakeStripe(clock=self.base, lag=lag, throttle=False, seed=plan.seed)
            if plan.subscribed["pay"]:
                endpoint = pay.subscribe(URL + "pay", plan.subscribed["pay"])
                endpoint.secrets[0].value = "whsec_dummy_pay"
        return fakes

    def _network(self, name: str) -> Network:
        plan = self.plan
        return Network(
            self.fakes[name],
            self.base,
            lambda headers, body: self.deliver(name, headers, body),
            seed=plan.seed,
            fates=plan.fates,
            delay=(0.0, plan.delay),
            held_back=300.0,
            outages=plan.outages,
            retries=plan.retries,
        )

    def say(self, text: str) -> None:
        """Note what happens, for whoever reads a failure."""
        self.trace.append(f"{self.base.now():%d %H:%M:%S.%f} {text}"[:400])

    def deliver(self, source: str, headers: Mapping[str, str], body: bytes) -> int:
        """A delivery reaches the receiver; 0 if it died over it."""
        receiver = Receiver(self.web.ledger, self._source, self.clock)
        self.acting.append(self.web)
        try:
            answer = receiver.receive(source, headers, body)
        except Killed as killed:
            if killed.victim is not self.web:
                raise
            self.machines.bury(self.web)
            self.web = self.machines.start()
            self.say(f"{source}: the receiver was killed")
            return 0
        finally:
            self.acting.pop()
        topic = headers.get("X-Shopify-Topic", "")
        self.say(f"{source}: delivered {topic} {headers.get('X-Shopify-Webhook-Id', '')[:8]} → {answer}")
        if answer.status == 200:
            self.accepted.append((source, dict(headers), body))
        return answer.status

    def _source(self, name: str) -> tuple[SourceConfig, Connector] | None:
        source = self.config.sources.get(name)
        return None if source is None else (source, connector_class(source.connector)(source.settings))

    def run(self, process: Process, jobs: Sequence[str], options: Options) -> RunReport:
        """One run of production code, in the name of `process`; `Killed` if it dies over it."""
        context = Context(
            config=self.config,
            ledger=process.ledger,
            clock=self.clock,
            stop=Stop(),
            transports=lambda source: httpx.MockTransport(lambda request: self._answer(process, source.name, request)),
            targets=lambda context, source: InProcessTarget(
                LoadedHandler(self.service.handler), self.clock, context.ledger.session
            ),
            holder=process.holder,
            threads=0,
        )
        self.acting.append(process)
        try:
            report = runner.run(context, jobs, options, "simulation")
        finally:
            self.acting.pop()
        if report.bug is not None:
            raise report.bug
        return report

    def _answer(self, process: Process, source: str, request: httpx.Request) -> httpx.Response:
        """The provider answers in pages no larger than the history's; the world goes on before and after."""
        if process.dead:
            raise Killed(process)
        self.requests.append((source, request.method, str(request.url)))
        url = _LIMIT.sub(lambda limit: f"limit={min(int(limit[1]), self.plan.page)}", str(request.url))
        request = httpx.Request(request.method, url, headers=request.headers, content=request.content)
        self.interfere("asked")
        answer = self.edit(request, self.faults[source].handle(request))
        self.interfere("answered")
        return answer

    def close(self) -> None:
        """Let go of the service's own database."""
        self.service.own.close()

    def pass_time(self, seconds: float) -> None:
        """Let time pass; deliveries are attempted as they come due."""
        run_until(self.base.now() + timedelta(seconds=seconds), self.base, list(self.networks.values()))

    def pump(self) -> None:
        """Make every delivery that is due now."""
        for network in self.networks.values():
            network.pump()

    def reach(self, place: str) -> None:
        """Production code is at a failpoint."""
        self.reached(place)

    def installed(self) -> ExitStack:
        """Everything that is put into production code's seams, until the stack is closed."""
        stack = ExitStack()
        random.seed(self.plan.seed)  # the only dice production code throws: how long it backs off
        stack.enter_context(self.machines.watched())
        stack.enter_context(mock.patch.object(failpoints, "hook", self.reach))
        stack.enter_context(mock.patch.object(tiling, "FIRST", self.plan.first_window))
        stack.enter_context(mock.patch.object(tiling, "PAGES_PER_WINDOW", 2))
        stack.enter_context(mock.patch.object(runner, "entry_points", _entry_points))
        return stack


@cache
def _entry_points(group: str) -> Any:
    """Reading what is installed costs more than a run does."""
    return [point for point in entry_points(group=group) if point.name in JOBS]


def _config(config: Config, plan: Plan) -> Config:
    sources = {}
    for name in plan.sources:
        source = config.sources[name]
        assert source.webhook is not None
        sources[name] = source.model_copy(
            update={
                "settle": plan.settle,
                "overlap": plan.overlap,
                "valve": plan.valve,
                "retry": plan.retry,
                "webhook": source.webhook.model_copy(update={"topics": plan.topics[name]}),
            }
        )
    return config.model_copy(update={"sources": sources})
