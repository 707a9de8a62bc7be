"""A worker process as its pool sees it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress

from reconcile.targets import wire
from reconcile.targets.model import Job

_CHUNK = 1 << 18
_MODULE = "reconcile.targets.worker"


class Child:
    """One worker process. `running` is the job it says it has begun, `waiting` those sent and not begun yet."""

    def __init__(self, setup: wire.Setup, deadline: float) -> None:
        self.ready = False
        self.retiring = False
        self.closed = False  # its end of the channel
        self.killed = ""  # why we killed it
        self.deadline: float | None = deadline  # on the monotonic clock: of its start, then of each call
        self.running: Job | None = None
        self.started: wire.Started | None = None
        self.waiting: deque[Job] = deque()
        self._frames = wire.Frames()
        self._unsent = bytearray(wire.frame(setup))
        self._spawn()

    def fileno(self) -> int:
        """The descriptor of its channel."""
        return self._socket.fileno()

    @property
    def load(self) -> int:
        """How many jobs it has."""
        return len(self.waiting) + (self.running is not None)

    @property
    def has_unsent(self) -> bool:
        """Whether something waits for room in the channel."""
        return bool(self._unsent)

    def send(self, job: Job) -> None:
        """Give it one more job."""
        self.waiting.append(job)
        self._unsent += wire.frame(wire.call_of(job))

    def halt(self) -> None:
        """Ask it to begin nothing more and to end."""
        self._unsent += wire.frame(wire.Halt())

    def flush(self) -> None:
        """Send as much as the channel takes now. A worker that is gone is noticed when reading."""
        with suppress(BlockingIOError):
            while self._unsent:
                try:
                    sent = self._socket.send(memoryview(self._unsent)[:_CHUNK])
                except (BrokenPipeError, ConnectionResetError):
                    self._unsent.clear()
                    return
                del self._unsent[:sent]

    def receive(self) -> list[wire.FromWorker]:
        """What it said by now; afterwards `closed` tells whether that was its last word."""
        said: list[wire.FromWorker] = []
        with suppress(BlockingIOError, ConnectionResetError):
            while data := self._socket.recv(_CHUNK):
                said += [wire.from_worker.decode(payload) for payload in self._frames.feed(data)]
            self.closed = True
        return said

    def gone(self) -> bool:
        """Whether the process is gone. One that its handler forked may still hold the channel open."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def kill(self, why: str) -> None:
        """End it and everything it started, now."""
        self.killed = why
        self._kill()

    def bury(self) -> str:
        """Let go of a process that is gone; says why we killed it, or else how it ended by itself."""
        self._kill()
        status = self._process.wait()
        os.close(self._lifeline)
        self._socket.close()
        if self.killed:
            return self.killed
        if status < 0:
            return f"the worker was killed by {_signal_name(-status)}"
        return f"the worker ended with status {status}"

    def _kill(self) -> None:
        # It is not reaped before this, so its group's number cannot be another's.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        life, self._lifeline = os.pipe()
        self._socket = ours
        ours.setblocking(False)
        arguments = [str(theirs.fileno()), str(life), str(os.getpid())]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-u", "-X", "faulthandler", "-m", _MODULE, *arguments],
                pass_fds=(theirs.fileno(), life),
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a handler prints must not be taken for our result
                start_new_session=True,  # Ctrl-C is ours to handle; and its children end with it
            )
        except BaseException:
            ours.close()
            os.close(self._lifeline)
            raise
        finally:
            theirs.close()
            os.close(life)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
