"""Named places where a test may stop, kill or disturb the program; nothing happens unless the environment asks.

`RECONCILE_FAILPOINTS="page.committed=kill@3;inbox.stored=raise"` kills the process (SIGKILL) at the third hit of
`page.committed` and raises `RuntimeError` at the first of `inbox.stored`; `kill_run` in a worker process takes the run
along. Hits are counted per process, or over all processes that share the folder `RECONCILE_FAILPOINT_HITS`, one byte a
hit in a file of its name there. A simulation sets `hook` instead.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ENVIRONMENT = "RECONCILE_FAILPOINTS"
HITS = "RECONCILE_FAILPOINT_HITS"

#: Every name used in the code, so that a sweep can enumerate them; a test compares it with the source.
NAMES: tuple[str, ...] = (
    "inbox.before_store",
    "inbox.stored",
    "window.opened",
    "page.fetched",
    "page.before_commit",
    "page.committed",
    "window.before_cover",
    "window.covered",
    "valve.before_release",
    "valve.released",
    "transaction.claimed",
    "transaction.asked",
    "transaction.applied",
    "dispatch.claimed",
    "target.before_call",
    "target.called",
    "handler.before_commit",
    "handler.committed",
    "dispatch.before_mark",
    "dispatch.marked",
    "subscription.asked",
    "subscription.made",
    "subscription.recorded",
    "subscription.changed",
    "alerts.before_commit",
    "alerts.seen",
    "alerts.committed",
    "mail.before_send",
    "mail.sent",
    "mail.marked",
    "purge.promised",
    "purge.forgotten",
    "run.before_finish",
    "run.finished",
)

hook: Callable[[str], None] | None = None
_hits: Counter[str] = Counter()


def _parse(text: str) -> dict[str, tuple[str, int]]:
    plan = {}
    for part in filter(None, text.split(";")):
        name, _, action = part.partition("=")
        verb, _, nth = action.partition("@")
        plan[name] = (verb, int(nth or 1))
    return plan


_plan = _parse(os.environ.get(ENVIRONMENT, ""))


def reach(name: str) -> None:
    """Say that the program is at the place called `name`."""
    if hook is not None:
        hook(name)
    if name in _plan:
        _act(name, *_plan[name])


def _hit(name: str) -> int:
    folder = os.environ.get(HITS)
    if not folder:
        _hits[name] += 1
        return _hits[name]
    file = os.open(Path(folder) / name, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        os.write(file, b".")
        return os.lseek(file, 0, os.SEEK_CUR)  # behind our own byte, whoever else writes
    finally:
        os.close(file)


def _act(name: str, verb: str, nth: int) -> None:
    if _hit(name) != nth:
        return
    if verb == "kill_run":
        os.kill(os.getppid(), signal.SIGKILL)
    if verb in ("kill", "kill_run"):
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError(f"failpoint {name}")
