"""Whether handlers can be loaded, tried where workers load them: in processes of their own.

A module that ends, blocks or fills its process while it is imported does so to that process and not to ours, what it
prints is not taken for a result of ours, and one that was changed since is read as it is now.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconcile.clock import Clock, Stop
from reconcile.targets import wire
from reconcile.targets.child import Child

#: Seconds that importing an application may take; workers that load it for good get as long.
PATIENCE = 60.0
_AT_ONCE = 4
_LOOK = 0.2  # seconds between looks for a stop, and for a process that ended without closing its channel


@dataclass(frozen=True, slots=True)
class Ended:
    """Importing it ended the process, or never ended itself: it would have done so to ours."""

    error: str


Verdict = wire.Ready | wire.Broken | Ended


def load(references: Iterable[str], folder: Path, clock: Clock, stop: Stop) -> dict[str, Verdict]:
    """What came of loading each of `references`, with `folder` importable. Raises `Stopped`."""
    trial = _Trial(folder, clock)
    waiting = deque(dict.fromkeys(references))
    try:
        while waiting or trial.begun:
            while waiting and len(trial.begun) < _AT_ONCE:
                trial.begin(waiting.popleft())
            stop.check()
            trial.look()
    finally:
        trial.end()
    return trial.found


class _Trial:
    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = str(folder.resolve())
        self._clock = clock
        self.begun: dict[Child, str] = {}
        self.found: dict[str, Verdict] = {}

    def begin(self, reference: str) -> None:
        # Without a ledger: whether that can be opened is another question.
        setup = wire.Setup(reference, self._folder, "")
        try:
            self.begun[Child(setup, self._clock.monotonic() + PATIENCE)] = reference
        except OSError as error:
            self.found[reference] = _ended(reference, f"the system refuses another process ({error.strerror})")

    def look(self) -> None:
        """Wait a little for one of them to say something or to end."""
        for child in self.begun:
            child.flush()
        select.select(list(self.begun), [], [], _LOOK)
        for child, reference in list(self.begun.items()):
            verdict = self._verdict(child, reference)
            if verdict is not None:
                del self.begun[child]
                self.found[reference] = verdict

    def _verdict(self, child: Child, reference: str) -> Verdict | None:
        late = child.deadline is not None and child.deadline < self._clock.monotonic()
        gone = child.gone()  # asked first: what it said before its end is heard below
        said = [one for one in child.receive() if isinstance(one, wire.Ready | wire.Broken)]
        if late and not (said or gone or child.closed):
            child.kill(f"it takes longer than {PATIENCE:g} s")
        elif not (said or gone or child.closed):
            return None
        why = child.bury()
        return said[0] if said else _ended(reference, why)

    def end(self) -> None:
        """Leave none behind."""
        for child in self.begun:
            child.bury()
        self.begun.clear()


def _ended(reference: str, why: str) -> Ended:
    return Ended(f"handler {reference}: importing {reference.partition(':')[0]} failed: {why}")
