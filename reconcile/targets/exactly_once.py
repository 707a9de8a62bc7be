"""Handlers that take a session: their effect and the handled mark are one commit of the ledger's database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from reconcile.clock import Clock
from reconcile.ledger import Ledger
from reconcile.ledger.effects import Effect, Mark, Settled, settle
from reconcile.ledger.handler_session import HandlerSessions
from reconcile.model import Event
from reconcile.targets.calling import Caller, Claim, Result
from reconcile.targets.loading import Route
from reconcile.targets.model import Verdict
from reconcile.targets.text import describe

_VERDICTS = {
    Effect.KEPT: Verdict.HANDLED,
    Effect.UNMARKED: Verdict.HANDLED,
    Effect.UNDONE: Verdict.FAILED,
    Effect.LOST: Verdict.LOST,
}


class Sessions:
    """Gives each call its own guarded session; `factory` is `Ledger.session`."""

    def __init__(self, factory: Callable[[], Any], clock: Clock) -> None:
        self._open = HandlerSessions(factory)
        self._clock = clock

    def call(self, caller: Caller, route: Route, event: Event, claim: Claim, started: datetime) -> Result:
        """Run the handler with a session and end its transaction."""
        session = self._open()
        try:
            raised = caller.attempt(route, event, session)
            finished = self._clock.now()
            if raised is not None:
                return Result(Verdict.FAILED, started, finished, describe(raised), raised=raised)
            mark = Mark(claim.seq, claim.fence, claim.number, started, finished)
            return _result(settle(session, mark, self._clock), started, finished)
        finally:
            session.drop()


def open_sessions(url: str, clock: Clock) -> Sessions:
    """Sessions on the ledger at `url`, for a process of its own. Raises `LedgerError`."""
    return Sessions(Ledger.open(url, clock, upgrade=False).session, clock)


def _result(settled: Settled, started: datetime, finished: datetime) -> Result:
    marked = settled.effect is Effect.KEPT
    return Result(_VERDICTS[settled.effect], started, finished, settled.error, marked)
