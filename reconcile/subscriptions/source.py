"""One source's subscriptions: list them, compare, and mend what is not as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from reconcile.config import SourceConfig, WebhookConfig
from reconcile.connector import Connector, ManagesSubscriptions, Subscription, Wanted
from reconcile.context import Context
from reconcile.http import ProviderClient
from reconcile.leasing import holding
from reconcile.ledger import leases, subscriptions
from reconcile.ledger.leases import Lease
from reconcile.ledger.subscriptions import Ours, Secrecy
from reconcile.subscriptions.compare import compare
from reconcile.subscriptions.making import Work, resume
from reconcile.subscriptions.mending import carry_out, told
from reconcile.subscriptions.plan import Action, Found, Plan, Row, Situation
from reconcile.vault import Vault

JOB = "subscriptions"
#: How long a subscription may be missing from the list before its secret is accepted no longer: deliveries that were on
#: their way are retried for days (Stripe: three), and a list may be wrong for once.
REMEMBERED = timedelta(days=7)


@dataclass(slots=True)
class Checked:
    """What one source came to. `repaired`: events may have been lost until now."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    repaired: bool = False
    bug: Exception | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What a source wants and has, and the plan that makes one of the other. `pending` are attempts without an end."""

    plan: Plan
    situation: Situation
    ours: Sequence[Ours]

    @property
    def pending(self) -> list[Ours]:
        """Attempts of ours of which nobody knows what came."""
        return [one for one in self.ours if not one.id]


def unmanaged(source: SourceConfig, connector: Connector) -> str:
    """Why there is nothing to manage; "" if there is."""
    if not isinstance(connector, ManagesSubscriptions):
        return f"connector {source.connector} cannot manage subscriptions; make them at the provider"
    if source.webhook is None or source.webhook.url is None:
        return "webhook.url is not set, so there is no subscription to manage"
    return ""


def check(context: Context, source: SourceConfig, *, dry_run: bool, prune: bool) -> Checked:
    """Compare and, unless it is a dry run, mend. Raises `Busy` if another runner is at it."""
    connector = context.connector(source)
    if not isinstance(connector, ManagesSubscriptions):
        return Checked()  # nothing a run could ever do about it; `plan` says so
    if why := unmanaged(source, connector):
        return Checked(notes=[f"{source.name}: {why}"])
    client = context.client(source, connector)
    try:
        if dry_run:
            return _foreseen(survey(context, source, connector, client, prune=prune))
        with holding(context, source.name, JOB) as lease:
            return _mended(context, source, connector, client, lease, prune=prune)
    finally:
        client.close()


def survey(
    context: Context, source: SourceConfig, connector: ManagesSubscriptions, client: ProviderClient, *, prune: bool
) -> Survey:
    """Ask the provider what there is; nothing is changed."""
    observed = list(connector.subscriptions(client))
    with context.ledger.read() as tx:
        ours = subscriptions.of(tx, source.name)
    return _compared(source, connector, observed, ours, prune=prune)


def _compared(
    source: SourceConfig,
    connector: ManagesSubscriptions,
    observed: Sequence[Subscription],
    ours: Sequence[Ours],
    *,
    prune: bool,
) -> Survey:
    webhook = source.webhook
    assert webhook is not None  # noqa: S101 - narrows for mypy; a source without one is not surveyed
    situation = Situation(observed, connector.mend, usable(ours, observed), webhook.api_versions, prune)
    return Survey(compare(wanted_of(webhook, connector), situation), situation, ours)


def wanted_of(webhook: WebhookConfig, connector: ManagesSubscriptions) -> Sequence[Wanted]:
    """The subscriptions a source should have; none without an address."""
    version = webhook.api_versions[0] if webhook.api_versions else ""
    return connector.wanted(webhook.url, webhook.topics, version) if webhook.url else ()


def usable(ours: Sequence[Ours], observed: Sequence[Subscription]) -> dict[str, bool]:
    """The ids that are ours, and whether what they send can be verified. One made by an attempt of ours that nobody
    knows the end of is signed with a secret that nobody knows either.
    """
    marked = {one.mark: one.id for one in observed if one.mark}
    pending = {marked[one.key]: False for one in ours if not one.id and one.key in marked}
    return {one.id: one.secret is not Secrecy.LOST for one in ours if one.id} | pending


def _foreseen(found: Survey) -> Checked:
    left = any(row.action is not Action.NONE for row in found.plan.rows)
    return Checked(rows=found.plan.rows, codes=[3] if left else [])


def _mended(
    context: Context,
    source: SourceConfig,
    connector: ManagesSubscriptions,
    client: ProviderClient,
    lease: Lease,
    *,
    prune: bool,
) -> Checked:
    work = Work(context, source, connector, client, lease, Vault.of(context.config, context.ledger))
    found = survey(context, source, connector, client, prune=prune)
    resumed = 0
    if found.pending:
        resumed = resume(work, found.pending, found.situation.observed, lambda ours: told(work, _made(ours)))
        found = survey(context, source, connector, client, prune=prune)
    done = carry_out(work, found.plan, found.situation, _unreadable(work, found))
    _let_go(work, found)
    checked = Checked(done.rows, done.notes, repaired=bool(done.repaired or resumed))
    checked.errors += [str(error) for error in done.failures]
    checked.codes += [error.exit_code for error in done.failures]
    checked.notes += [f"{source.name}: {why}" for why in done.reasons if why not in checked.errors]
    checked.codes += [3] if done.reasons else []
    return checked


def _let_go(work: Work, found: Survey) -> None:
    """Of ours that the provider has not listed for long, keep neither record nor secret."""
    name, now = work.source.name, work.context.ledger.now()
    there = {one.id for one in found.situation.observed}
    gone = [one for one in found.ours if one.id and one.id not in there]
    back = [one.key for one in found.ours if one.missed_at and one.id in there]
    old = [one for one in gone if one.missed_at and now - one.missed_at >= REMEMBERED]
    if gone or back:
        with work.context.ledger.write() as tx:
            leases.check(tx, work.lease)
            subscriptions.missed(tx, name, [one.key for one in gone])
            subscriptions.listed(tx, name, back)
            for one in old:
                subscriptions.forget(tx, name, one.key)
                work.vault.forget(tx, name, one.id)


def _made(ours: Ours) -> list[Row]:
    return [Row(topic, Found.MISSING, Action.CREATED) for topic in ours.topics]


def _unreadable(work: Work, found: Survey) -> list[str]:
    """What our receiver cannot verify, though the secret was kept: with another key, or in a file that is gone."""
    listed = {one.id for one in found.situation.observed}
    kept = work.vault.accepted(work.source.name)
    return [
        f"the signing secret kept for {one.id} cannot be read: set $RECONCILE_KEY to the key it was kept with, restore "
        "the file it was kept in, or delete that subscription to have it made anew"
        for one in found.ours
        if one.secret is Secrecy.KEPT and one.id in listed and one.id not in kept
    ]
