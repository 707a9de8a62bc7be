"""What every job is given: nothing here is reached for globally, so a whole history can be simulated in one process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx

from reconcile.alerts import smtp
from reconcile.clock import Clock, Stop
from reconcile.config import Config, SourceConfig
from reconcile.connector import Connector
from reconcile.connector.finding import connector_class
from reconcile.connector.hooks import pace_of, refresh_of
from reconcile.http import HttpLimits, ProviderClient, RateBudget
from reconcile.ledger import Ledger
from reconcile.ledger.leases import Holder
from reconcile.metrics import Metrics, Unmeasured
from reconcile.progress import Progress, Silent
from reconcile.targets.model import Target

Transports = Callable[[SourceConfig], httpx.BaseTransport | None]
Targets = Callable[["Context", SourceConfig], Target]


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line, resolved: instants are UTC. `scheduled`: by a timetable, not by hand."""

    since: datetime | None = None
    until: datetime | None = None
    sources: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    dry_run: bool = False
    force: bool = False
    recheck: bool = False
    baseline: bool = False
    allow_reprocess: bool = False
    prune: bool = False
    scheduled: bool = False
    wait: timedelta = timedelta(seconds=60)


@dataclass(slots=True)
class Context:
    """The injected parts: configuration, ledger, clock, transports, targets, whom to tell, and what counts.

    `threads` is how many windows of a stream are read at once; 0 does everything in the calling thread. `at_work` is
    called when a source is ours to read.
    """

    config: Config
    ledger: Ledger
    clock: Clock
    stop: Stop
    transports: Transports
    targets: Targets
    progress: Progress = field(default_factory=Silent)
    holder: Holder = field(default_factory=Holder.me)
    run_id: str = ""
    threads: int = 4
    mailers: smtp.Connect = smtp.connect
    metrics: Metrics = field(default_factory=Unmeasured)
    at_work: Callable[[], None] = lambda: None

    def sources(self, options: Options) -> list[SourceConfig]:
        """The sources asked for, all of them unless some were named."""
        return [
            source for name, source in self.config.sources.items() if not options.sources or name in options.sources
        ]

    def connector(self, source: SourceConfig) -> Connector:
        """The source's connector, made of its settings."""
        return connector_class(source.connector)(source.settings)

    def client(self, source: SourceConfig, connector: Connector, stop: Stop | None = None) -> ProviderClient:
        """A client pinned to the source's origin, with one rate budget for all its threads."""
        transport = self.transports(source)
        return provider_client(source, connector, self.clock, stop or self.stop, transport, self.metrics)


def provider_client(
    source: SourceConfig,
    connector: Connector,
    clock: Clock,
    stop: Stop,
    transport: httpx.BaseTransport | None = None,
    metrics: Metrics | None = None,
) -> ProviderClient:
    """A client pinned to a source's origin; also for who has no ledger, and so no context (`reconcile check`)."""
    http = source.http
    return ProviderClient(
        source=source.name,
        origin=source.base_url or connector.origin(),
        headers=connector.headers,
        clock=clock,
        budget=RateBudget(http.rate or connector.facts.rate, clock),
        limits=HttpLimits(http.deadline.total_seconds(), http.attempts, http.max_body),
        stop=stop,
        transport=transport,
        pace=pace_of(connector),
        refresh=refresh_of(connector),
        metrics=metrics,
    )
