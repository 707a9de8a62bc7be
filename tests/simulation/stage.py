"""What every world has: providers behind faults, networks, processes that die, a service; around production code."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import cache
from importlib.metadata import entry_points
from typing import Any
from unittest import mock

import httpx
from simulation.place import Drifting, Place
from simulation.processes import Killed, Machines, Process
from simulation.service import TABLE, Service

from reconcile import failpoints, runner
from reconcile.clock import Stop
from reconcile.config import Config, SourceConfig
from reconcile.connector import Connector
from reconcile.connector.finding import connector_class
from reconcile.context import Context, Options
from reconcile.receiver import Receiver
from reconcile.report import RunReport
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.deliveries import Network, run_until
from reconcile.sandbox.faults import Faults
from reconcile.targets.inprocess import InProcessTarget
from reconcile.targets.loading import LoadedHandler


class Stage:
    """Everything there is. `process` is the one that runs jobs, `web` the one that receives.

    A kind of world says which `jobs` there are, and makes its own `fakes`, each with a network.
    """

    jobs: frozenset[str] = frozenset()

    def __init__(self, here: Place, config: Config, plan: Any, start: datetime) -> None:
        here.clear()
        self.plan = plan
        self.path = here.folder / "ledger.db"
        self.own = here.folder / "service.db"
        self.trace: list[str] = []
        self.base = SettableClock(start)
        self.clock = Drifting(self.base, plan.drift)
        self.config = config
        own = sqlite3.connect(self.own, isolation_level=None)
        own.execute(TABLE)
        self.service = Service(plan.seed, own, plan.exactly_once, plan.trouble)
        self.machines = Machines(here.url, here.engines, self.clock)
        self.fakes = self._fakes()
        self.faults = {name: Faults(fake) for name, fake in self.fakes.items()}
        self.networks = {name: self._network(name) for name in self.fakes}
        self.process = self.machines.start()
        self.web = self.machines.start()
        self.acting: list[Process] = []
        self.reached: Callable[[str], None] = lambda place: None
        self.interfere: Callable[[str], None] = lambda place: None
        self.accepted: list[tuple[str, Mapping[str, str], bytes]] = []
        self.requests: list[tuple[str, str, str]] = []

    def _fakes(self) -> dict[str, Any]:
        raise NotImplementedError

    def _line(self, name: str) -> dict[str, Any]:
        """What is peculiar to the network between one provider and us."""
        raise NotImplementedError

    def _network(self, name: str) -> Network:
        return Network(
            self.fakes[name],
            self.base,
            lambda headers, body: self.deliver(name, headers, body),
            seed=self.plan.seed,
            fates=self.plan.fates,
            delay=(0.0, self.plan.delay),
            **self._line(name),
        )

    def say(self, text: str) -> None:
        """Note what happens, for whoever reads a failure."""
        self.trace.append(f"{self.base.now():%d %H:%M:%S.%f} {text}"[:400])

    def deliver(self, source: str, headers: Mapping[str, str], body: bytes) -> int:
        """A delivery reaches the receiver; 0 if it died over it."""
        receiver = self._receiver()
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

    def replace(self, killed: Killed, dice: random.Random) -> None:
        """Another process takes the place of the one that ran, at times elsewhere; where nobody can tell that the first
        is gone, its leases have to run out.
        """
        if killed.victim is not self.process:
            raise RuntimeError("somebody else's death ended this run") from killed
        self.machines.bury(self.process)
        here = dice.random() < 0.7
        self.process = self.machines.start(here=here)
        if not here or killed.victim.holder.host == "elsewhere":
            self.pass_time(31)

    def _receiver(self) -> Receiver:
        return Receiver(self.web.ledger, self._source, self.clock)

    def _source(self, name: str) -> tuple[SourceConfig, Connector] | None:
        source = self.config.sources.get(name)
        return None if source is None else (source, connector_class(source.connector)(source.settings))

    def run(self, process: Process, jobs: Sequence[str], options: Options) -> RunReport:
        """One run of production code, in the name of `process`; `Killed` if it dies over it."""
        self.acting.append(process)
        try:
            report = runner.run(self._context(process), jobs, options, "simulation")
        finally:
            self.acting.pop()
        if report.bug is not None:
            raise report.bug
        return report

    def _context(self, process: Process) -> Context:
        return Context(
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

    def _answer(self, process: Process, source: str, request: httpx.Request) -> httpx.Response:
        """The provider answers; the world goes on before and after."""
        if process.dead:
            raise Killed(process)
        self.requests.append((source, request.method, str(request.url)))
        asked = self._asked(request)
        self.interfere("asked")
        answer = self._answered(asked, self.faults[source].handle(asked))
        self.interfere("answered")
        return answer

    def _asked(self, request: httpx.Request) -> httpx.Request:
        return request

    def _answered(self, request: httpx.Request, answer: httpx.Response) -> httpx.Response:
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
        stack.enter_context(mock.patch.object(runner, "entry_points", lambda group: _entry_points(group, self.jobs)))
        return stack


@cache
def _entry_points(group: str, jobs: frozenset[str]) -> Any:
    """Reading what is installed costs more than a run does."""
    return [point for point in entry_points(group=group) if point.name in jobs]
