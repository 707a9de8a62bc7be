"""`reconcile serve`: the receiver on a port, with a dispatcher for each source that handles what it stores at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from reconcile.config import Config
from reconcile.context import Context
from reconcile.daemon import Daemon
from reconcile.dispatch.standing import Standing
from reconcile.ledger import Ledger, horizons
from reconcile.receiver import Receiver
from reconcile.topics import Topics
from reconcile.vault import Vault
from reconcile.web.counts import Counts
from reconcile.web.facts import LedgerFacts
from reconcile.web.front import Address, Front
from reconcile.web.health import Health, Heartbeat

#: Seconds without a sign of life of a daemon's timetable after which it is not alive any more.
SILENT = 60.0


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
    standing: list[Standing] = []

    def stored(name: str) -> None:
        for one in standing:
            one.notify(name)

    kept = Vault.of(context.config, context.ledger).secrets
    receiver = Receiver(context.ledger, connectors.get, context.clock, stored, kept=kept, metrics=counted)
    front = Front(receiver, health(context.ledger, lambda: context.config, counted), at, inside)
    try:
        _see_topics(context)
        standing.append(Standing(context))
        _work(context, standing[0], front, ready)
    finally:
        front.stop()
    return context.stop.exit_code


def front_of(daemon: Daemon, context: Context, counted: Counts, at: Address, inside: Address | None = None) -> Front:
    """What answers over HTTP for a daemon: deliveries by whichever configuration is in force."""
    kept = Vault.of(context.config, context.ledger).secrets
    receiver = Receiver(context.ledger, daemon.source, context.clock, daemon.stored, kept=kept, metrics=counted)
    alive = {"timetable": (daemon.age, SILENT)}
    return Front(receiver, health(context.ledger, lambda: daemon.config, counted, alive), at, inside)


def _work(context: Context, standing: Standing, front: Front, ready: Callable[[str], None] | None) -> None:
    standing.start()
    try:
        front.start()
        if ready:
            ready(front.url)
        _wait(context, front)
    finally:
        # At once for both: a sender that never finishes must not cost running handlers their grace.
        context.stop.set(context.stop.exit_code)
        standing.notify_all()
        front.stop()
        standing.stop()


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


def _see_topics(context: Context) -> None:
    """From now on these topics are received: that is their horizon, unless they have one."""
    with context.ledger.write() as tx:
        for source in context.config.sources.values():
            if source.webhook is not None:
                horizons.first_sight(tx, source.name, source.webhook.topics, tx.now, "serve")
