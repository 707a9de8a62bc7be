"""Where histories are played: a folder in memory with a ledger, and a clock that may be wrong."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from unittest import mock

from simulation.service import TABLE

from reconcile.clock import Stop, SystemClock
from reconcile.config import Config, load
from reconcile.ledger import Ledger, sqlite
from reconcile.ledger.engine import Engines, connect
from reconcile.ledger.sqlite_file import SameFile
from reconcile.sandbox.clock import SettableClock


class Drifting:
    """Our own machine's clock: some seconds off from the provider's, and at times set right or wrong."""

    def __init__(self, base: SettableClock, offset: float) -> None:
        self._base = base
        self.offset = timedelta(seconds=offset)

    def now(self) -> datetime:
        """What our machine thinks."""
        return self._base.now() + self.offset

    def monotonic(self) -> float:
        """Never jumps."""
        return self._base.monotonic()

    def wait(self, seconds: float, stop: Stop | None = None) -> None:
        """Time passes for everyone."""
        self._base.wait(seconds, stop)


@dataclass(frozen=True)
class Place:
    """Where this process plays its histories, one after the other: a folder in memory, if there is one.

    A ledger commits durably, which is slow on disks; and its engine is made once, because SQLAlchemy would compile
    every statement anew for each.
    """

    folder: Path
    ledger: bytes
    config: Config
    engines: Engines

    @property
    def url(self) -> str:
        """Of the ledger."""
        return f"sqlite:///{self.folder / 'ledger.db'}"

    def clear(self) -> None:
        """An empty ledger, and nothing else."""
        self.engines.dispose()
        for path in self.folder.iterdir():
            path.unlink()
        (self.folder / "ledger.db").write_bytes(self.ledger)


class AnyFile(SameFile):
    """Each history has a file of its own under the one name, which a program that goes on working would refuse."""

    def check(self) -> None:
        """It is the right one."""


@cache
def place(yaml: str) -> Place:
    """This process's own for a configuration."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder made in it is private
    folder = Path(tempfile.mkdtemp(prefix="reconcile-sim-", dir=memory if os.access(memory, os.W_OK) else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = f"sqlite:///{folder / 'ledger.db'}"
    ledger = Ledger.open(url, SystemClock())
    with ledger.write() as tx:
        tx.connection.exec_driver_sql(TABLE)
    ledger.close()
    (folder / "schedules.yaml").write_text(yaml)
    with mock.patch.object(sqlite, "SameFile", AnyFile):
        engines = connect(url)
    return Place(folder, (folder / "ledger.db").read_bytes(), load(folder / "schedules.yaml", {}), engines)
