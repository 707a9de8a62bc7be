"""A worker process: loads the handler, runs one call after the other, tells its pool.

Started by `child.py` as `python -m reconcile.targets.worker CHANNEL LIFELINE PARENT`: two descriptors and a process
id. What to load, and the ledger's URL with its password, come over the channel.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from reconcile.clock import Clock, SystemClock
from reconcile.errors import ConfigError, LedgerError
from reconcile.targets import lifeline, wire
from reconcile.targets.calling import Caller, Claim, Result
from reconcile.targets.loading import LoadedHandler, load_handler
from reconcile.targets.residue import Residue

if TYPE_CHECKING:
    from reconcile.targets.exactly_once import Sessions

_CHUNK = 1 << 18


class Channel:
    """The worker's end of the socket pair. What is said waits for `flush`, so that two messages cost one call."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._readable = select.poll()
        self._readable.register(descriptor, select.POLLIN)
        self._frames = wire.Frames()
        self._unsent: list[bytes] = []

    def say(self, message: wire.FromWorker) -> None:
        """Put a message behind those not sent yet."""
        self._unsent.append(wire.frame(message))

    def flush(self) -> None:
        """Send what was said."""
        self._socket.sendall(b"".join(self._unsent))
        self._unsent.clear()

    def heard(self, *, wait: bool) -> list[wire.ToWorker]:
        """What came; with `wait`, at least a part of a message. Ends the process when the pool has gone away."""
        if not wait and not self._readable.poll(0):
            return []
        data = self._socket.recv(_CHUNK)
        if not data:
            lifeline.end()
        return [wire.to_worker.decode(payload) for payload in self._frames.feed(data)]


class Worker:
    """Runs calls in the order they come, until told to halt or spoilt by a handler."""

    def __init__(self, channel: Channel, caller: Caller) -> None:
        self._channel = channel
        self._caller = caller
        self._clock = SystemClock()
        self._residue = Residue()
        self._calls: deque[wire.Call] = deque()
        self._halted = False

    def run(self) -> None:
        """Work until there is nothing more to do here."""
        while True:
            self._listen()
            if self._halted:
                return
            if self._calls and self._perform(self._calls.popleft()):
                return

    def _listen(self) -> None:
        if not self._calls:
            self._channel.flush()
        for message in self._channel.heard(wait=not self._calls):
            if isinstance(message, wire.Call):
                self._calls.append(message)
            else:
                self._halted = True

    def _perform(self, call: wire.Call) -> bool:
        """Run one call; whether this process is spoilt by it."""
        began = self._clock.monotonic()
        self._channel.say(wire.Started(call.seq, began, self._clock.now()))
        self._channel.flush()
        result = self._result(call)
        retire = self._residue.spoilt(result.raised)
        done = wire.Done(
            call.seq,
            result.verdict,
            result.error,
            result.started_at,
            result.finished_at,
            self._clock.monotonic() - began,
            result.marked,
            retire,
        )
        self._channel.say(done)
        return retire

    def _result(self, call: wire.Call) -> Result:
        return self._caller.call(wire.event_of(call), Claim(call.seq, call.fence, call.number))


def main(channel: int, life: int, parent: int) -> None:
    """Live as a worker of process `parent`."""
    lifeline.hold(life, parent)
    for inherited in (channel, life):
        os.set_inheritable(inherited, False)
    for ending in (signal.SIGTERM, signal.SIGINT):
        # Service managers signal every process of a service; when we end is our parent's to say. Not SIG_IGN,
        # which the handler's own subprocesses would inherit.
        signal.signal(ending, lambda *_: None)
    line = Channel(channel)
    caller = _set_up(line)
    if caller is not None:
        Worker(line, caller).run()
    line.flush()
    sys.stdout.flush()
    os._exit(0)  # a leaked thread would keep the interpreter from ending


def _set_up(line: Channel) -> Caller | None:
    heard = line.heard(wait=True)
    while not heard:
        heard = line.heard(wait=True)
    setup = heard[0]
    assert isinstance(setup, wire.Setup)  # noqa: S101 - the pool says it first, and nothing else before Ready
    try:
        handler = load_handler(setup.reference, Path(setup.folder))
        caller = _caller(handler, setup)
    except (ConfigError, LedgerError) as error:
        line.say(wire.Broken(str(error), isinstance(error, ConfigError)))
        return None
    topics = None if handler.topics is None else sorted(handler.topics)
    line.say(wire.Ready(handler.takes_session, topics))
    return caller


def _caller(handler: LoadedHandler, setup: wire.Setup) -> Caller:
    clock = SystemClock()
    if not (handler.takes_session and setup.ledger):
        return Caller(handler, clock, BaseException)
    # Only now: SQLAlchemy costs 0.4 s and 40 MB, and most handlers do without.
    open_sessions: Callable[[str, Clock], Sessions] = resolve_name("reconcile.targets.exactly_once:open_sessions")
    return Caller(handler, clock, BaseException, open_sessions(setup.ledger, clock))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
