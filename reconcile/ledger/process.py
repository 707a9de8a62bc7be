"""Which process this is, and whether another one on this machine is gone."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

_DEAD = ("Z", "X")  # a zombie has ended; only its parent has not looked yet


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease or claim. `name` is unique; `process_started` tells a process from a later one of its pid."""

    name: str
    host: str
    pid: int
    process_started: str

    @classmethod
    def me(cls) -> Holder:
        """This process, under a new name."""
        host, pid = socket.gethostname(), os.getpid()
        return cls(f"{host}:{pid}:{uuid.uuid4().hex[:8]}", host, pid, process_started(pid))

    def another(self) -> Holder:
        """The same process under one more name, for what it holds apart."""
        return replace(self, name=f"{self.host}:{self.pid}:{uuid.uuid4().hex[:8]}")

    def here(self) -> bool:
        """Whether its process can be judged: it is of this machine, this boot and this container."""
        return self.host == socket.gethostname() and self.process_started.partition("/")[0] == _realm()

    def gone(self) -> bool:
        """Whether its process has certainly ended."""
        return self.here() and self._has_ended()

    def _has_ended(self) -> bool:
        return not _exists(self.pid) or process_started(self.pid) != self.process_started


def owner_name(holder: str) -> str:
    """The text a claim is held under by `holder`, the `Holder.name` of this process: with the process's start, so that
    others can see whether it is gone.
    """
    return f"{holder}:{process_started(os.getpid())}"


def owner_gone(owner: str) -> bool:
    """Whether the process behind `owner_name` has certainly ended."""
    host, *rest = owner.rsplit(":", 3)
    if len(rest) != 3 or not rest[0].isdigit():
        return False
    return Holder(owner, host, int(rest[0]), rest[2]).gone()


def process_started(pid: int) -> str:
    """`realm/ticks since boot`: the same text as long as the same process has this pid; "realm/gone" once ended."""
    fields = _stat(pid)
    if fields and fields[0] in _DEAD:
        return f"{_realm()}/gone"
    return f"{_realm()}/{fields[19] if fields else ''}"


def _realm() -> str:
    """This boot and process namespace: a pid means nothing outside them. "" where the system has no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")[:8]
        return f"{boot}-{Path('/proc/self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (state) on; the second, a name in brackets, may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and someone else's
        return True
    return True
