"""Two ways to run dispatchers: until nothing is due any more, and until stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from reconcile.clock import Clock, Stop
from reconcile.dispatch.tally import Tally
from reconcile.errors import LedgerError, Stopped
from reconcile.ledger import Ledger

#: Seconds running calls get, counted from the stop: two more are left for the rest, to be gone within ten.
GRACE = 8.0
#: Seconds to wait for outcomes at a time while calls run.
_WAIT = 0.5
#: The same where new deliveries are to be noticed meanwhile.
_WAIT_LIVE = 0.05
#: Seconds between two looks, at least.
_SHORTEST = 0.1
#: Seconds after which a stop is noticed while nothing happens.
_STOP_CHECK = 0.25

log = logging.getLogger(__name__)


class Steps(Protocol):
    """What a loop asks of a dispatcher."""

    before: datetime | None

    @property
    def in_flight(self) -> int:
        """Events claimed and not marked yet."""
        ...

    @property
    def calling(self) -> int:
        """Events the target has not answered yet."""
        ...

    def step(self, wait: float) -> int:
        """How many events moved."""
        ...

    def next_try(self, until: datetime) -> datetime | None:
        """When something may be there to do."""
        ...

    def count_what_is_left(self) -> Tally:
        """The tally."""
        ...

    def shutdown(self, grace: float) -> None:
        """Give everything back."""
        ...


def drain(dispatchers: Sequence[Steps], until: datetime, ledger: Ledger, clock: Clock, stop: Stop) -> None:
    """Deliver everything of several sources that is due by `until` (ledger's clock), side by side.

    Work goes on past `until` while anything is still due from before; waiting never does. A stop, or an error,
    gives everything back.
    """
    for dispatcher in dispatchers:
        dispatcher.before = until
    try:
        while not stop.is_set() and _advance(dispatchers, until, ledger, clock, stop):
            pass
    except Exception:
        _abandon(dispatchers)
        raise
    if stop.is_set():
        close(dispatchers, GRACE - _WAIT, clock)  # the last step may have gone on for `_WAIT` since the stop
    for dispatcher in dispatchers:
        dispatcher.before = None
        dispatcher.count_what_is_left()


def _advance(dispatchers: Sequence[Steps], until: datetime, ledger: Ledger, clock: Clock, stop: Stop) -> bool:
    """One step of each, and a pause if nothing moved; whether there is anything left to do."""
    if sum(dispatcher.step(_WAIT / len(dispatchers)) for dispatcher in dispatchers):
        return True
    if any(dispatcher.calling for dispatcher in dispatchers):
        return True
    now = ledger.now()
    tries = [at for dispatcher in dispatchers if (at := dispatcher.next_try(until)) is not None]
    if any(dispatcher.in_flight for dispatcher in dispatchers):
        tries, left = [now], _SHORTEST
    else:
        left = (until - now).total_seconds()
    if not tries or left <= 0:
        return False
    return _pause(min(max(_SHORTEST, (min(tries) - now).total_seconds()), left), clock, stop)


def _pause(seconds: float, clock: Clock, stop: Stop) -> bool:
    try:
        clock.wait(seconds, stop)
    except Stopped:
        return False
    return True


def _abandon(dispatchers: Sequence[Steps]) -> None:
    """After an error: nobody waits 30 s for claims we know are ours."""
    for dispatcher in dispatchers:
        _shut_down(dispatcher, 0.0)


def close(dispatchers: Sequence[Steps], grace: float, clock: Clock) -> None:
    """Shut all of them down within one `grace`: while the first is waited for, the calls of the others go on."""
    deadline = clock.monotonic() + grace
    for dispatcher in dispatchers:
        _shut_down(dispatcher, max(0.0, deadline - clock.monotonic()))


def _shut_down(dispatcher: Steps, grace: float) -> None:
    try:
        dispatcher.shutdown(grace)
    except LedgerError as error:
        log.warning("claims could not be given back, they run out by themselves: %s", error)


class Forever(Steps, Protocol):
    """What `run_forever` asks besides."""

    def notify(self) -> None:
        """Look at the next step."""
        ...

    def ledger_now(self) -> datetime:
        """The ledger's clock."""
        ...

    def upkeep_in(self) -> float:
        """Seconds until a step has to be made though nothing is due."""
        ...


def run_forever(dispatcher: Forever, poll: float, wake: Callable[[float], object], stop: Stop) -> None:
    """Deliver until stopped. Nothing else ends it: deliveries are accepted meanwhile, and somebody has to go on."""
    while not stop.is_set():
        try:
            moved = dispatcher.step(_WAIT_LIVE)
            idle = 0.0 if moved or dispatcher.calling else _idle(dispatcher, poll) or _SHORTEST
        except LedgerError as error:
            log.error("dispatch goes on when the ledger answers: %s", error)  # noqa: TRY400 - the message says it all
            stop.wait(poll)  # whatever is due or was notified meanwhile: it would fail as often as it can be tried
        except Exception:  # a handler that cannot be loaded, or a bug: said each time, never the end of the thread
            log.exception("dispatch failed and tries again in %s s", poll)
            stop.wait(poll)
        else:
            if not idle:
                continue
            _stand_by(dispatcher, poll, idle, wake, stop)
        dispatcher.notify()
    _shut_down(dispatcher, GRACE)


def _stand_by(dispatcher: Forever, poll: float, idle: float, wake: Callable[[float], object], stop: Stop) -> None:
    """Rest until there is something to do. Every `poll` seconds is looked whether there is: reading costs a tenth of a
    turn, which writes.
    """
    until = dispatcher.upkeep_in()
    while not _rest(min(idle, until), wake, stop) and until > idle:
        until -= idle
        try:
            idle = _idle(dispatcher, poll)
        except LedgerError:
            return
        if not idle:
            return


def _idle(dispatcher: Forever, poll: float) -> float:
    """Seconds until something comes due, at most `poll`; none if something is due."""
    now = dispatcher.ledger_now()
    at = dispatcher.next_try(now + timedelta(seconds=poll))
    if at is None:
        return poll
    return min(max(_SHORTEST, (at - now).total_seconds()), poll) if at > now else 0.0


def _rest(seconds: float, wake: Callable[[float], object], stop: Stop) -> bool:
    """Wait; whether something woke us before the time was over."""
    left = seconds
    while left > 0:
        if stop.is_set() or wake(min(left, _STOP_CHECK)):
            return True
        left -= _STOP_CHECK
    return stop.is_set()
