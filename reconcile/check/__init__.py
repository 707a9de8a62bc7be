"""What `reconcile check` looks at before anything runs. Every check is made, whatever the others found.

finding.py       what a check comes to: fine, a warning, a failure with its remedy
installation.py  the packages beside `reconcile`
handlers.py      a source's handler and its app's own record
ledger.py        the ledger can be opened and written; first contact
provider.py      credentials, account, clock, signing
mail.py          the mail server answers, encrypted as asked for
subscriptions.py whether every topic has its subscription
"""

from __future__ import annotations

from collections.abc import Iterator

from reconcile import when
from reconcile.check import handlers, installation, ledger, mail, provider
from reconcile.check.finding import Finding, Level, guarded
from reconcile.clock import Clock, Stop
from reconcile.config import Config
from reconcile.context import Transports

__all__ = ["Finding", "Level", "check_configured", "check_installation"]


def check_installation() -> Iterator[Finding]:
    """What can be said before there is a configuration."""
    yield from installation.check()


def check_configured(
    config: Config, clock: Clock, stop: Stop, transports: Transports = lambda _source: None
) -> Iterator[Finding]:
    """Everything a configuration names, the ledger first, then source by source."""
    yield Finding(Level.OK, "configuration", f"{config.path} names {when.times(len(config.sources), 'source')}")
    yield from (Finding(Level.WARN, "configuration", warning) for warning in config.warnings)
    yield from guarded("ledger", ledger.check(config, clock))
    yield from guarded(mail.AREA, mail.check(config, stop))
    ours = ledger.recorded(config, clock)
    folder = config.path.parent
    verdicts = handlers.tried(config.sources.values(), folder, clock, stop)
    for source in config.sources.values():
        yield from guarded(source.name, handlers.check(source, folder, verdicts))
        yield from guarded(
            source.name, provider.check(source, clock, stop, transports(source), ours.get(source.name, ()))
        )
