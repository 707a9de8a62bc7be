"""The command line: one module for each group of commands, each command a few lines over the core."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from pkgutil import resolve_name
from types import FrameType

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (default: the process's) name; the exit code.

    Most of what it needs is loaded only now, which takes a moment. A signal that comes meanwhile is kept for what can
    tell of it; a second one ends the process.
    """
    _open_what_is_closed()
    early: list[int] = []

    def keep(number: int, _frame: FrameType | None) -> None:
        if early:
            os._exit(128 + number)
        early.append(number)

    before = {number: signal.signal(number, keep) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        run: Callable[[Sequence[str] | None, Sequence[int]], int] = resolve_name("reconcile.cli.entry:main")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return run(arguments, early)


def _open_what_is_closed() -> None:
    """Give a process that was started without stdin, stdout or stderr (`>&-`) an empty one, and its children too.

    The next file to be opened would else get that number, and be written to as if it were a terminal.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - stays open as long as the process
            os.set_inheritable(nowhere.fileno(), True)
            setattr(sys, name, nowhere)
