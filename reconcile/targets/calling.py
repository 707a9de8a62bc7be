"""One call of a Python handler, and what it came to. The same in a worker process and in our own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from reconcile import failpoints
from reconcile.clock import Clock
from reconcile.model import Event
from reconcile.targets.loading import LoadedHandler, Route
from reconcile.targets.model import Verdict
from reconcile.targets.text import describe

if TYPE_CHECKING:  # a worker whose handler takes no session need not load SQLAlchemy: 0.4 s and 40 MB
    from reconcile.targets.exactly_once import Sessions

Raised = type[BaseException] | tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim under which an event is handled, and the number its attempt is recorded as."""

    seq: int
    fence: int
    number: int


@dataclass(frozen=True, slots=True)
class Result:
    """How a call ended; `raised` is what the handler raised, if it did. `error` is not cleaned yet."""

    verdict: Verdict
    started_at: datetime
    finished_at: datetime
    error: str = ""
    marked: bool = False
    raised: BaseException | None = None


class Caller:
    """Calls a loaded handler. `contain` are the exceptions of a handler that become a failed attempt."""

    def __init__(self, handler: LoadedHandler, clock: Clock, contain: Raised, sessions: Sessions | None = None) -> None:
        self._handler = handler
        self._clock = clock
        self._contain = contain
        self._sessions = sessions

    def call(self, event: Event, claim: Claim) -> Result:
        """Handle `event`; never raises what is contained."""
        started = self._clock.now()
        route = self._handler.route(event.topic)
        if route is None:
            error = f"no handler takes {event.topic}; register one with @handlers.on, or drop it from webhook.topics"
            return Result(Verdict.FAILED, started, started, error)
        if route.takes_session and self._sessions is not None:
            return self._sessions.call(self, route, event, claim, started)
        raised = self.attempt(route, event)
        verdict = Verdict.HANDLED if raised is None else Verdict.FAILED
        return Result(verdict, started, self._clock.now(), describe(raised) if raised else "", raised=raised)

    def attempt(self, route: Route, *arguments: Any) -> BaseException | None:
        """Run the handler to its end; what it raised, if that is contained."""
        failpoints.reach("target.before_call")
        try:
            _run(route.call, arguments)
        except self._contain as error:
            return error
        failpoints.reach("target.called")
        return None


def _run(call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    returned = call(*arguments)
    if inspect.isawaitable(returned):
        asyncio.run(_await(returned))
    elif inspect.isgenerator(returned) or inspect.isasyncgen(returned):
        raise TypeError("the handler returned a generator, so nothing of it has run; remove its yield")


async def _await(awaitable: Awaitable[Any]) -> None:
    await awaitable
