"""`reconcile serve`: the receiver on a port, with a dispatcher for each source that handles what it stores at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from reconcile.config import Config, SourceConfig
from reconcile.context import Context
from reconcile.dispatch import Dispatcher, dispatcher_of
from reconcile.errors import ConfigError
from reconcile.ledger import Ledger, horizons
from reconcile.receiver import Receiver
from reconcile.topics import Topics
from reconcile.vault import Vault
from reconcile.web.counts import Counts
from reconcile.web.facts import LedgerFacts
from reconcile.web.front import Address, Front
from reconcile.web.health import Health, Heartbeat

#: How often a dispatcher looks for retries and for what a crashed runner left, in seconds.
POLL = 1.0


def counts(config: Callable[[], Config]) -> Counts:
    """What a process counts that works by `config`, the configuration in force."""

    def topics(source: str) -> Topics | None:
        found = config().sources.get(source)
        return Topics(found.webhook.topics) if found and found.webhook else None

    return Counts(topics)


def health(
    ledger: Ledger, config: Callable[[], Config], counted: Counts, heartbeats: dict[str, Heartbeat] | None = None
) -> Health:
    """The health of a process, with the metrics of its own and those of the ledger."""
    return Health(ledger, (counted, LedgerFacts(ledger, config)), heartbeats)


def serve(
    context: Context, at: Address, inside: Address | None = None, ready: Callable[[str], None] | None = None
) -> int:
    """Receive at the address `at` until asked to stop; the exit code of the signal.

    `inside` is where health and metrics are shown to whoever reaches it. `ready` is told where deliveries go.
    """
    context.metrics = counted = counts(lambda: context.config)
    connectors = {name: (source, context.connector(source)) for name, source in context.config.sources.items()}
    dispatchers: dict[str, Dispatcher] = {}

    def stored(name: str) -> None:
        if name in dispatchers:
            dispatchers[name].notify()

    kept = Vault.of(context.config, context.ledger).secrets
    receiver = Receiver(context.ledger, connectors.get, context.clock, stored, kept=kept, metrics=counted)
    front = Front(receiver, health(context.ledger, lambda: context.config, counted), at, inside)
    try:
        _see_topics(context)
        dispatchers |= {
            name: _dispatcher(context, source) for name, (source, _) in connectors.items() if source.handler
        }
        _work(context, dispatchers, front, ready)
    finally:
        front.stop()
    return context.stop.exit_code


def _work(
    context: Context, dispatchers: dict[str, Dispatcher], front: Front, ready: Callable[[str], None] | None
) -> None:
    threads = [
        threading.Thread(target=dispatcher.run_forever, args=(POLL,), name=f"dispatch {name}")
        for name, dispatcher in dispatchers.items()
    ]
    for thread in threads:
        thread.start()
    try:
        front.start()
        if ready:
            ready(front.url)
        _wait(context, front)
    finally:
        # At once for both: a sender that never finishes must not cost running handlers their grace.
        context.stop.set(context.stop.exit_code)
        for dispatcher in dispatchers.values():
            dispatcher.notify()
        front.stop()
        for thread in threads:
            thread.join()


def _wait(context: Context, front: Front) -> None:
    """Until a stop is asked for. In a thread: a signal's handler sets the stop in the main one, and must not find it
    in the midst of looking.
    """
    looking = threading.Thread(
        target=lambda: context.stop.wait(threading.TIMEOUT_MAX), name="wait for stop", daemon=True
    )
    looking.start()
    while looking.is_alive():
        looking.join(1.0)
        if not (front.listening or context.stop.is_set()):
            raise RuntimeError("the server ended by itself; what it said is in the log")


def _dispatcher(context: Context, source: SourceConfig) -> Dispatcher:
    try:
        target = context.targets(context, source)
    except ConfigError as error:
        raise ConfigError(f"{source.name}: {error}") from None
    return dispatcher_of(context, source, target)


def _see_topics(context: Context) -> None:
    """From now on these topics are received: that is their horizon, unless they have one."""
    with context.ledger.write() as tx:
        for source in context.config.sources.values():
            if source.webhook is not None:
                horizons.first_sight(tx, source.name, source.webhook.topics, tx.now, "serve")
