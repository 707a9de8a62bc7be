"""Bugs of handling, planted: effects and their marks, claims, leases, and what is said of an event."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from simulation.planting import bug, swap

from reconcile import failpoints
from reconcile.ledger import abandoned, claims, effects, leases, marks
from reconcile.targets import exactly_once
from reconcile.targets.calling import Result
from reconcile.targets.model import Verdict


@bug
def marked_before_its_effect(stack: ExitStack) -> None:
    def call(self: Any, caller: Any, route: Any, event: Any, claim: Any, started: Any) -> Result:
        first = self._open()
        effects.settle(first, effects.Mark(claim.seq, claim.fence, claim.number, started, started), self._clock)
        failpoints.reach("handler.committed")
        session = self._open()
        try:
            raised = caller.attempt(route, event, session)
            if raised is None:
                session.keep()
        finally:
            session.drop()
        return Result(Verdict.HANDLED, started, self._clock.now(), marked=True)

    swap(stack, exactly_once.Sessions, "call", call)


@bug
def effect_committed_before_its_mark(stack: ExitStack) -> None:
    def call(self: Any, caller: Any, route: Any, event: Any, claim: Any, started: Any) -> Result:
        session = self._open()
        try:
            raised = caller.attempt(route, event, session)
            if raised is None:
                session.keep()
        finally:
            session.drop()
        failpoints.reach("handler.committed")
        verdict = Verdict.HANDLED if raised is None else Verdict.FAILED
        return Result(verdict, started, self._clock.now(), "" if raised is None else "it failed")

    swap(stack, exactly_once.Sessions, "call", call)


@bug
def claims_without_a_fence(stack: ExitStack) -> None:
    """A dispatcher that slept through its claim still commits its effect."""

    def mark_handled(connection: Any, mark: Any) -> bool:
        update = "update reconcile_event set state = 'handled', claim_owner = '', claim_until = null where seq = ?"
        connection.exec_driver_sql(update, (mark.seq,))
        return True

    swap(stack, effects, "mark_handled", mark_handled)


@bug
def old_states_are_delivered(stack: ExitStack) -> None:
    swap(stack, claims, "_is_rebuilt_state", lambda row: False)


@bug
def dead_without_a_gap(stack: ExitStack) -> None:
    swap(stack, marks, "_open_gap", lambda *_: None)


@bug
def abandoned_claims_stay(stack: ExitStack) -> None:
    swap(stack, abandoned, "sweep", lambda *_, **__: 0)


@bug
def late_is_not_said(stack: ExitStack) -> None:
    swap(stack, claims, "_LATE", "0")
    claims.flags_sql.cache_clear()
    stack.callback(claims.flags_sql.cache_clear)


@bug
def leases_for_everyone(stack: ExitStack) -> None:
    swap(stack, leases, "_is_held", lambda row, now: False)
