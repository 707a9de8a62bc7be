"""Bugs that were never there: each is planted into production code, for the checker to find.

A planter is given an `ExitStack`, into which it enters its patches.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest import mock

from sqlalchemy import text

from reconcile import diff, failpoints, inbox
from reconcile.dispatch import dispatcher
from reconcile.http import ProviderClient
from reconcile.ledger import claims, effects, events, leases, marks
from reconcile.model import Candidate, Window, micros
from reconcile.operator import status as statusboard
from reconcile.reading import plan, valve
from reconcile.reading.record import LedgerRecorder
from reconcile.targets import exactly_once
from reconcile.targets.calling import Result
from reconcile.targets.model import Verdict

Planter = Callable[[ExitStack], None]
#: Every bug by its name.
BUGS: dict[str, Planter] = {}
TICK = timedelta(microseconds=1)


def _bug(plant: Planter) -> Planter:
    BUGS[plant.__name__.strip("_")] = plant
    return plant


def _swap(stack: ExitStack, owner: Any, name: str, new: Any) -> None:
    stack.enter_context(mock.patch.object(owner, name, new))


@_bug
def _last_page_never_stored(stack: ExitStack) -> None:
    true = LedgerRecorder.page

    def page(self: LedgerRecorder, opened: Any, judged: Any, cursor: Any, recalled: Any) -> None:
        if recalled is not None and judged.listed:
            judged = replace(judged, listed=0, filtered=0, already_handled=0, findings=diff.Findings())
        true(self, opened, judged, cursor, recalled)

    _swap(stack, LedgerRecorder, "page", page)


@_bug
def _deduped_by_event_id_alone(stack: ExitStack) -> None:
    _swap(stack, events, "by_fact", lambda *_: {})
    _swap(stack, events, "by_version", lambda *_: {})


@_bug
def _watermark_without_overlap(stack: ExitStack) -> None:
    """What was read once is never read again: provisional is taken for final."""
    _swap(stack, plan, "final_part", lambda window, read_at, overlap: window)


@_bug
def _no_settle(stack: ExitStack) -> None:
    _swap(stack, plan.Ask, "end", property(lambda ask: max(ask.start, min(ask.until or ask.now, ask.now))))


@_bug
def _our_clock_for_the_providers(stack: ExitStack) -> None:
    _swap(stack, ProviderClient, "provider_date", property(lambda client: client._clock.now()))


@_bug
def _never_absorbed(stack: ExitStack) -> None:
    _swap(stack, inbox, "_absorb", lambda *_: None)


@_bug
def _valve_releases_nothing(stack: ExitStack) -> None:
    _swap(stack, events, "release", lambda *_, **__: 0)


@_bug
def _held_of_a_crashed_run_forgotten(stack: ExitStack) -> None:
    def release(tx: Any, source: str, stream: str | None = None, **_: Any) -> int:
        newest = "(select max(id) from reconcile_run)"
        update = "update reconcile_event set state = 'waiting', next_at = :now where state = 'held'"
        where = f"{update} and source = :source and stream = :stream and run_id = {newest}"
        bound = {"now": micros(tx.now), "source": source, "stream": stream}
        return int(tx.connection.execute(text(where), bound).rowcount)

    _swap(stack, events, "release", release)


@_bug
def _valve_always_open(stack: ExitStack) -> None:
    _swap(stack, valve, "_reason", lambda *_, **__: "")


@_bug
def _marked_before_its_effect(stack: ExitStack) -> None:
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

    _swap(stack, exactly_once.Sessions, "call", call)


@_bug
def _effect_committed_before_its_mark(stack: ExitStack) -> None:
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

    _swap(stack, exactly_once.Sessions, "call", call)


@_bug
def _floor_is_the_windows_start(stack: ExitStack) -> None:
    true = diff.ask_snapshots

    def ask(items: Any, window: Window, seen: Any, rebuild: Any, floors: Any) -> Any:
        later = {topic: max(floor, micros(window.start)) for topic, floor in floors.items()}
        return true(items, window, seen, rebuild, later)

    _swap(stack, diff, "ask_snapshots", ask)


@_bug
def _claims_without_a_fence(stack: ExitStack) -> None:
    """A dispatcher that slept through its claim still commits its effect."""

    def mark_handled(connection: Any, mark: Any) -> bool:
        update = "update reconcile_event set state = 'handled', claim_owner = '', claim_until = null where seq = ?"
        connection.exec_driver_sql(update, (mark.seq,))
        return True

    _swap(stack, effects, "mark_handled", mark_handled)


@_bug
def _leases_for_everyone(stack: ExitStack) -> None:
    _swap(stack, leases, "_is_held", lambda row, now: False)


@_bug
def _old_states_are_delivered(stack: ExitStack) -> None:
    _swap(stack, claims, "_is_rebuilt_state", lambda row: False)


@_bug
def _dead_without_a_gap(stack: ExitStack) -> None:
    _swap(stack, marks, "_open_gap", lambda *_: None)


@_bug
def _abandoned_claims_stay(stack: ExitStack) -> None:
    _swap(stack, claims, "sweep", lambda *_, **__: 0)
    _swap(stack, dispatcher.claims, "sweep", lambda *_, **__: 0)


@_bug
def _late_is_not_said(stack: ExitStack) -> None:
    _swap(stack, claims, "_LATE", "0")
    claims.flags_sql.cache_clear()
    stack.callback(claims.flags_sql.cache_clear)


@_bug
def _versions_of_any_topic_count(stack: ExitStack) -> None:
    """A rebuilt refund accounts for the whole order's state."""
    _swap(stack, Candidate, "carried", property(lambda one: one.version))


@_bug
def _frontier_is_the_newest_end(stack: ExitStack) -> None:
    """A one-off moves the frontier over what was never read."""
    true = statusboard.holes

    def holes(asked: Window, covered: Any) -> list[Window]:
        newest = max((window.end for window in covered), default=asked.start)
        return true(asked, [Window(asked.start, max(asked.start, newest))])

    _swap(stack, statusboard, "holes", holes)
