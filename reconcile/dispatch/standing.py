"""Dispatchers that stand by as long as their process receives or keeps time: one for each source with a handler."""

from __future__ import annotations

import threading

from reconcile.config import SourceConfig
from reconcile.context import Context
from reconcile.dispatch import Dispatcher, dispatcher_of
from reconcile.errors import ConfigError

#: How often each looks for retries and for what a crashed runner left, in seconds.
POLL = 1.0


class Standing:
    """Delivers what is committed, at once when told of it, until stopped. `context.stop` stops it too."""

    def __init__(self, context: Context) -> None:
        self._stop = context.stop
        self._dispatchers: dict[str, Dispatcher] = {
            source.name: _dispatcher(context, source)
            for source in context.config.sources.values()
            if source.handler is not None
        }
        self._threads = [
            threading.Thread(target=dispatcher.run_forever, args=(POLL,), name=f"dispatch {name}")
            for name, dispatcher in self._dispatchers.items()
        ]

    def start(self) -> None:
        """Begin to deliver."""
        for thread in self._threads:
            thread.start()

    def notify(self, source: str) -> None:
        """Something of `source` was committed that may be delivered now."""
        if source in self._dispatchers:
            self._dispatchers[source].notify()

    def notify_all(self) -> None:
        """Something was committed, of whichever source."""
        for dispatcher in self._dispatchers.values():
            dispatcher.notify()

    def stop(self) -> None:
        """Claim nothing more, give running calls their grace, and return when all is given back."""
        self._stop.set(self._stop.exit_code)
        self.notify_all()
        for thread in self._threads:
            thread.join()


def _dispatcher(context: Context, source: SourceConfig) -> Dispatcher:
    try:
        target = context.targets(context, source)
    except ConfigError as error:
        raise ConfigError(f"{source.name}: {error}") from None
    return dispatcher_of(context, source, target)
