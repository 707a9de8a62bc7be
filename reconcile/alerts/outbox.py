"""From what is to be told to mails in the outbox, in one commit; and who a mail is for, by the configuration of now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconcile.alerts import due, message, render, watch
from reconcile.alerts.digest import News
from reconcile.alerts.due import ESCALATION, OPERATORS, THIRD_PARTY, Audience, Policy
from reconcile.config import AlertsConfig, Config, SourceConfig
from reconcile.ledger import Tx, incidents, mails
from reconcile.ledger.mails import Letter


@dataclass(frozen=True, slots=True)
class Told:
    """What a commit put into the outbox: mails, with so many pieces of news in them."""

    mails: int = 0
    news: int = 0


def fill(tx: Tx, config: Config, sources: Sequence[SourceConfig]) -> Told:
    """Look, and queue a mail for each audience that has something new to hear. All of it stands or falls together."""
    watch.look(tx, config, sources, config.alerts)
    waiting = incidents.unsettled(tx)
    if config.alerts is None:
        # What only happened is of no use to anyone whom a later configuration will name.
        incidents.settle(tx, [one.id for one in waiting if one.happened])
        return Told()
    plan = due.plan(waiting, mails.told(tx, [one.id for one in waiting]), policy(config.alerts), tx.now)
    for audience, news in sorted(plan.mails.items()):
        letter = write(config.alerts, audience, news)
        mails.queue(tx, letter, addresses(config.alerts, audience), [notice for _, notice in news])
    incidents.settle(tx, plan.settled)
    return Told(len(plan.mails), sum(map(len, plan.mails.values())))


def policy(alerts: AlertsConfig) -> Policy:
    """The configured times and third parties."""
    return Policy(alerts.repeat, tuple(step.after for step in alerts.escalate), frozenset(alerts.third_parties))


def write(alerts: AlertsConfig, audience: Audience, news: News) -> Letter:
    """The letter that tells an audience its news."""
    if audience.name == THIRD_PARTY:
        made = render.for_third_party(news, source=audience.source, sender=alerts.from_)
    else:
        made = render.for_operators(news, most=alerts.digest, repeat=alerts.repeat)
    id_ = message.message_id(audience, news, alerts.from_)
    return Letter(id_, audience.name, audience.source, audience.step, made.subject, made.plain, made.html)


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
