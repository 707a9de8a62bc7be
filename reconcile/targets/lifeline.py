"""A worker must not outlive its parent, whatever its handler is doing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1  # prctl(2)


def hold(lifeline: int, parent: int) -> None:
    """End this process and everything it started, at once, when process `parent` is gone.

    `lifeline` is the reading end of a pipe whose other end only the parent has: it ends with the parent, even on
    kill -9. On Linux the kernel's own signal comes first; it also reaches a handler stuck inside C code.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        end()
    threading.Thread(target=_watch, args=(lifeline,), name="reconcile-lifeline", daemon=True).start()


def end() -> None:
    """Kill the process group this worker leads: itself and the children of its handlers."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _watch(lifeline: int) -> None:
    os.read(lifeline, 1)
    end()
