"""What a handler left behind in its process, and whether the next event may still run there."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any


class Residue:
    """Compares a process with what it was when this was made, after the handler's module was loaded."""

    def __init__(self) -> None:
        self._known = set(threading.enumerate())
        self._pid = os.getpid()

    def spoilt(self, raised: BaseException | None) -> bool:
        """Whether the process must be replaced: a `BaseException`, a thread that would keep it alive, an event loop."""
        if os.getpid() != self._pid:
            os._exit(1)  # a fork of the handler's came back as if it were the worker
        if raised is not None and not isinstance(raised, Exception):
            return True
        return self._leaked_a_thread() or _left_a_loop()

    def _leaked_a_thread(self) -> bool:
        return any(not one.daemon and one.is_alive() and one not in self._known for one in threading.enumerate())


def _left_a_loop() -> bool:
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the documented get_running_loop() raises instead
        return True
    # Asking the policy itself would make a loop, or warn; its record of the thread's loop has no public name.
    policy: Any = getattr(asyncio.events, "_event_loop_policy", None)
    loop = getattr(getattr(policy, "_local", None), "_loop", None)
    return loop is not None and not loop.is_closed()
