"""Progress as a person sees it: bars on a terminal, a line every few seconds elsewhere, records in JSON logs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module

from reconcile import when
from reconcile.cli.output import Output
from reconcile.cli.tallies import ASKED, MISSING, Key, StreamTally, WorkTally, handler_of, name_of, transactions_of
from reconcile.clock import Clock
from reconcile.logs import Format
from reconcile.progress import Progress as Listener
from reconcile.progress import Silent
from reconcile.safe import safe

EVERY = 5.0  # seconds between two plain lines
log = logging.getLogger(__name__)


@contextmanager
def watching(output: Output, clock: Clock, format_: Format, found: str = MISSING) -> Iterator[Listener]:
    """The listener that suits where stderr goes; `found` names what a run counts beside listed items."""
    if format_ == "json":
        yield Records()
    elif output.err.isatty():
        # Only now: drawing costs a twentieth of a second, and a pipe has no use for it.
        with import_module("reconcile.cli.bars").drawn(output, clock, found) as bars:
            yield bars
    else:
        yield Lines(output, clock, found)


class Lines:
    """Plain lines, for a pipe or a log file: each stream's start and end, and how far all are every few seconds."""

    def __init__(self, output: Output, clock: Clock, found: str = MISSING) -> None:
        self._output = output
        self._clock = clock
        self._found = found
        self._lock = threading.Lock()
        self._streams: dict[Key, StreamTally] = {}
        self._work: dict[str, WorkTally] = {}
        self._spoke = clock.monotonic()

    def begin(self, key: Key, seconds: float) -> None:
        """Say that a stream starts."""
        with self._lock:
            self._streams[key] = StreamTally(seconds, self._clock.monotonic(), self._found)
            self._output.say(f"{name_of(key)}: reading {when.span(timedelta(seconds=seconds))} of provider time")

    def page(self, key: Key, listed: int, missing: int) -> None:
        """Add to a stream's counts."""
        with self._lock:
            if stream := self._streams.get(key):
                stream.add(listed, missing)
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
            self._output.say(
                f"{name_of(key)}: {stream or 'nothing read'}" + (f"; stopped: {safe(error, 2000)}" if error else "")
            )

    def deliver(self, source: str, waiting: int) -> None:
        """Say how many events a handler is to get."""
        with self._lock:
            self._work[handler_of(source)] = WorkTally(self._clock.monotonic(), waiting)
            if waiting:
                self._output.say(f"{handler_of(source)}: {waiting} to deliver")

    def handled(self, source: str, verdict: str) -> None:
        """Count a handler's verdict."""
        with self._lock:
            handler = self._work.setdefault(handler_of(source), WorkTally(self._clock.monotonic()))
            handler.verdicts[verdict] += 1
            self._tell()

    def ask(self, source: str, due: int) -> None:
        """Say how many transactions are to be asked about."""
        with self._lock:
            self._work[transactions_of(source)] = WorkTally(self._clock.monotonic(), due, ASKED)
            if due:
                self._output.say(f"{transactions_of(source)}: {due} to ask about")

    def asked(self, source: str, number: int) -> None:
        """Count answers."""
        with self._lock:
            self._work[transactions_of(source)].verdicts[ASKED] += number
            self._tell()

    def _tell(self) -> None:
        now = self._clock.monotonic()
        if now - self._spoke < EVERY:
            return
        self._spoke = now
        for key, stream in self._streams.items():
            self._output.say(f"{name_of(key)}: {stream.percent} % of its time, {stream.told(now)}")
        for title, work in self._work.items():
            if work.verdicts:
                self._output.say(f"{title}: {work.told(now)}")


class Records(Silent):
    """Log records, for `--log-format json`: stderr stays one object a line. `reconcile.records` tells the rest."""

    def deliver(self, source: str, waiting: int) -> None:
        """Record how many events a handler is to get."""
        log.info("source.deliver", extra={"source": source, "waiting": waiting})

    def ask(self, source: str, due: int) -> None:
        """Record how many transactions are to be asked about."""
        log.info("source.ask", extra={"source": source, "due": due})

    def asked(self, source: str, number: int) -> None:
        """Record answers."""
        log.info("transactions.asked", extra={"source": source, "number": number})
