"""From what is to be told to mails in the outbox; and who a mail is for, by the configuration of now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconcile.alerts import due, message, render
from reconcile.alerts.digest import News
from reconcile.alerts.due import ESCALATION, OPERATORS, THIRD_PARTY, Audience, Policy
from reconcile.config import AlertsConfig
from reconcile.ledger import Tx, incidents, mails
from reconcile.ledger.incidents import Incident
from reconcile.ledger.mails import Letter, Mail, Notice
from reconcile.model import iso


@dataclass(frozen=True, slots=True)
class Post:
    """Mails to be queued, each with whom it is for and the notices it carries, and incidents that are done with."""

    mails: list[tuple[Letter, tuple[str, ...], list[Notice]]] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)


def prepare(tx: Tx, alerts: AlertsConfig | None, minor: Collection[str] = ()) -> Post:
    """Write a mail to each audience that has something new to hear. Reads only.

    `minor` are the sources whose amounts are in the currency's smallest unit: a mail says so, lest cents be taken for
    euros.
    """
    waiting, told = incidents.unsettled(tx), mails.told(tx)
    if alerts is None:
        # What is over, and nobody was told of, is of no use to anyone whom a later configuration will name.
        return Post(settled=[one.id for one in waiting if one.state != incidents.OPEN and one.id not in told])
    plan = due.plan(waiting, told, policy(alerts), tx.now)
    written = [
        (write(alerts, audience, news, minor), addresses(alerts, audience), [notice for _, notice in news])
        for audience, news in sorted(plan.mails.items())
    ]
    return Post(written, plan.settled)


def queue(tx: Tx, post: Post) -> None:
    """Put it into the outbox: mails and notices in one commit, so that each is told, and told once (A1, A2)."""
    for letter, to, notices in post.mails:
        mails.queue(tx, letter, to, notices)
    incidents.settle(tx, post.settled)


def policy(alerts: AlertsConfig) -> Policy:
    """The configured times and third parties."""
    return Policy(alerts.repeat, tuple(step.after for step in alerts.escalate), frozenset(alerts.third_parties))


def write(alerts: AlertsConfig, audience: Audience, news: News, minor: Collection[str] = ()) -> Letter:
    """The letter that tells an audience its news."""
    if audience.name == THIRD_PARTY:
        made = render.for_third_party(news, source=audience.source, sender=alerts.from_, minor=audience.source in minor)
    else:
        made = render.for_operators(_with_units(news, minor), most=alerts.digest, repeat=alerts.repeat)
    id_ = message.message_id(audience, news, alerts.from_)
    return Letter(id_, audience.name, audience.source, audience.step, made.subject, made.plain, made.html)


def _with_units(news: News, minor: Collection[str]) -> News:
    return [(_with_unit(one) if one.source in minor else one, notice) for one, notice in news]


def _with_unit(one: Incident) -> Incident:
    return replace(one, currency=f"{one.currency}, in its smallest unit" if one.currency else "in the smallest unit")


def trial(alerts: AlertsConfig, now: datetime) -> Mail:
    """A mail to the operators that says nothing but that it arrived; no outbox keeps it."""
    made = render.trial()
    id_ = message.message_id(Audience(f"trial {iso(now)}"), (), alerts.from_)
    letter = Letter(id_, OPERATORS, "", 0, made.subject, made.plain, made.html)
    return Mail(0, letter, now, alerts.to, alerts.to)


def addresses(alerts: AlertsConfig, audience: Audience) -> tuple[str, ...]:
    """Who an audience is now; nobody, if it is not configured any more."""
    if audience.name == OPERATORS:
        return alerts.to
    if audience.name == THIRD_PARTY:
        return alerts.third_parties.get(audience.source, ())
    if audience.name == ESCALATION and audience.step <= len(alerts.escalate):
        return alerts.escalate[audience.step - 1].to
    return ()


def readdress(tx: Tx, alerts: AlertsConfig) -> None:
    """What has not arrived goes to who is configured now: a mistyped address is mended by mending the file."""
    for mail, rows in mails.outstanding(tx):
        letter = mail.letter
        mails.readdress(tx, mail.id, rows, addresses(alerts, Audience(letter.audience, letter.source, letter.step)))
