"""Whether the ledger can be opened and written, and which sources it knows nothing of yet."""

from __future__ import annotations

from collections.abc import Iterator

from reconcile.check.finding import Finding, Level
from reconcile.clock import Clock
from reconcile.config import Config
from reconcile.errors import LedgerError
from reconcile.ledger import Ledger, filesystem, horizons, subscriptions, views
from reconcile.ledger.subscriptions import Ours

AREA = "ledger"


def check(config: Config, clock: Clock) -> Iterator[Finding]:
    """Opening it creates what is lacking and tries a write, so a failure here is one that a run would have."""
    ledger = Ledger.open(config.ledger.get_secret_value(), clock)
    try:
        yield Finding(Level.OK, AREA, f"{ledger.shown} can be read and written")
        if network := filesystem.network_of(ledger.url):
            what = (
                f"the file lies on a network file system ({network}), where SQLite's locks and log cannot be relied on"
            )
            yield Finding(Level.WARN, AREA, what, "put it on a local disk, or use PostgreSQL")
        yield from _first_contact(config, ledger)
    finally:
        ledger.close()


def recorded(config: Config, clock: Clock) -> dict[str, list[Ours]]:
    """The subscriptions recorded as ours, by source; none where the ledger cannot be read, which `check` has said."""
    try:
        ledger = Ledger.open(config.ledger.get_secret_value(), clock, upgrade=False)
    except LedgerError:
        return {}
    try:
        with ledger.read() as tx:
            return {name: subscriptions.of(tx, name) for name in config.sources}
    finally:
        ledger.close()


def _first_contact(config: Config, ledger: Ledger) -> Iterator[Finding]:
    for source in config.sources.values():
        with ledger.read() as tx:
            known = views.has_events(tx, source.name) or horizons.get(tx, source.name)
        if not known and source.recorded is None:
            yield Finding(
                Level.WARN,
                source.name,
                "nothing is recorded yet, so whatever a run lists counts as missed",
                f"if the app handled events before: `reconcile baseline --since … --source {source.name}`, with live "
                "deliveries reaching our receiver from then on; or set `recorded:`",
            )
