"""What events, lists and answers tell of transactions, written down in the commit that records them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from reconcile.ledger import gaps, incidents, subjects, transactions
from reconcile.ledger.incidents import Opening
from reconcile.ledger.ledger import Tx
from reconcile.model import EPOCH, GapKind, IncidentKind, Reported, Subject, TransactionStatus, micros
from reconcile.transactions.decide import Road, Verdict, decide, difference, ended
from reconcile.transactions.transaction import LEFT, State, Transaction


def hear(tx: Tx, source: str, reports: Sequence[Reported], road: Road) -> None:
    """Take in what events or lists tell: follow what is pending, end what has ended, keep what may be taken back."""
    newest = _newest(reports)
    for some in _one_by_one(reports):
        known = transactions.known(tx, source, [one.subject for one in some], lock=True)
        for reported in some:
            one = known.get(reported.subject)
            if one is not None:
                _take(tx, one, reported, road)
            elif not reported.status.terminal:
                _follow(tx, source, reported, min(reported.at or tx.now, tx.now))
            elif reported.revocable and _is_overtaken(tx, source, reported.subject, newest.get(reported.subject)):
                # It may have been taken back by news whose row was purged since: its provider knows.
                _follow(tx, source, reported, EPOCH)
            elif reported.revocable:
                _keep(tx, source, reported)


def _newest(reports: Sequence[Reported]) -> dict[Subject, datetime]:
    """When the last of the changes told of each transaction was."""
    found: dict[Subject, datetime] = {}
    for one in reports:
        if one.changed_at is not None:
            found[one.subject] = max(one.changed_at, found.get(one.subject, one.changed_at))
    return found


def _one_by_one(reports: Sequence[Reported]) -> Iterator[list[Reported]]:
    """At most one report of each transaction at a time: what follows is held against what that one has changed.

    Sorted, so that two that begin to follow the same transactions never wait for each other in a circle.
    """
    of: dict[Subject, list[Reported]] = {}
    for one in reports:
        of.setdefault(one.subject, []).append(one)
    for some in zip_longest(*(of[subject] for subject in sorted(of, key=str))):
        yield [one for one in some if one is not None]


def news(tx: Tx, source: str, reports: Sequence[Reported]) -> list[Reported]:
    """Those that a list shows and that are news: what is pending and not known, or known otherwise. Writes nothing."""
    known = transactions.known(tx, source, [one.subject for one in reports])
    return [one for one in reports if _is_news(known.get(one.subject), one)]


def _is_news(one: Transaction | None, reported: Reported) -> bool:
    if one is None:
        return reported.revocable or not reported.status.terminal
    return decide(one, reported, Road.LIST).verdict is not Verdict.NOTHING


def _follow(tx: Tx, source: str, reported: Reported, since: datetime) -> None:
    """The first rung counts from `since`: from the transaction's own time, an old one is asked about at once."""
    transactions.add(tx, source, reported.subject, since, {"at": reported.at, **_said(reported)})


def _keep(tx: Tx, source: str, reported: Reported) -> None:
    """An end nobody waited for: known from now on, so that its provider does not take it back unseen (P1)."""
    ended_ = {"state": State.SETTLED, "status": reported.status, "changed_at": reported.changed_at, "ended_at": tx.now}
    transactions.add(tx, source, reported.subject, tx.now, {"at": reported.at, **_said(reported), **ended_})


def _said(reported: Reported) -> dict[str, Any]:
    said: dict[str, Any] = {"raw": reported.raw}
    if reported.amount is not None:
        said |= {"amount": str(reported.amount)}
    return said | ({"currency": reported.currency} if reported.currency else {})


def _take(tx: Tx, one: Transaction, reported: Reported, road: Road) -> None:
    decision = decide(one, reported, road)
    if decision.verdict is Verdict.LEARN:
        said = {"raw": reported.raw} if one.tracked and one.amount is not None else _said(reported)
        transactions.change(tx, one, **said)
    elif decision.verdict is Verdict.ASK:
        ask_now(tx, one)
    elif decision.verdict is Verdict.END and _is_overtaken(tx, one.source, one.subject, reported.changed_at):
        # What came later may be that it failed after all: its provider knows, and a person who has it keeps it.
        if one.state in (State.PENDING, State.UNRESOLVED):
            ask_now(tx, one)
    elif decision.verdict is Verdict.END:
        end(tx, one, reported)
    elif decision.verdict is Verdict.CONTRADICT:
        contradict(tx, one, reported, decision.reason)


def _is_overtaken(tx: Tx, source: str, subject: Subject, changed_at: datetime | None) -> bool:
    """Whether news of it from after what is told was recorded already, before it was followed or without an end."""
    newest = subjects.version(tx, source, subject)
    return newest is not None and changed_at is not None and newest > micros(changed_at)


