"""What the ledger knows, for Prometheus: read when it is asked for, so it is right whichever process did the work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from reconcile.config import Config
from reconcile.errors import ENDED_WELL, LedgerError
from reconcile.ledger import Ledger, mails, measures
from reconcile.ledger.ledger import Tx
from reconcile.ledger.measures import Ended
from reconcile.ledger.upgrade import REVISIONS
from reconcile.model import EPOCH
from reconcile.operator import status

log = logging.getLogger(__name__)

#: What an exit code is called here; a run that was found crashed has 137, as a killed process has.
RESULTS = {
    0: "complete",
    1: "bug",
    2: "config",
    3: "something_left",
    4: "not_covered",
    5: "ledger",
    75: "busy",
    130: "stopped",
    137: "crashed",
    143: "stopped",
}


class LedgerFacts:
    """A collector over a ledger. `config` is the configuration in force."""

    def __init__(self, ledger: Ledger, config: Callable[[], Config]) -> None:
        self._ledger = ledger
        self._config = config

    def collect(self) -> Iterator[Metric]:
        """Everything; just that the ledger is down, if it is."""
        build = GaugeMetricFamily("reconcile_build_info", "Always 1.", labels=("version", "schema"))
        build.add_metric((version("reconcile"), REVISIONS[-1]), 1)
        yield build
        try:
            found = [*self._of_runs(), *self._of_sources()]
        except LedgerError as error:
            log.warning("metrics without those of the ledger: %s", error)
            found = []
        yield GaugeMetricFamily("reconcile_ledger_up", "Whether the ledger answered.", value=bool(found))
        yield from found

    def _of_runs(self) -> list[Metric]:
        with self._ledger.read() as tx:
            return [*_runs(measures.ended(tx)), *_items(measures.counted(tx)), *_open(tx)]

    def _of_sources(self) -> list[Metric]:
        config = self._config()
        board = status.read(config, self._ledger, self._ledger.clock)
        lag = _gauge(
            "reconcile_coverage_lag_seconds",
            "How far what is proven is behind what could be read.",
            "source",
            "provider",
            "stream",
        )
        gaps = _gauge("reconcile_gaps", "Open gaps.", "source", "reason")
        events = _gauge("reconcile_events", "Events not done yet.", "source", "state")
        paused = _gauge("reconcile_target_paused", "Whether nothing is delivered to a source's handler.", "source")
        for source in board.sources:
            paused.add_metric((source.source,), bool(source.paused))
            for state, number in (("waiting", source.waiting), ("held", source.held), ("dead", source.dead)):
                events.add_metric((source.source, state), number)
            for kind, number in source.gaps.items():
                gaps.add_metric((source.source, kind), number)
            for stream in source.streams:
                if (behind := stream.lag) is not None:
                    provider = config.sources[source.source].connector
                    lag.add_metric((source.source, provider, stream.stream), behind.total_seconds())
        return [lag, gaps, events, paused]


def exposition(config: Config, ledger: Ledger) -> str:
    """The same in Prometheus's text format, for who has no process that could be scraped. Raises `LedgerError`."""
    with ledger.read():
        registry = CollectorRegistry(auto_describe=False)
    registry.register(LedgerFacts(ledger, lambda: config))
    return generate_latest(registry).decode().rstrip("\n")


def _runs(found: Sequence[Ended]) -> Iterator[Metric]:
    total = CounterMetricFamily("reconcile_runs", "Finished runs.", labels=("result",))
    took = SummaryMetricFamily("reconcile_run_duration_seconds", "How long runs took.")
    success = _gauge("reconcile_last_success_timestamp_seconds", "When a job last ended well.", "job")
    results: dict[str, int] = {}
    newest: dict[str, datetime] = {}
    for one in found:
        result = RESULTS.get(one.exit_code, "other")
        results[result] = results.get(result, 0) + one.number
        for job in one.jobs if one.exit_code in ENDED_WELL else ():
            newest[job] = max(newest.get(job, one.newest), one.newest)
    for result, number in results.items():
        total.add_metric((result,), number)
    for job, at in newest.items():
        success.add_metric((job,), (at - EPOCH).total_seconds())
    took.add_metric((), sum(one.number for one in found), sum(one.seconds for one in found))
    yield from (total, took, success)


def _items(found: Sequence[measures.Counted]) -> Iterator[Metric]:
    items = CounterMetricFamily("reconcile_items", "Listed items by what runs found.", labels=("source", "outcome"))
    missing = CounterMetricFamily("reconcile_missing", "Events recorded because they were missed.", labels=("source",))
    for one in found:
        plain = one.already_handled + one.superseded + one.filtered
        for outcome in ("already_handled", "superseded", "filtered"):
            items.add_metric((one.source, outcome), getattr(one, outcome))
        items.add_metric((one.source, "acted_on"), max(0, one.listed - plain))
        missing.add_metric((one.source,), one.recorded)
    yield from (items, missing)


def _open(tx: Tx) -> Iterator[Metric]:
    """What waits for somebody."""
    opened = measures.oldest_gap(tx)
    age = (tx.now - opened).total_seconds() if opened else 0.0
    yield GaugeMetricFamily("reconcile_oldest_gap_age_seconds", "Age of the oldest open gap; 0 without.", value=age)
    pending = _gauge("reconcile_pending_transactions", "Transactions whose end is waited for.", "source")
    for source, number in measures.pending_transactions(tx).items():
        pending.add_metric((source,), number)
    incidents = _gauge("reconcile_incidents", "Open incidents.", "source", "kind")
    for labels, number in measures.open_incidents(tx).items():
        incidents.add_metric(labels, number)
    unsent = mails.unsent(tx)
    waits = (tx.now - unsent.since).total_seconds() if unsent.since else 0.0
    yield from (pending, incidents)
    yield GaugeMetricFamily(
        "reconcile_alerts_unsent", "Mails queued or refused for good.", value=unsent.queued + unsent.dead
    )
    yield GaugeMetricFamily("reconcile_oldest_unsent_alert_age_seconds", "Age of the oldest; 0 without.", value=waits)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=labels)
