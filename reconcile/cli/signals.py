"""SIGINT and SIGTERM: the first asks the work to stop where it is safe, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from reconcile.clock import Stop


class Terminated(KeyboardInterrupt):
    """SIGTERM where nothing looks at a stop: it interrupts like SIGINT does."""


#: Seconds after a stop in which a process that stays has to be gone: ten are promised.
PATIENCE = 9.7
_LOOK = 1.0
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
_ASKED = b"\nstopping where it is safe; once more to stop at once\n"
_SHOW_CURSOR = b"\x1b[?25h"


@contextmanager
def stopping(stop: Stop) -> Iterator[None]:
    """Within the block, signals set `stop` instead of interrupting whatever runs."""
    before = {number: signal.signal(number, _handler(stop)) for number in CODES}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def in_time(stop: Stop) -> Iterator[None]:
    """End the process at last `PATIENCE` after a stop was asked for, whatever the block still waits for: a database
    that does not answer would keep it for as long as the network takes to give up. What was committed stays.
    """
    over = threading.Event()
    threading.Thread(target=_watch, args=(stop, over), name="end in time", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _watch(stop: Stop, over: threading.Event) -> None:
    while not stop.wait(_LOOK):
        if over.is_set():
            return
    if not over.wait(PATIENCE):
        _leave(stop.exit_code)  # nothing is flushed: a pipe that nobody reads may be what is waited for


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block SIGTERM raises, as SIGINT does, so that it ends in our own exit code and document."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def hanging_up(read_again: Callable[[], None]) -> Iterator[None]:
    """Within the block, SIGHUP calls `read_again` instead of ending the process."""
    before = signal.signal(signal.SIGHUP, lambda _number, _frame: read_again())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def leave(code: int) -> NoReturn:
    """End the process without waiting for threads that do not end: what they committed stays, as after a crash."""
    sys.stdout.flush()
    sys.stderr.flush()
    _leave(code)


def _handler(stop: Stop) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            _leave(CODES[signal.Signals(number)])
        stop.set(CODES[signal.Signals(number)])
        os.write(2, _ASKED)

    return handle


def _leave(code: int) -> NoReturn:
    """Without unwinding: a hung handler or a stuck request must not be able to keep us."""
    if os.isatty(2):
        os.write(2, _SHOW_CURSOR)
    os._exit(code)
