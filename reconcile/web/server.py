"""`reconcile serve`: the receiver on a port, with a dispatcher for each source that handles what it stores at once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from reconcile.config import SourceConfig
from reconcile.connector import Connector
from reconcile.context import Context
from reconcile.dispatch import Dispatcher, dispatcher_of
from reconcile.errors import ConfigError
from reconcile.ledger import horizons
from reconcile.receiver import Receiver
from reconcile.web.asgi import receiver_app

#: How often a dispatcher looks for retries and for what a crashed runner left, in seconds.
POLL = 1.0
#: Seconds that answers on their way get when a stop was asked for; a sender that never finishes gets no more.
GRACE = 5


class _Server(uvicorn.Server):
    """Uvicorn that leaves the signals to us: one stop for the server and its dispatchers. `listening` is called as
    soon as connections are accepted.
    """

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._listening()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The command line has its own handlers."""
        yield


def serve(context: Context, host: str, port: int, ready: Callable[[str], None] | None = None) -> int:
    """Receive until asked to stop; the exit code of the signal. `ready` is told the address that is listened on."""
    _see_topics(context)
    connectors = {name: (source, context.connector(source)) for name, source in context.config.sources.items()}
    dispatchers = {
        name: dispatcher_of(context, source, context.targets(context, source))
        for name, (source, _) in connectors.items()
        if source.handler
    }
    receiver = _receiver(context, connectors, dispatchers)
    threads = [
        threading.Thread(target=dispatcher.run_forever, args=(POLL,), name=f"dispatch {name}")
        for name, dispatcher in dispatchers.items()
    ]
    for thread in threads:
        thread.start()
    try:
        _listen(context, receiver, host, port, ready)
    finally:
        context.stop.set(context.stop.exit_code)
        for dispatcher in dispatchers.values():
            dispatcher.notify()
        for thread in threads:
            thread.join()
    return context.stop.exit_code


def _receiver(
    context: Context, connectors: dict[str, tuple[SourceConfig, Connector]], dispatchers: dict[str, Dispatcher]
) -> Receiver:
    def stored(name: str) -> None:
        if name in dispatchers:
            dispatchers[name].notify()

    return Receiver(context.ledger, connectors.get, context.clock, stored)


def _see_topics(context: Context) -> None:
    """From now on these topics are received: that is their horizon, unless they have one."""
    with context.ledger.write() as tx:
        for source in context.config.sources.values():
            if source.webhook is not None:
                horizons.first_sight(tx, source.name, source.webhook.topics, tx.now, "serve")


def _listen(context: Context, receiver: Receiver, host: str, port: int, ready: Callable[[str], None] | None) -> None:
    config = uvicorn.Config(
        receiver_app(receiver),
        host=host,
        port=port,
        log_config=None,  # its warnings go where ours go, in the format asked for
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    try:
        sockets = [config.bind_socket()]
    except SystemExit:
        remedy = "if the port is taken, choose another with --port; if the address is not this machine's, with --host"
        raise ConfigError(f"cannot listen on {host}:{port}; {remedy}") from None
    bound = sockets[0].getsockname()
    server = _Server(config, lambda: ready(f"http://{bound[0]}:{bound[1]}/webhooks/") if ready else None)
    watcher = threading.Thread(target=_watch, args=(context, server), name="watch for stop", daemon=True)
    watcher.start()
    server.run(sockets=sockets)


def _watch(context: Context, server: uvicorn.Server) -> None:
    while not context.stop.wait(0.2):
        if server.should_exit:
            return
    server.should_exit = True
