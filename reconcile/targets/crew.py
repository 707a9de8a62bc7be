"""The workers of a pool: who gets which job, who is late, who died, who takes over. Runs in the pool's own thread."""

from __future__ import annotations

import selectors
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterable

from reconcile.clock import Clock
from reconcile.targets import wire
from reconcile.targets.child import Child
from reconcile.targets.model import Job, Outcome, Verdict
from reconcile.targets.pace import Pace

START_SECONDS = 60.0  # for importing the application
_LOOK_AFTER = 0.5  # seconds between looks for processes that ended without closing their channel
_HIRE_AGAIN = 5.0  # seconds before another worker is tried when one could not start and others can work
_NAP = 0.005  # seconds, at most, that busy workers may talk before they are heard
_DEATHS = 3  # workers a job may see die before it was begun

Tell = Callable[[Outcome], None]


class Crew:
    """Up to `size` worker processes. `tell` gets each outcome, its error not cleaned yet."""

    def __init__(self, setup: wire.Setup, clock: Clock, timeout: float, tell: Tell) -> None:
        self.size = 1
        self.pace = Pace()
        self.first: wire.Ready | wire.Broken | None = None  # what the first worker said of its start
        self._setup = setup
        self._clock = clock
        self._timeout = timeout
        self._tell = tell
        self._children: list[Child] = []
        self._backlog: deque[Job] = deque()
        self._deaths: Counter[int] = Counter()
        self._stopping = False
        self._hire_from = 0.0
        self._look_at = 0.0
        self._selector = selectors.DefaultSelector()
        self._awake, self._bell = socket.socketpair()
        for end in (self._awake, self._bell):
            end.setblocking(False)
        self._bell_alone = selectors.DefaultSelector()
        for selector in (self._selector, self._bell_alone):
            selector.register(self._awake, selectors.EVENT_READ)

    @property
    def empty(self) -> bool:
        """Whether no worker is left."""
        return not self._children

    def wake(self) -> None:
        """Let `step` return at once; may be called from another thread."""
        try:
            self._bell.send(b"\0")
        except BlockingIOError:
            return  # it has not heard the bells before this one yet

    def take(self, jobs: Iterable[Job]) -> None:
        """Queue jobs; once stopping, give them back."""
        if self._stopping:
            self._release(jobs)
        else:
            self._backlog.extend(jobs)

    def hire(self) -> None:
        """Start one more worker."""
        try:
            child = Child(self._setup, self._clock.monotonic() + START_SECONDS)
        except OSError as error:
            self._could_not_start(f"the system refuses another process ({error.strerror})")
            return
        self._children.append(child)
        self._selector.register(child, selectors.EVENT_READ, child)

    def step(self, seconds: float) -> None:
        """Hand out what can be, then wait up to `seconds` for the next thing to happen and deal with it."""
        self._hand_out()
        self._flush()
        self._nap()
        for key, _ in self._selector.select(self._patience(seconds)):
            if isinstance(key.data, Child):
                self._hear(key.data)
            else:
                self._awake.recv(4096)
        self._expire()
        self._look_after()

    def halt(self) -> None:
        """Begin nothing more: what nobody has begun is given back, idle workers end, busy ones finish their call."""
        self._stopping = True
        self._release(self._backlog)
        self._backlog.clear()
        for child in list(self._children):
            if child.ready:
                child.halt()
            else:
                child.kill("stopped before it was ready")
                self._bury(child)
        self._flush()

    def cut_off(self) -> None:
        """Kill every worker that is left."""
        for child in list(self._children):
            self._hear(child)
            if child in self._children:
                child.kill("stopped while it was running; whether it had its effect is not known")
                self._bury(child)

    def close(self) -> None:
        """Let go of the descriptors."""
        self._selector.close()
        self._bell_alone.close()
        self._awake.close()
        self._bell.close()

    def _hand_out(self) -> None:
        while self._backlog:
            able = [one for one in self._children if one.ready and not one.retiring and one.load < self.pace.window]
            if not able:
                break
            min(able, key=lambda one: one.load).send(self._backlog.popleft())
        self._hire_for(len(self._backlog))

    def _nap(self) -> None:
        """While every worker has calls ahead, hear of several at once: being woken for each costs as much as a short
        call. The bell is still heard at once.
        """
        ahead = min((len(child.waiting) for child in self._children if child.ready), default=0)
        self._bell_alone.select(min(_NAP, self.pace.time_for(ahead) / 2))

    def _hire_for(self, jobs: int) -> None:
        if self._clock.monotonic() < self._hire_from:
            return
        starting = sum(not child.ready for child in self._children)
        for _ in range(min(jobs - starting, self.size - len(self._children))):
            self.hire()

    def _flush(self) -> None:
        for child in self._children:
            if child.has_unsent:
                child.flush()
                both = selectors.EVENT_READ | selectors.EVENT_WRITE
                self._selector.modify(child, both if child.has_unsent else selectors.EVENT_READ, child)

    def _patience(self, seconds: float) -> float:
        now = self._clock.monotonic()
        due = min((child.deadline for child in self._children if child.deadline is not None), default=now + seconds)
        return max(0.0, min(seconds, due - now, _LOOK_AFTER))

    def _hear(self, child: Child) -> None:
        for message in child.receive():
            self._understand(child, message)
        if child.closed:
            self._bury(child)

    def _understand(self, child: Child, message: wire.FromWorker) -> None:
        match message:
            case wire.Started():
                child.running, child.started = child.waiting.popleft(), message
                child.deadline = message.at + self._timeout
                self._deaths.pop(message.seq, None)
            case wire.Done():
                self._done(child, message)
            case wire.Ready():
                child.ready, child.deadline = True, None
                self.first = self.first or message
            case wire.Broken():
                child.killed = message.error
                self.first = self.first or message

    def _done(self, child: Child, done: wire.Done) -> None:
        job, child.running, child.deadline = child.running, None, None
        child.retiring = done.retire
        assert job is not None  # noqa: S101 - a worker says Started before Done
        self.pace.note(done.seconds)
        verdict = Verdict(done.verdict)
        self._tell(Outcome(job, verdict, done.error, done.started_at, done.finished_at, done.marked))

    def _expire(self) -> None:
        now = self._clock.monotonic()
        for child in [one for one in self._children if one.deadline is not None and one.deadline < now]:
            self._hear(child)  # it may have finished while we were busy
            if child not in self._children or child.deadline is None or child.deadline >= now:
                continue
            late = f"timed out after {self._timeout:g} s"
            child.kill(late if child.ready else f"importing the handler took longer than {START_SECONDS:g} s")
            self._bury(child)

    def _look_after(self) -> None:
        now = self._clock.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_AFTER
        for child in list(self._children):
            if child.gone():
                self._hear(child)
                if child in self._children:
                    self._bury(child)

    def _bury(self, child: Child) -> None:
        self._selector.unregister(child)
        self._children.remove(child)
        why = child.bury()
        if child.running is not None and child.started is not None:
            verdict = Verdict.RELEASED if self._stopping and child.killed else Verdict.FAILED
            error = why if child.killed else f"{why} while it ran this event"
            self._tell(Outcome(child.running, verdict, error, child.started.when, self._clock.now()))
        elif child.waiting and not child.killed:
            self._deaths[child.waiting[0].seq] += 1
        self._give_back(child)
        if not child.ready and not self._stopping:
            self._could_not_start(why if child.killed else f"{why} while it loaded the handler")

    def _give_back(self, child: Child) -> None:
        if self._stopping:
            self._release(child.waiting)
            return
        for job in reversed(child.waiting):
            if self._deaths[job.seq] < _DEATHS:
                self._backlog.appendleft(job)
            else:
                del self._deaths[job.seq]
                self._untried(job, Verdict.FAILED, f"{_DEATHS} workers died before they could begin it")

    def _could_not_start(self, why: str) -> None:
        self.first = self.first or wire.Broken(why, of_config=True)
        self._hire_from = self._clock.monotonic() + _HIRE_AGAIN
        if any(child.ready for child in self._children):
            return
        self._hire_from = 0.0
        for job in self._backlog:
            self._untried(job, Verdict.UNREACHABLE, f"no worker can start: {why}")
        self._backlog.clear()

    def _release(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._untried(job, Verdict.RELEASED, "")

    def _untried(self, job: Job, verdict: Verdict, error: str) -> None:
        now = self._clock.now()
        self._tell(Outcome(job, verdict, error, now, now))
