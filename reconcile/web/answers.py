"""Answers on their way from the committer's thread to the event loop: one wake-up for all that share a commit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from reconcile.receiving.answer import Answer

_Future = asyncio.Future[Answer]


class Answers:
    """For one event loop at a time; a server that is started again in another one makes no difference."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready: dict[asyncio.AbstractEventLoop, list[tuple[_Future, Answer]]] = {}

    def expect(self) -> tuple[_Future, Callable[[Answer], None]]:
        """A future of the running loop, and how any thread gives it its answer; only the first one counts."""
        loop = asyncio.get_running_loop()
        future: _Future = loop.create_future()
        return future, lambda answer: self._tell(loop, future, answer)

    def _tell(self, loop: asyncio.AbstractEventLoop, future: _Future, answer: Answer) -> None:
        with self._lock:
            ready = self._ready.get(loop)
            if ready is not None:
                ready.append((future, answer))
                return
            self._ready[loop] = [(future, answer)]
            try:
                loop.call_soon_threadsafe(self._settle, loop)
            except RuntimeError:  # the loop is closed: whoever asked has gone with it
                del self._ready[loop]

    def _settle(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            ready = self._ready.pop(loop, [])
        for future, answer in ready:
            if not future.done():
                future.set_result(answer)
