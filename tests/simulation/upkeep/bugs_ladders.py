"""Bugs of status checks and purge, planted: what an answer may change, when it is asked, and what is let go of."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any

from simulation.planting import swap
from simulation.upkeep.planted import bug
from sqlalchemy import delete, select

from reconcile.ledger import incidents, purging, recognition, transactions
from reconcile.ledger.tables import events as event
from reconcile.ledger.tables_transactions import transactions as transaction
from reconcile.ledger.transactions import known
from reconcile.transactions import answers, asking, decide, hearing
from reconcile.transactions.answers import Desk
from reconcile.transactions.decide import Decision, Road, Verdict
from reconcile.transactions.transaction import State


@bug
def answers_are_applied_without_reading_again(stack: ExitStack) -> None:
    """What was claimed is taken for what is: whatever came meanwhile is overwritten."""

    def claimed(tx: Any, source: str, owner: str, some: Any, *, wait: bool = True) -> Any:
        return {one.subject: one for one in some}

    swap(stack, transactions, "claimed", claimed)


@bug
def claims_on_transactions_without_a_fence(stack: ExitStack) -> None:
    """Whoever slept through its claim still applies its answer, a rung too many."""

    def claimed(tx: Any, source: str, owner: str, some: Any, *, wait: bool = True) -> Any:
        found = known(tx, source, [one.subject for one in some], lock=True)
        return {subject: one for subject, one in found.items() if one.state is State.PENDING}

    swap(stack, transactions, "claimed", claimed)


@bug
def ladders_begin_when_a_runner_does(stack: ExitStack) -> None:
    """The next rung counts from each start: a run that comes often enough never asks."""
    true = asking.Asker._take_over

    def take_over(self: Any) -> None:
        true(self)
        with self._context.ledger.write() as tx:
            pending = transaction.c.state == "pending"
            tx.connection.execute(transaction.update().where(pending).values(since=tx.now))

    swap(stack, asking.Asker, "_take_over", take_over)


@bug
def ladders_never_end(stack: ExitStack) -> None:
    """After the last rung it is asked again and again, and nobody is told."""

    def climb(self: Any, asked: Any) -> None:
        self.climbed.append(replace(asked, since=self.now, attempts=min(asked.attempts, len(self.ladder) - 1)))

    swap(stack, answers.Sheet, "_climb", climb)


@bug
def unknown_means_failed(stack: ExitStack) -> None:
    """A provider that does not know it yet is taken to have refused it (P2)."""
    true = answers.Sheet.note

    def note(self: Any, one: Any, answered: Any) -> None:
        answer = answered.answer
        if answer.reported is None and not answer.failure:
            self.was[one.subject] = one
            failed = replace(one, state=State.SETTLED, status="failed", ended_at=self.now, attempts=one.attempts + 1)
            self.ended.append((failed, answer))
        else:
            true(self, one, answered)

    swap(stack, answers.Sheet, "note", note)


@bug
def amounts_are_not_compared(stack: ExitStack) -> None:
    swap(stack, decide, "difference", lambda *_: "")


@bug
def ends_are_taken_back_in_silence(stack: ExitStack) -> None:
    """Whatever is told last holds: a payout that fails after it was paid just failed (P1)."""

    def decide_(one: Any, reported: Any, road: Road) -> Decision:
        if one.status.terminal and reported.status.terminal and reported.status is not one.status:
            return Decision(Verdict.END)
        return decide.decide(one, reported, road)

    swap(stack, hearing, "decide", decide_)


@bug
def answers_reach_no_handler(stack: ExitStack) -> None:
    """What was asked for is noted, and nobody handles it (P5)."""
    swap(stack, Desk, "_record", lambda *_: None)


@bug
def answers_are_events_of_their_own(stack: ExitStack) -> None:
    """The late webhook of an end that was asked for is handled once more (P5)."""
    true = recognition.by_fact

    def by_fact(tx: Any, source: str, keys: Any) -> Any:
        found = true(tx, source, keys)
        asked = select(event.c.seq).where(event.c.origin == "status_check")
        seqs = set(tx.connection.execute(asked).scalars())
        return {key: [one for one in some if one.seq not in seqs] for key, some in found.items()}

    swap(stack, recognition, "by_fact", by_fact)


@bug
def given_up_in_another_commit(stack: ExitStack) -> None:
    """The incident is opened after the state was changed: a crash between the two loses it (A1)."""
    kept: list[Any] = []
    true, later = incidents.open_all, Desk.enter

    def open_all(tx: Any, openings: Any) -> None:
        if any(one.kind == "unresolved" for one in openings):
            kept.extend(openings)
        else:
            true(tx, openings)

    def enter(self: Any, answered: Any) -> Any:
        came = later(self, answered)
        with self.ledger.write() as tx:
            true(tx, kept)
        kept.clear()
        return came

    swap(stack, hearing.incidents, "open_all", open_all)
    swap(stack, Desk, "enter", enter)


@bug
def purge_takes_what_is_open(stack: ExitStack) -> None:
    def let_go(tx: Any, before: datetime) -> int:
        old = transaction.c.known_at < before
        return int(tx.connection.execute(delete(transaction).where(old)).rowcount)

    swap(stack, purging, "transactions", let_go)


@bug
def purge_takes_the_keys_too(stack: ExitStack) -> None:
    """With what an event carried goes what it is known by: its next delivery is handled again (L5)."""
    true = purging._delete

    def delete_(tx: Any, table: Any, seqs: list[int]) -> None:
        true(tx, table, seqs)
        true(tx, event, seqs)

    swap(stack, purging, "_delete", delete_)
