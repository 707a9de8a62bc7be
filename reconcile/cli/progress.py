"""Progress as a person sees it: bars on a terminal, a line every few seconds elsewhere, records in JSON logs."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from reconcile.cli.output import Output
from reconcile.clock import Clock
from reconcile.logs import Format
from reconcile.progress import Progress as Listener
from reconcile.safe import safe

EVERY = 5.0  # seconds between two plain lines
Key = tuple[str, str]
_NOTHING: dict[str, Any] = {"listed": 0, "missing": 0, "rate": "0"}
_log = logging.getLogger(__name__)


@contextmanager
def watching(output: Output, clock: Clock, format_: Format) -> Iterator[Listener]:
    """The listener that suits where stderr goes."""
    if format_ == "json":
        yield Records()
    elif output.err.isatty():
        console = Console(file=output.err, highlight=False, emoji=False)
        with _bars(console) as progress:
            yield Bars(progress, output)
    else:
        yield Lines(output, clock)


def _bars(console: Console) -> Progress:
    fields = "{task.fields[listed]} listed  {task.fields[missing]} missing  {task.fields[rate]}/s"
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn(fields, markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


@dataclass(slots=True)
class _Stream:
    """How far one stream is; `seconds` and `done` are provider time."""

    seconds: float
    began: float
    done: float = 0.0
    listed: int = 0
    missing: int = 0

    @property
    def percent(self) -> int:
        return min(100, int(100 * self.done / self.seconds)) if self.seconds > 0 else 100


class Bars:
    """One bar a stream, filled by provider time, with counts, items a second and time left."""

    def __init__(self, progress: Progress, output: Output) -> None:
        self._progress = progress
        self._output = output
        self._lock = threading.Lock()
        self._tasks: dict[Key, TaskID] = {}
        self._verdicts: dict[str, Counter[str]] = {}

    def begin(self, key: Key, seconds: float) -> None:
        """Show a stream's bar."""
        with self._lock:
            self._tasks[key] = self._progress.add_task(_name(key), total=max(seconds, 1e-6), **_NOTHING)

    def page(self, key: Key, listed: int, missing: int) -> None:
        """Add to a stream's counts."""
        with self._lock:
            if key in self._tasks:
                task = next(task for task in self._progress.tasks if task.id == self._tasks[key])
                total = task.fields["listed"] + listed
                rate = f"{total / max(task.elapsed or 0.0, 1e-3):.0f}"
                self._progress.update(task.id, listed=total, missing=task.fields["missing"] + missing, rate=rate)

    def window(self, key: Key, seconds: float) -> None:
        """Fill a stream's bar by a covered window."""
        with self._lock:
            if key in self._tasks:
                self._progress.advance(self._tasks[key], seconds)

    def end(self, key: Key, error: str | None) -> None:
        """Leave the bar full, or stopped where the error came."""
        with self._lock:
            task = self._tasks.pop(key, None)
            if task is not None:
                self._progress.stop_task(task)
        if error:
            self._print(f"{_name(key)}: {error}")

    def handled(self, source: str, verdict: str) -> None:
        """Count a handler's verdict in the source's own line."""
        with self._lock:
            counts = self._verdicts.setdefault(source, Counter())
            counts[verdict] += 1
            key = (source, "\0handler")
            if key not in self._tasks:
                self._tasks[key] = self._progress.add_task("", total=None, **_NOTHING)
            self._progress.update(self._tasks[key], description=f"{safe(source)} handler: {_verdicts(counts)}")

    def say(self, source: str, text: str) -> None:
        """Print a sentence above the bars."""
        self._print(_sentence(source, text))

    def _print(self, text: str) -> None:
        self._progress.console.print(Text(self._output.redactor.text(safe(text, 2000))))


class Lines:
    """Plain lines, for a pipe or a log file: each stream's start and end, and how far all are every few seconds."""

    def __init__(self, output: Output, clock: Clock) -> None:
        self._output = output
        self._clock = clock
        self._lock = threading.Lock()
        self._streams: dict[Key, _Stream] = {}
        self._verdicts: dict[str, Counter[str]] = {}
        self._spoke = clock.monotonic()

    def begin(self, key: Key, seconds: float) -> None:
        """Say that a stream starts."""
        with self._lock:
            self._streams[key] = _Stream(seconds, self._clock.monotonic())
            self._output.say(f"{_name(key)}: reading {seconds / 3600:.1f} h of provider time")

    def page(self, key: Key, listed: int, missing: int) -> None:
        """Add to a stream's counts."""
        with self._lock:
            if stream := self._streams.get(key):
                stream.listed += listed
                stream.missing += missing
            self._tell()

    def window(self, key: Key, seconds: float) -> None:
        """Add a covered window."""
        with self._lock:
            if stream := self._streams.get(key):
                stream.done += seconds
            self._tell()

    def end(self, key: Key, error: str | None) -> None:
        """Say how a stream ended."""
        with self._lock:
            stream = self._streams.pop(key, None)
            counts = f"{stream.listed} listed, {stream.missing} missing" if stream else "nothing read"
            self._output.say(f"{_name(key)}: {counts}" + (f"; stopped: {safe(error, 2000)}" if error else ""))

    def handled(self, source: str, verdict: str) -> None:
        """Count a handler's verdict."""
        with self._lock:
            self._verdicts.setdefault(source, Counter())[verdict] += 1
            self._tell()

    def say(self, source: str, text: str) -> None:
        """Print a sentence at once."""
        self._output.say(_sentence(source, safe(text, 2000)))

    def _tell(self) -> None:
        now = self._clock.monotonic()
        if now - self._spoke < EVERY:
            return
        self._spoke = now
        for key, stream in self._streams.items():
            rate = stream.listed / max(now - stream.began, 1e-3)
            counts = f"{stream.percent} % of its time, {stream.listed} listed, {stream.missing} missing, {rate:.0f}/s"
            self._output.say(f"{_name(key)}: {counts}")
        for source, verdicts in self._verdicts.items():
            self._output.say(f"{safe(source)}: handler: {_verdicts(verdicts)}")


class Records:
    """Log records, for `--log-format json`: stderr stays one object a line."""

    def begin(self, key: Key, seconds: float) -> None:
        """Record a stream's start."""
        _log.info("stream.begin", extra=_fields(key) | {"seconds": seconds})

    def page(self, key: Key, listed: int, missing: int) -> None:
        """Record a page."""
        _log.info("stream.page", extra=_fields(key) | {"listed": listed, "missing": missing})

    def window(self, key: Key, seconds: float) -> None:
        """Record a covered window."""
        _log.info("stream.window", extra=_fields(key) | {"seconds": seconds})

    def end(self, key: Key, error: str | None) -> None:
        """Record a stream's end."""
        _log.log(logging.ERROR if error else logging.INFO, "stream.end", extra=_fields(key) | {"error": error})

    def handled(self, source: str, verdict: str) -> None:
        """Record a handler's verdict."""
        _log.info("event.handled", extra={"source": source, "verdict": verdict})

    def say(self, source: str, text: str) -> None:
        """Record a sentence."""
        _log.info("note", extra={"source": source, "text": text})


def _fields(key: Key) -> dict[str, object]:
    return {"source": key[0], "stream": key[1]}


def _name(key: Key) -> str:
    return safe(" ".join(key))


def _sentence(source: str, text: str) -> str:
    return f"{source}: {text}" if source else text


def _verdicts(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {safe(verdict)}" for verdict, number in sorted(counts.items()))
