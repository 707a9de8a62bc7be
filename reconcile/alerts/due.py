"""Who is to be told what now. Pure: the same incidents, notices and instant always give the same answer.

An audience is told of an incident's opening once, then again after each `repeat` while nobody acknowledged or snoozed
it, and when a snooze ends; and of its end if it was told of its beginning. Further audiences are told as an incident
grows old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconcile.ledger.incidents import OPEN, Incident
from reconcile.ledger.mails import Notice

OPENED, REPEATED, ESCALATED, CLEARED = "opened", "repeated", "escalated", "cleared"
OPERATORS, THIRD_PARTY, ESCALATION = "operators", "third-party", "escalation"

Told = Mapping[Notice, datetime]


@dataclass(frozen=True, slots=True, order=True)
class Audience:
    """Who a mail is for: the operators, a source's third parties, or those of a step of the escalation."""

    name: str
    source: str = ""
    step: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """`repeat` is the wait between two mails about the same; `escalate` the ages at which more people are told."""

    repeat: timedelta
    escalate: tuple[timedelta, ...] = ()
    parties: frozenset[str] = frozenset()


@dataclass(slots=True)
class Plan:
    """What each audience is to be told in this commit, and which incidents are done with after it."""

    mails: dict[Audience, list[tuple[Incident, Notice]]] = field(default_factory=dict)
    settled: list[int] = field(default_factory=list)


def plan(incidents: Sequence[Incident], told: Mapping[int, Told], policy: Policy, now: datetime) -> Plan:
    """Everything to be told now, by audience."""
    found = Plan()
    for incident in incidents:
        notices = told.get(incident.id, {})
        for audience, notice in _news(incident, notices, policy, now):
            found.mails.setdefault(audience, []).append((incident, notice))
        if incident.state != OPEN:
            found.settled.append(incident.id)
    _repeat(found, incidents, told, policy, now)
    return found


def _news(incident: Incident, told: Told, policy: Policy, now: datetime) -> list[tuple[Audience, Notice]]:
    audiences = [Audience(OPERATORS)]
    if incident.third_party and incident.source in policy.parties:
        audiences.append(Audience(THIRD_PARTY, incident.source))
    heard = {(notice.audience, notice.state) for notice in told}
    news = []
    for audience in audiences:
        state = _change(incident, {state for name, state in heard if name == audience.name}, now)
        if state:
            news.append((audience, Notice(incident.id, state, audience.name)))
    return news + _escalated(incident, told, policy, now)


def _change(incident: Incident, heard: set[str], now: datetime) -> str:
    """What one audience has not heard yet of an incident, "" for nothing."""
    if not heard:
        untold = incident.happened or (incident.state == OPEN and not incident.silent(now))
        return OPENED if untold else ""
    over = incident.state != OPEN and not incident.happened and CLEARED not in heard
    return CLEARED if over else ""


def _escalated(incident: Incident, told: Told, policy: Policy, now: datetime) -> list[tuple[Audience, Notice]]:
    if incident.happened:
        return []
    heard = {(notice.state, notice.step) for notice in told if notice.audience == ESCALATION}
    news = []
    for step, after in enumerate(policy.escalate, 1):
        told_of = (ESCALATED, step) in heard
        if incident.state == OPEN and not told_of and not incident.silent(now) and now - incident.opened_at >= after:
            news.append((Audience(ESCALATION, step=step), Notice(incident.id, ESCALATED, ESCALATION, step)))
        if incident.state != OPEN and told_of and (CLEARED, step) not in heard:
            news.append((Audience(ESCALATION, step=step), Notice(incident.id, CLEARED, ESCALATION, step)))
    return news


def _repeat(
    found: Plan, incidents: Sequence[Incident], told: Mapping[int, Told], policy: Policy, now: datetime
) -> None:
    """Once one incident is to be told again, those told more than half as long ago come along: one mail, not many."""
    waiting = [
        (incident, last, repetitions)
        for incident in incidents
        if incident.state == OPEN and not incident.silent(now)
        for last, repetitions in [_last_told(told.get(incident.id, {}))]
        if last is not None
    ]
    if not any(now - last >= policy.repeat or _woke(incident, last, now) for incident, last, _ in waiting):
        return
    for incident, last, repetitions in waiting:
        if now - last >= policy.repeat / 2 or _woke(incident, last, now):
            notice = Notice(incident.id, REPEATED, OPERATORS, repetitions + 1)
            found.mails.setdefault(Audience(OPERATORS), []).append((incident, notice))


def _woke(incident: Incident, last: datetime, now: datetime) -> bool:
    """Whether a person had put it off, and nobody was told since that ended."""
    return incident.snoozed_until is not None and last < incident.snoozed_until <= now


def _last_told(told: Told) -> tuple[datetime | None, int]:
    """When the operators were last told, and how often they were told again."""
    theirs = [(notice, at) for notice, at in told.items() if notice.audience == OPERATORS]
    return max((at for _, at in theirs), default=None), sum(notice.state == REPEATED for notice, _ in theirs)
