"""The receiver inside somebody else's web application: configuration and ledger of the process, found by itself.

`receiver()` makes one, for an application that mounts it; `receive` keeps one per process, for one that calls it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from reconcile.clock import SystemClock
from reconcile.config import Config, load
from reconcile.connector.finding import connector_class
from reconcile.errors import LedgerError
from reconcile.ledger import Ledger
from reconcile.receiver import Answer, Receiver
from reconcile.vault import Vault

CONFIG_VARIABLE = "RECONCILE_CONFIG"
DEFAULT_CONFIG = "schedules.yaml"
T = TypeVar("T")


def load_config() -> Config:
    """What `$RECONCILE_CONFIG`, else `./schedules.yaml`, says. Raises `ConfigError` with every problem of the file."""
    return load(Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG), os.environ)


def receiver() -> Receiver:
    """A receiver for every source of `$RECONCILE_CONFIG`, else of `./schedules.yaml`. It dispatches nothing.

    Raises `ConfigError` with every problem of the file, and `LedgerError` when the ledger cannot be opened.
    """
    config = load_config()
    sources = {
        name: (source, connector_class(source.connector)(source.settings)) for name, source in config.sources.items()
    }
    clock = SystemClock()
    ledger = Ledger.open(config.ledger.get_secret_value(), clock)
    return Receiver(ledger, sources.get, clock, kept=Vault.of(config, ledger).secrets)


class OfProcess(Generic[T]):
    """The one of its kind in this process, made when it is first needed."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self.forget()
        # A forked child shares no connection with its parent, and must not wait for a lock nobody in it holds.
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin anew."""
        self._lock = threading.Lock()
        self._made: T | None = None

    def get(self) -> T:
        """What was made; one thread makes it, the others wait."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


_process = OfProcess(receiver)


def receive(source: str, headers: Mapping[str, str], body: bytes, client: str = "") -> Answer:
    """What `reconcile.receive` does."""
    try:
        ours = _process.get()
    except LedgerError:
        return Answer(503, "the ledger cannot be opened; send the delivery again")
    return ours.receive(source, headers, body, client)
