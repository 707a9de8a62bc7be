"""What a report about a transaction means for what we know of it. Pure.

A terminal status is never changed by an answer (P1); amounts and currencies compare exactly, never as floats (P4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from reconcile.model import Reported, TransactionStatus
from reconcile.transactions.transaction import State, Transaction


class Road(StrEnum):
    """How a report came."""

    EVENT = "event"  # recorded: its handler is told by that same event
    LIST = "list"  # listed: nobody was told
    ANSWER = "answer"  # asked for


class Verdict(StrEnum):
    """What to do about it."""

    NOTHING = "nothing"
    LEARN = "learn"  # still pending, with something new about it
    ASK = "ask"  # it seems to have ended: ask at once
    END = "end"
    CONTRADICT = "contradict"  # a person's turn


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and the sentence that explains a contradiction."""

    verdict: Verdict
    reason: str = ""


_NOTHING = Decision(Verdict.NOTHING)


def decide(known: Transaction, reported: Reported, road: Road) -> Decision:
    """What `reported` means for `known`."""
    if known.status.terminal or known.state is State.RESOLVED:
        return _after_the_end(known, reported, road)
    if not reported.status.terminal:
        return Decision(Verdict.LEARN) if _is_news(known, reported, road) else _NOTHING
    if known.state is State.MISMATCH and road is Road.LIST:
        return _NOTHING
    if differs := difference(known, reported):
        return Decision(Verdict.CONTRADICT, f"it ended as {reported.status}, but {differs}")
    return Decision(Verdict.ASK if road is Road.LIST else Verdict.END)


def ended(one: Transaction, reported: Reported, now: datetime) -> Transaction:
    """`one` with its end. What a person had settled stays settled by that person, with what it came to.

    Where the provider does not say when it ended, it had by `now`.
    """
    told = reported.amount is not None and not (one.tracked and one.amount is not None)
    return replace(
        one,
        state=State.RESOLVED if one.state is State.RESOLVED else State.SETTLED,
        status=reported.status,
        raw=reported.raw,
        amount=reported.amount if told else one.amount,
        currency=(reported.currency or one.currency) if told else one.currency,
        changed_at=reported.changed_at or now,
        ended_at=one.ended_at or now,
    )


def _after_the_end(known: Transaction, reported: Reported, road: Road) -> Decision:
    """What once ended stays so. The same end again, and news from before it, are nothing new."""
    if road is Road.ANSWER or known.status is reported.status or _is_stale(known, reported):
        return _NOTHING
    if known.state is State.RESOLVED and not known.status.terminal:
        return Decision(Verdict.END) if reported.status.terminal else _NOTHING
    if (known.status, reported.status) == (TransactionStatus.SUCCEEDED, TransactionStatus.REFUNDED):
        # The money that went back says nothing of why it was another amount: that stays a person's turn (P4).
        return _NOTHING if known.state is State.MISMATCH else Decision(Verdict.END)
    if not reported.status.terminal and reported.changed_at is None:
        return _NOTHING
    return Decision(Verdict.CONTRADICT, f"it had ended as {known.status}, and its provider now says {reported.raw}")


def _is_stale(known: Transaction, reported: Reported) -> bool:
    """Older than what is known. Of two ends within one instant nobody knows the order, unless it goes without saying:
    a payout that is said to be paid and failed within one second is a person's turn, whichever was heard first.
    """
    if known.changed_at is None or reported.changed_at is None:
        return False
    if reported.changed_at == known.changed_at and reported.status.terminal:
        return (reported.status, known.status) == (TransactionStatus.SUCCEEDED, TransactionStatus.REFUNDED)
    return reported.changed_at <= known.changed_at


def _is_news(known: Transaction, reported: Reported, road: Road) -> bool:
    """An answer never changes the amount: it is compared in the end with what events and the app told."""
    if road is Road.ANSWER:
        return True
    more = reported.amount is not None and not known.tracked and difference(known, reported) != ""
    return more or (known.amount is None and reported.amount is not None) or reported.raw != known.raw


def difference(known: Transaction, reported: Reported) -> str:
    """How what is said of the money differs from what we knew, "" if it does not or nobody said."""
    if known.amount is not None and reported.amount is not None and known.amount != reported.amount:
        return f"over {reported.amount} instead of {known.amount}"
    if known.currency and reported.currency and known.currency.casefold() != reported.currency.casefold():
        return f"in {reported.currency} instead of {known.currency}"
    return ""
