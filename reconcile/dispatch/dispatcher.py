"""The one door out: claim, call the target, mark, for one source.

Marks, renewals and new claims share one transaction, so that handling costs little more than the handler's own
commit; none is open while a target is called. Used from one thread; only `notify` may come from another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reconcile import failpoints
from reconcile.clock import Clock, Stop
from reconcile.config import SourceConfig
from reconcile.dispatch import loops
from reconcile.dispatch.bearing import Patience
from reconcile.dispatch.events import job_of
from reconcile.dispatch.gathering import gather
from reconcile.dispatch.keeping import Keeper
from reconcile.dispatch.marking import Marked, mark
from reconcile.dispatch.pauses import Health
from reconcile.dispatch.tally import Tally
from reconcile.errors import LedgerError
from reconcile.ledger import Ledger, claims, events, marks, waiting
from reconcile.ledger.claims import Claimed
from reconcile.ledger.ledger import Tx
from reconcile.ledger.process import owner_name
from reconcile.model import EventState
from reconcile.targets.model import Job, Outcome, Target

#: Events claimed in one commit, at most.
BATCH = 128
#: Seconds an exhausted queue is left alone while calls run, unless something came back or `notify` was called.
LOOK_EVERY = 0.25


@dataclass(slots=True)
class _Turn:
    """What one commit did."""

    marked: Marked = field(default_factory=Marked)
    swept: int = 0
    claimed: Claimed = field(default_factory=Claimed)

    @property
    def moved(self) -> int:
        marked = self.marked
        return (
            len(marked.handled | marked.failed | marked.dead)
            + self.swept
            + len(self.claimed.rows)
            + self.claimed.superseded
        )


class Dispatcher:
    """Delivers the events of one source to its target. `owner` is the name of this process's `Holder`."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        source: SourceConfig,
        target: Target,
        clock: Clock,
        stop: Stop,
        owner: str,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> None:
        self.source = source
        self.tally = Tally()
        #: Nothing that comes due after this instant is claimed, if set.
        self.before: datetime | None = None
        self._ledger = ledger
        self._target = target
        self._clock = clock
        self._stop = stop
        self._owner = owner_name(owner)
        self._on_outcome = on_outcome or (lambda _outcome: None)
        self._jobs: dict[int, Job] = {}  # claimed and not marked yet
        self._unmarked: list[Outcome] = []  # came back and not committed yet
        self._look_at = clock.monotonic()
        self._keeper = Keeper(source, self._owner, clock)
        self._patience = Patience(source.timeout.total_seconds(), clock)
        self._closing = False
        self._notice = threading.Event()

    @property
    def in_flight(self) -> int:
        """How many events are claimed and not marked yet."""
        return len(self._jobs)

    @property
    def calling(self) -> int:
        """How many events the target has not answered yet."""
        return self._target.in_flight()

    def step(self, wait: float) -> int:
        """Claim what the target can take, wait up to `wait` seconds for outcomes, mark them; how many events moved."""
        moved = self._turn()
        # Briefly for half of what the target takes: a slow one takes few.
        gather(self._target, self._unmarked, wait, self._capacity() // 2, self._clock)
        return moved + (self._turn() if self._unmarked else 0)

    def drain(self, until: datetime) -> Tally:
        """Deliver everything due by `until` (ledger's clock), waiting for retries and claims, never longer than that.

        A stop ends it early, everything given back; the caller asks `stop` about that.
        """
        loops.drain([self], until, self._ledger, self._clock, self._stop)
        return self.tally

    def run_forever(self, poll: float, wake: Callable[[float], object] | None = None) -> None:
        """Deliver until stopped, looking every `poll` seconds and at once after `notify`.

        `wake` waits up to some seconds for a delivery, in place of `notify`.
        """
        loops.run_forever(self, poll, wake or self.wait_for_notice, self._stop)

    def notify(self) -> None:
        """Something was committed that may be delivered now."""
        self._notice.set()

    def wait_for_notice(self, seconds: float) -> bool:
        """Wait until `notify` is called, at most `seconds`; whether it was."""
        return self._notice.wait(seconds)

    def next_try(self, until: datetime) -> datetime | None:
        """When something may be there to do, None if nothing will be by `until`."""
        with self._ledger.read() as tx:
            health, due = Health(tx, self.source.name), waiting.due(tx, self.source.name, until)
            if due.next_at is None or not health.ends_by_itself:
                return None
            at = max(due.next_at, health.next_try())
        return at if at <= until else None

    def ledger_now(self) -> datetime:
        """The ledger's clock."""
        return self._ledger.now()

    def upkeep_in(self) -> float:
        """Seconds until abandoned claims are looked for again, though nothing is due."""
        return self._keeper.due_in()

    def count_what_is_left(self) -> Tally:
        """The tally, with what the ledger says is left."""
        with self._ledger.read() as tx:
            counts = events.open_counts(tx, self.source.name)
            self.tally.paused = Health(tx, self.source.name).paused
        self.tally.pending = counts.get(EventState.WAITING, 0) + counts.get(EventState.CLAIMED, 0)
        self.tally.held = counts.get(EventState.HELD, 0)
        return self.tally

    def shutdown(self, grace: float = 8.0) -> None:
        """Claim nothing more, give running calls `grace` seconds, mark what came back and release the rest."""
        self._closing = True
        self._unmarked += self._target.stop(grace)
        answered = {outcome.job.seq for outcome in self._unmarked}
        with self._ledger.write() as tx:
            claims.lock(tx, self.source.name)
            health = Health(tx, self.source.name)
            turn = _Turn(mark(tx, health, self.source.retry, self._owner, self._unmarked))
        self._settle(turn)
        self._give_back([job for seq, job in self._jobs.items() if seq not in answered])

    def _turn(self) -> int:
        """One commit: renew, mark, sweep, claim; then submit. Says how many events moved."""
        wanted = self._wanted()
        if not (wanted or self._unmarked or self._keeper.is_due(holding=bool(self._jobs))):
            return 0
        if self._unmarked:
            failpoints.reach("dispatch.before_mark")
        try:
            with self._ledger.write() as tx:
                turn = self._work(tx, wanted)
        except LedgerError as error:
            self._patience.bear(error, in_hand=bool(self._jobs))
            return 0
        self._patience.restore()
        self._settle(turn)
        self._submit(turn.claimed)
        return turn.moved

    def _capacity(self) -> int:
        return min(self._target.concurrency, BATCH)

    def _wanted(self) -> int:
        """How many more events the target can take, once what came back is marked."""
        rests = self.calling and self._clock.monotonic() < self._look_at
        if self._closing or (rests and not self._unmarked and not self._notice.is_set()):
            return 0
        return max(0, self._capacity() - len(self._jobs) + len(self._unmarked))

    def _work(self, tx: Tx, wanted: int) -> _Turn:
        # Before any row is changed, so that two dispatchers of a source never wait for each other's rows.
        claims.lock(tx, self.source.name)
        self._keeper.renew(tx, self._fences)
        health = Health(tx, self.source.name)
        turn = _Turn(mark(tx, health, self.source.retry, self._owner, self._unmarked))
        turn.swept = self._keeper.sweep(tx)
        if wanted:
            self._notice.clear()
            turn.claimed = self._claim(tx, health, wanted)
            exhausted = len(turn.claimed.rows) + turn.claimed.superseded < wanted
            self._look_at = self._clock.monotonic() + (LOOK_EVERY if exhausted else 0.0)
        return turn

    def _claim(self, tx: Tx, health: Health, wanted: int) -> Claimed:
        limit = health.allows(wanted)
        if not limit:
            return Claimed()
        claimed = claims.claim(
            tx,
            self.source.name,
            self._owner,
            limit,
            skip_late=self.source.late == "skip",
            before=self.before,
            probe=health.paused,
        )
        if health.paused and claimed.rows:
            health.probing()
        return claimed

    def _fences(self) -> dict[int, int]:
        return {seq: job.fence for seq, job in self._jobs.items()}

    def _settle(self, turn: _Turn) -> None:
        """After the commit: forget what was marked, and tell."""
        self.tally.add(turn.marked)
        self.tally.superseded += turn.claimed.superseded
        told = [outcome for outcome in self._unmarked if outcome not in turn.marked.busy]
        self._unmarked = list(turn.marked.busy)
        for outcome in told:
            self._jobs.pop(outcome.job.seq, None)
        if told:
            failpoints.reach("dispatch.marked")
        for outcome in told:
            self._on_outcome(outcome)

    def _submit(self, claimed: Claimed) -> None:
        jobs = [job_of(row) for row in claimed.rows]
        if not jobs:
            return
        self._jobs |= {job.seq: job for job in jobs}
        failpoints.reach("dispatch.claimed")
        try:
            self._target.submit(jobs)
        except Exception:
            self._give_back(jobs)
            raise

    def _give_back(self, jobs: Sequence[Job]) -> None:
        """What the target did not take is nobody's: renewed for ever, it would never be delivered."""
        fences = {job.seq: self._jobs.pop(job.seq).fence for job in jobs}
        with self._ledger.write() as tx:
            marks.mark_released(tx, list(marks.standing(tx, self._owner, fences).ours.values()))
