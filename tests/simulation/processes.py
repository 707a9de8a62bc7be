"""Processes that are born and killed within this one: their ledgers, their names, and who is still alive."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from reconcile.clock import Clock
from reconcile.ledger import Ledger, process
from reconcile.ledger.engine import Engines
from reconcile.ledger.process import Holder

FIRST_PID = 1 << 30  # no real process has such a number


class Killed(BaseException):
    """SIGKILL: nothing of ours may catch it, and nothing its process still tries has any effect."""

    def __init__(self, victim: Process) -> None:
        super().__init__(victim.holder.name)
        self.victim = victim


class MortalLedger(Ledger):
    """A ledger whose process may be dead: then its `finally` and `except` blocks write nothing any more."""

    owner: Process | None = None
    machines: Machines | None = None

    @contextmanager
    def write(self) -> Iterator[Any]:
        """As `Ledger.write`, of the living only; every commit is looked at."""
        self._must_live()
        with super().write() as tx:
            yield tx
        if self.machines is not None:
            self.machines.committed()

    def read(self) -> AbstractContextManager[Any]:
        """As `Ledger.read`, of the living only."""
        self._must_live()
        return super().read()

    def _must_live(self) -> None:
        if self.owner is not None and self.owner.dead:
            raise Killed(self.owner)


@dataclass(eq=False)
class Process:
    """One process: a ledger of its own and the name it holds leases and claims by."""

    ledger: MortalLedger
    holder: Holder
    dead: bool = False


@dataclass
class Machines:
    """Where processes run. A dead one on our own host is seen to be gone; of another host's nobody can tell.

    They share connections, which hold nothing between two transactions.
    """

    url: str
    engines: Engines
    clock: Clock
    alive: set[int] = field(default_factory=set)
    committed: Callable[[], None] = lambda: None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_PID))

    def start(self, *, here: bool = True) -> Process:
        """A new process with the ledger open."""
        pid = next(self._numbers)
        self.alive.add(pid)
        host = socket.gethostname() if here else "elsewhere"
        holder = Holder(f"{host}:{pid}:{pid:08x}", host, pid, process.process_started(os.getpid()))
        ledger = MortalLedger(self.url, self.engines, self.clock)
        ledger.owner = Process(ledger, holder)
        ledger.machines = self
        return ledger.owner

    def bury(self, one: Process) -> None:
        """It is gone, and so is everything it had in memory."""
        one.dead = True
        self.alive.discard(one.holder.pid)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Let the code under test see these processes as it sees real ones."""
        exists, started = process._exists, process.process_started

        def exists_here(pid: int) -> bool:
            return pid in self.alive if pid >= FIRST_PID else exists(pid)

        def started_here(pid: int) -> str:
            return started(os.getpid() if pid >= FIRST_PID else pid)

        with (
            mock.patch.object(process, "_exists", exists_here),
            mock.patch.object(process, "process_started", started_here),
        ):
            yield
