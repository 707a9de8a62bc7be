"""`reconcile.track`: an app names a transaction of its own; in a process that may know nothing else of us."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconcile.clock import SystemClock
from reconcile.config import Config
from reconcile.connector.finding import connector_class
from reconcile.errors import ConfigError
from reconcile.ledger import Ledger
from reconcile.model import Subject
from reconcile.mounted import OfProcess, load_config
from reconcile.names import clean
from reconcile.transactions import hearing, naming

_LONGEST_CURRENCY = 64


@dataclass(frozen=True, slots=True)
class Tracked:
    """What an app says of a transaction, made fit to be kept."""

    source: str
    subject: Subject
    amount: str = ""
    currency: str = ""
    at: datetime | None = None


def tracked(
    config: Config,
    source: str,
    id_: str,
    *,
    type_: str = "",
    amount: naming.Amount | None = None,
    currency: str = "",
    at: datetime | None = None,
) -> Tracked:
    """Raises `ConfigError`, `TypeError` or `ValueError` for what cannot be followed."""
    found = config.sources.get(source)
    if found is None:
        raise ConfigError(f"no source is called {source!r}; there are: {', '.join(config.sources)}")
    if at is not None and at.tzinfo is None:
        raise ValueError("`at` needs an offset: which instant it is depends on it")
    subject = naming.subject(found, connector_class(found.connector)(found.settings), id_, type_)
    return Tracked(source, subject, naming.amount(amount), clean(currency)[:_LONGEST_CURRENCY], at)


def keep(ledger: Ledger, one: Tracked) -> bool:
    """Follow it; whether it was new."""
    with ledger.write() as tx:
        return hearing.track(tx, one.source, one.subject, amount=one.amount, currency=one.currency, at=one.at)


def _open() -> tuple[Config, Ledger]:
    config = load_config()
    return config, Ledger.open(config.ledger.get_secret_value(), SystemClock())


_process = OfProcess(_open)


def track(
    source: str,
    id_: str,
    *,
    type_: str = "",
    amount: naming.Amount | None = None,
    currency: str = "",
    at: datetime | None = None,
) -> bool:
    """What `reconcile.track` does."""
    config, ledger = _process.get()
    return keep(ledger, tracked(config, source, id_, type_=type_, amount=amount, currency=currency, at=at))
