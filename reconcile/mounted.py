"""The receiver inside somebody else's web application: configuration and ledger of the process, found by itself.

`receiver()` makes one, for an application that mounts it; `receive` keeps one per process, for one that calls it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

from reconcile.clock import SystemClock
from reconcile.config import load
from reconcile.connector import connector_class
from reconcile.errors import LedgerError
from reconcile.ledger import Ledger
from reconcile.receiver import Answer, Receiver

CONFIG_VARIABLE = "RECONCILE_CONFIG"
DEFAULT_CONFIG = "schedules.yaml"


def receiver() -> Receiver:
    """A receiver for every source of `$RECONCILE_CONFIG`, else of `./schedules.yaml`. It dispatches nothing.

    Raises `ConfigError` with every problem of the file, and `LedgerError` when the ledger cannot be opened.
    """
    config = load(Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG), os.environ)
    sources = {
        name: (source, connector_class(source.connector)(source.settings)) for name, source in config.sources.items()
    }
    clock = SystemClock()
    return Receiver(Ledger.open(config.ledger.get_secret_value(), clock), sources.get, clock)


class _OfProcess:
    """The one receiver of this process, made when it is first needed."""

    def __init__(self) -> None:
        self.forget()
        # A forked child shares no connection with its parent, and must not wait for a lock nobody in it holds.
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin anew."""
        self._lock = threading.Lock()
        self._receiver: Receiver | None = None

    def get(self) -> Receiver:
        """The receiver; one thread makes it, the others wait."""
        with self._lock:
            if self._receiver is None:
                self._receiver = receiver()
            return self._receiver


_process = _OfProcess()


def receive(source: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """What `reconcile.receive` does."""
    try:
        ours = _process.get()
    except LedgerError:
        return Answer(503, "the ledger cannot be opened; send the delivery again")
    return ours.receive(source, headers, body)
