"""Bugs of recording, planted: what is the same, what accounts for what, and what the valve does."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from simulation.planting import bug, swap
from sqlalchemy import text

from reconcile import inbox
from reconcile.ledger import events, recognition
from reconcile.ledger.recognition import Held, Lacking
from reconcile.model import Candidate, micros
from reconcile.reading import valve


@bug
def deduped_by_event_id_alone(stack: ExitStack) -> None:
    swap(stack, recognition, "by_fact", lambda *_: {})
    swap(stack, recognition, "by_version", lambda *_: {})


@bug
def never_absorbed(stack: ExitStack) -> None:
    swap(stack, inbox, "_absorb", lambda *_: None)


@bug
def valve_releases_nothing(stack: ExitStack) -> None:
    swap(stack, events, "release", lambda *_, **__: 0)


@bug
def held_of_a_crashed_run_forgotten(stack: ExitStack) -> None:
    def release(tx: Any, source: str, stream: str | None = None, **_: Any) -> int:
        newest = "(select max(id) from reconcile_run)"
        update = "update reconcile_event set state = 'waiting', next_at = :now where state = 'held'"
        where = f"{update} and source = :source and stream = :stream and run_id = {newest}"
        bound = {"now": micros(tx.now), "source": source, "stream": stream}
        return int(tx.connection.execute(text(where), bound).rowcount)

    swap(stack, events, "release", release)


@bug
def valve_always_open(stack: ExitStack) -> None:
    swap(stack, valve, "_reason", lambda *_, **__: "")


@bug
def versions_of_any_topic_count(stack: ExitStack) -> None:
    """A rebuilt refund accounts for the whole order's state."""
    swap(stack, Candidate, "carried", property(lambda one: one.version))


@bug
def absorbed_again_and_again(stack: ExitStack) -> None:
    """A rebuilt event takes in every later delivery of its fact, not only one."""
    true = recognition._held

    def held(row: Any) -> Held:
        found = true(row)
        return Held(found.seq, found.state, found.reconstructed, absorbed=False)

    swap(stack, recognition, "_held", held)


@bug
def diff_on_the_subject_alone(stack: ExitStack) -> None:
    """An order that is known at all is taken for known as it is now."""
    true = recognition.lacking

    def lacking(tx: Any, source: str, topics: Any, facts: Any, states: Any, seen: Any, **settings: Any) -> Lacking:
        known = [(type_, id_, 0) for type_, id_, _ in states]
        return true(tx, source, topics, facts, known, seen, **settings)

    swap(stack, recognition, "lacking", lacking)
