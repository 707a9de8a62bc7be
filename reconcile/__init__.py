"""Finds webhook events a service lost, runs them through its own handlers once, and proves what is complete."""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from reconcile.handlers import Handlers
from reconcile.model import Event

if TYPE_CHECKING:
    from reconcile.receiver import Answer

__all__ = ["Event", "Handlers", "receive"]


def receive(source: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Take one live delivery in a web application of your own: verify, store, commit; then tell what to answer.

    `source` is its key under `sources:`, `headers` and `body` are the request's, the body byte for byte. The answer
    has an HTTP `status` and a short `text`; a status that is not 2xx makes the provider try again. It only records:
    the next `reconcile run` delivers. Blocks while it writes, at most some seconds; may be called by any thread.
    The configuration (`$RECONCILE_CONFIG`, else `./schedules.yaml`) is read once per process, at the first call,
    which raises `ConfigError` if it cannot be used.
    """
    # Only now: every handler imports this package, and the ledger's libraries cost 0.4 s and 40 MB.
    answer: Answer = resolve_name("reconcile.mounted:receive")(source, headers, body)
    return answer
