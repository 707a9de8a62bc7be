"""`/healthz`, `/readyz`, `/metrics`: is it alive, can it work, what has it done. Never a payload, never a secret."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from reconcile.errors import LedgerError
from reconcile.ledger import Ledger, Tx, leases, upgrade
from reconcile.model import iso

#: Seconds that the ledger has to answer a probe.
PATIENCE = 3.0
JSON = "application/json"
#: Headers by which a proxy says that a request is somebody else's.
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")

#: Seconds since somebody's last sign of life, and how many are too many.
Heartbeat = tuple[Callable[[], float], float]


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    status: int
    content_type: str
    body: bytes


class _One:
    """Lets one thread at a time do something slow; who comes meanwhile is told so instead of waiting as well."""

    def __init__(self, work: Callable[[], Page]) -> None:
        self._work = work
        self._lock = threading.Lock()

    def __call__(self) -> Page:
        if not self._lock.acquire(blocking=False):
            return _said(503, status="busy", reason="the last probe is not answered yet")
        try:
            return self._work()
        finally:
            self._lock.release()


class Health:
    """`heartbeats` are the signs of life of this process's own threads, by name; the ledger's troubles are none of
    theirs: a database that is away must not make an orchestrator restart us.
    """

    def __init__(
        self, ledger: Ledger, collectors: tuple[Collector, ...] = (), heartbeats: dict[str, Heartbeat] | None = None
    ) -> None:
        self._ledger = ledger
        self._heartbeats = heartbeats or {}
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        for collector in collectors:
            self._registry.register(collector)
        self._pages = {"/readyz": _One(self.ready), "/metrics": _One(self.metrics)}

    async def page(self, path: str) -> Page | None:
        """The page at `path`, None if it is not one of ours."""
        if path == "/healthz":
            return self.alive()
        if path not in self._pages:
            return None
        try:
            return await asyncio.wait_for(asyncio.to_thread(self._pages[path]), PATIENCE)
        except TimeoutError:
            return _said(503, status="busy", reason="the ledger does not answer")

    def alive(self) -> Page:
        """Whether every thread gave a sign of life lately."""
        silent = [name for name, (age, limit) in self._heartbeats.items() if age() > limit]
        return _said(503, status="silent", threads=silent) if silent else _said(200, status="alive")

    def ready(self) -> Page:
        """Whether the ledger can be read and has this code's schema, and who is at work on what."""
        versions = {"version": version("reconcile"), "needed": upgrade.REVISIONS[-1]}
        try:
            with self._ledger.read() as tx:
                schema = upgrade.revision(tx.connection)
                at_work = _leases(tx) if schema == upgrade.REVISIONS[-1] else []
        except LedgerError as error:
            # Without the database's own words: they may name hosts and users.
            return _said(503, status="not ready", reason=str(error).partition(" (")[0], **versions)
        try:
            upgrade.check(schema)
        except LedgerError as error:
            return _said(503, status="not ready", reason=str(error), schema=schema, **versions)
        return _said(200, status="ready", schema=schema, leases=at_work, **versions)

    def metrics(self) -> Page:
        """Everything counted, in Prometheus's text format."""
        return Page(200, CONTENT_TYPE_LATEST, generate_latest(self._registry))


def from_here(scope: Any) -> bool:
    """Whether a request was made on this machine, and not by a proxy on it for somebody else."""
    peer = (scope.get("client") or ("",))[0]
    if any(name.lower() in _FORWARDED for name, _ in scope["headers"]):
        return False
    try:
        return ip_address(peer).is_loopback
    except ValueError:
        return False


def _leases(tx: Tx) -> list[dict[str, str]]:
    return [
        {"source": source, "job": job, "holder": f"{holder.host}:{holder.pid}", "since": iso(since)}
        for source, job, holder, since in leases.held(tx)
    ]


def _said(code: int, **document: object) -> Page:
    return Page(code, JSON, msgspec.json.encode(document))
