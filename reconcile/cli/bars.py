"""Progress on a terminal: bars that move."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from reconcile.cli.output import Output
from reconcile.cli.tallies import ASKED, MISSING, Key, StreamTally, WorkTally, handler_of, name_of, transactions_of
from reconcile.clock import Clock
from reconcile.safe import safe


@contextmanager
def drawn(output: Output, clock: Clock, found: str = MISSING) -> Iterator[Bars]:
    """Bars on stderr within the block; the last state of each stays."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(finished_style="green"),  # its own becomes the grey of an empty bar where there are few colours
        TextColumn("{task.fields[counts]}", markup=False),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(file=output.err, highlight=False, emoji=False)) as progress:
        yield Bars(progress, output, clock, found)


class Bars:
    """One bar a stream, filled by provider time, and one a handler and a source asked about its transactions; with
    counts, the rate and the time left.
    """

    def __init__(self, progress: Progress, output: Output, clock: Clock, found: str = MISSING) -> None:
        self._progress = progress
        self._output = output
        self._clock = clock
        self._found = found
        self._lock = threading.Lock()
        self._streams: dict[Key, tuple[TaskID, StreamTally]] = {}
        self._work: dict[str, tuple[TaskID, WorkTally]] = {}

    def begin(self, key: Key, seconds: float) -> None:
        """Show a stream's bar."""
        with self._lock:
            stream = StreamTally(seconds, self._clock.monotonic(), self._found)
            self._streams[key] = (self._add(name_of(key), max(seconds, 1e-6)), stream)

    def page(self, key: Key, listed: int, missing: int) -> None:
        """Add to a stream's counts."""
        with self._lock:
            if key in self._streams:
                task, stream = self._streams[key]
                stream.add(listed, missing)
                self._show(task, stream)

    def window(self, key: Key, seconds: float) -> None:
        """Fill a stream's bar by a covered window."""
        with self._lock:
            if key in self._streams:
                self._progress.advance(self._streams[key][0], seconds)

    def end(self, key: Key, error: str | None) -> None:
        """Leave the bar full, or stopped where the error came."""
        with self._lock:
            task, stream = self._streams.pop(key, (None, None))
            if task is not None and stream is not None:
                self._show(task, stream, **({} if error else {"completed": max(stream.seconds, 1e-6)}))
                self._progress.stop_task(task)
        if error:
            self._progress.console.print(Text(self._output.redactor.text(f"{name_of(key)}: {safe(error, 2000)}")))

    def deliver(self, source: str, waiting: int) -> None:
        """Show a handler's bar, as long as there are events for it."""
        self._begin(handler_of(source), WorkTally(self._clock.monotonic(), waiting))

    def handled(self, source: str, verdict: str) -> None:
        """Count a handler's verdict, and fill its bar by what is handled."""
        self._begin(handler_of(source), WorkTally(self._clock.monotonic()), anew=False)
        self._count(handler_of(source), verdict, 1)

    def ask(self, source: str, due: int) -> None:
        """Show a bar of what is asked about, as long as anything is due."""
        self._begin(transactions_of(source), WorkTally(self._clock.monotonic(), due, ASKED))

    def asked(self, source: str, number: int) -> None:
        """Fill it by answers."""
        self._count(transactions_of(source), ASKED, number)

    def _begin(self, title: str, work: WorkTally, *, anew: bool = True) -> None:
        with self._lock:
            if work.waiting != 0 and (anew or title not in self._work):
                counts = "" if work.waiting is None else str(work)
                self._work[title] = (self._add(title, work.waiting, counts), work)

    def _count(self, title: str, verdict: str, number: int) -> None:
        with self._lock:
            if title in self._work:
                task, work = self._work[title]
                work.verdicts[verdict] += number
                self._show(task, work, completed=work.done)

    def _add(self, title: str, total: float | None, counts: str = "") -> TaskID:
        return self._progress.add_task(title, total=total, counts=counts)

    def _show(self, task: TaskID, what: StreamTally | WorkTally, **more: Any) -> None:
        self._progress.update(task, counts=what.told(self._clock.monotonic()), **more)
