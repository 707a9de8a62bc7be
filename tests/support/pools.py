"""Worker pools on a module a test writes, and what they answered."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from pathlib import Path

from reconcile.clock import SystemClock
from reconcile.model import Event, Origin, Subject
from reconcile.targets.model import Job, Outcome, Verdict
from reconcile.targets.pool import PythonTarget

_names = itertools.count(1)
PATIENCE = 60.0  # seconds; a busy machine starts workers slowly


def an_event(topic: str = "t", body: bytes = b"{}", **values) -> Event:
    """An event of which only what a test is about was said."""
    given = {"id": "evt_1", "source": "shop", "subject": Subject("order", "1"), "version": 1, "occurred_at": None}
    given |= {"data": {}, "headers": {}, "api_version": "", "origin": Origin.LIVE, "idempotency_key": "evt_1"}
    return Event(topic=topic, body=body, **(given | values))


def jobs(*topics: str) -> list[Job]:
    """One job per topic, numbered from 1."""
    return [
        Job(n, 1, "me", an_event(topic, id=f"evt_{n}", idempotency_key=f"evt_{n}"), 1)
        for n, topic in enumerate(topics, 1)
    ]


def write_app(folder: Path, code: str) -> str:
    """Write a module with `handlers`, a registry; its reference."""
    name = f"pool_app_{next(_names)}"
    head = "import os, sys, threading, signal, asyncio, time\nfrom reconcile import Handlers\nhandlers = Handlers()\n"
    (folder / f"{name}.py").write_text(head + textwrap.dedent(code))
    return f"{name}:handlers"


def pool(
    folder: Path, code: str, *, timeout: float = PATIENCE, workers: int = 1, url: str = "", **more
) -> PythonTarget:
    """A pool whose handlers are `code`."""
    reference = write_app(folder, code)
    return PythonTarget(reference, folder, SystemClock(), ledger_url=url, timeout=timeout, workers=workers, **more)


def run(target: PythonTarget, given: Sequence[Job]) -> dict[str, Outcome]:
    """Deliver jobs; their outcomes by topic."""
    target.submit(given)
    return {outcome.job.event.topic: outcome for outcome in collect(target, len(given))}


def collect(target: PythonTarget, number: int) -> list[Outcome]:
    """The next `number` outcomes."""
    found: list[Outcome] = []
    while len(found) < number:
        more = list(itertools.islice(target.outcomes(PATIENCE), number - len(found)))
        assert more, f"only {len(found)} of {number} came: {found}"
        found += more
    return found


def verdicts(outcomes: dict[str, Outcome]) -> dict[str, Verdict]:
    """Only the verdicts."""
    return {topic: outcome.verdict for topic, outcome in outcomes.items()}