def ask_now(tx: Tx, one: Transaction) -> None:
    """Put a transaction that has not ended at the head of the queue, on the rung where it is."""
    if one.state is State.PENDING and one.since == EPOCH:
        return
    transactions.change(tx, one, state=State.PENDING, since=EPOCH)


def end(tx: Tx, one: Transaction, reported: Reported) -> None:
    """It has ended: keep how, and tell nobody of it any more."""
    transactions.save(tx, [ended(one, reported, tx.now)])
    close(tx, one, f"its provider says {reported.raw}")


def contradict(tx: Tx, one: Transaction, reported: Reported, reason: str) -> None:
    """What the provider says cannot be squared with what we knew: nothing is changed or delivered, a person is told."""
    transactions.save(tx, [replace(one, state=State.MISMATCH, answer=reason)])
    close_incident(tx, one, IncidentKind.UNRESOLVED, "it contradicts what was known instead")
    gaps.open_(
        tx, source=one.source, kind=GapKind.STATUS_MISMATCH, key=str(one.subject), subject=one.subject, reason=reason
    )
    incidents.open_all(tx, [_contradicted(one, reason, reported.changed_at or tx.now)])


def give_up(tx: Tx, some: Sequence[Transaction]) -> None:
    """The ladder of these ended without an end: a person's turn, here and at the third party."""
    transactions.save(tx, [replace(one, state=State.UNRESOLVED) for one in some])
    incidents.open_all(tx, [_given_up(one) for one in some])


def tell_again(tx: Tx, source: str, subjects: Sequence[Subject]) -> None:
    """Open the incidents of those of `subjects` that still wait for a person."""
    found = transactions.known(tx, source, subjects, lock=True).values()
    given_up = [_given_up(one) for one in found if one.state is State.UNRESOLVED]
    mismatches = [_contradicted(one, one.answer, one.asked_at) for one in found if one.state is State.MISMATCH]
    incidents.open_all(tx, given_up + mismatches)


def _given_up(one: Transaction) -> Opening:
    times = f"asked about {one.attempts} times" if one.attempts != 1 else "asked about once"
    return Opening(
        source=one.source,
        kind=IncidentKind.UNRESOLVED,
        key=str(one.subject),
        summary=f"{one.subject} was {times} and has not ended: {one.answer}",
        since=one.at or one.known_at,
        command=command(one),
        third_party=True,
        reference=one.subject.id,
        amount=_amount(one),
        currency=one.currency,
    )


def _contradicted(one: Transaction, reason: str, since: datetime | None) -> Opening:
    return Opening(
        source=one.source,
        kind=IncidentKind.STATUS_MISMATCH,
        key=str(one.subject),
        summary=f"{one.subject}: {reason}",
        since=since,
        command=command(one),
        reference=one.subject.id,
        amount=_amount(one),
        currency=one.currency,
    )


def close(tx: Tx, one: Transaction, note: str) -> None:
    """Nobody needs to look at it any more. What is on its ladder as usual, nobody was told of."""
    if one.state not in LEFT and one.since != EPOCH:
        return
    for kind in (IncidentKind.UNRESOLVED, IncidentKind.STATUS_MISMATCH):
        close_incident(tx, one, kind, note)
    gaps.close(tx, one.source, GapKind.STATUS_MISMATCH, str(one.subject), note)


def close_incident(tx: Tx, one: Transaction, kind: IncidentKind, note: str) -> None:
    """Close what is open of one kind."""
    incidents.close(tx, source=one.source, kind=kind, key=str(one.subject), note=note)


def command(one: Transaction) -> str:
    """The command line by which a person settles it."""
    return incidents.command(
        "transactions", "resolve", str(one.subject), "--source", one.source, "--note", "what was done"
    )


def _amount(one: Transaction) -> str:
    return "" if one.amount is None else str(one.amount)


def track(
    tx: Tx, source: str, subject: Subject, *, amount: str = "", currency: str = "", at: datetime | None = None
) -> bool:
    """The app names a transaction of its own; whether it was new. What it says of the money counts from now on."""
    said: dict[str, Any] = {"tracked": 1}
    said |= {"amount": amount} if amount else {}
    said |= {"currency": currency} if currency else {}
    if transactions.add(tx, source, subject, min(at or tx.now, tx.now), {"at": at, **said}):
        return True
    one = transactions.known(tx, source, [subject], lock=True)[subject]
    if one.status is TransactionStatus.PENDING:
        transactions.change(tx, one, **said)
    elif one.state is State.SETTLED:
        _compare(tx, one, amount, currency)
    return False


def _compare(tx: Tx, one: Transaction, amount: str, currency: str) -> None:
    """What the app expects with what it came to (P4): a webhook may be faster than the app."""
    expected = replace(one, amount=Decimal(amount) if amount else one.amount, currency=currency or one.currency)
    came_to = Reported(one.subject, one.status, one.raw, one.amount, one.currency, changed_at=one.changed_at)
    if differs := difference(expected, came_to):
        contradict(tx, expected, came_to, f"it ended as {one.status}, but {differs}")
