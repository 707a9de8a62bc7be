"""Named places where a test may stop, kill or disturb the program; nothing happens unless the environment asks.

`RECONCILE_FAILPOINTS="page.committed=kill@3;inbox.stored=raise"` kills the process (SIGKILL) at the third hit of
`page.committed` and raises `RuntimeError` at the first of `inbox.stored`. A simulation sets `hook` instead.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable

ENVIRONMENT = "RECONCILE_FAILPOINTS"

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
    "dispatch.claimed",
    "target.before_call",
    "target.called",
    "handler.before_commit",
    "handler.committed",
    "dispatch.before_mark",
    "dispatch.marked",
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


def _act(name: str, verb: str, nth: int) -> None:
    _hits[name] += 1
    if _hits[name] != nth:
        return
    if verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError(f"failpoint {name}")
