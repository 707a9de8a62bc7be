"""Carrying out a plan: each change under the lease, its record and what people are told of it in one commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from reconcile import failpoints
from reconcile.connector import Subscription
from reconcile.errors import BadAnswer, NotFound, ProviderError, Rejected
from reconcile.ledger import incidents, leases, subscriptions
from reconcile.ledger.ledger import Tx
from reconcile.model import IncidentKind
from reconcile.subscriptions.making import Told, Work, make
from reconcile.subscriptions.plan import Action, Found, Plan, Row, Situation, Step, is_at, sends

#: The key of the one incident that a source's unrepaired subscriptions are.
UNREPAIRED = "unrepaired"
#: Subscriptions whose secret never came, after which no more are made: they would pile up, run by run.
MOST_USELESS = 2


@dataclass(slots=True)
class Done:
    """What came of a plan. `repaired` are the topics whose events may have been lost until now."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[ProviderError] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)


def carry_out(work: Work, plan: Plan, situation: Situation, reasons: Iterable[str] = ()) -> Done:
    """Every step, whatever became of the others; then, if all went well, what nothing needs any more is deleted.

    What nobody can verify is deleted before: it serves nobody, and there may be no room for another.
    `reasons` are what is known not to be right already.
    """
    done = Done(reasons=list(reasons))
    useless = [one for one in plan.extra if not situation.usable(one)]
    if situation.prune:
        _prune(work, useless, done)
    for step in plan.steps:
        try:
            _step(work, step, situation, done)
        except ProviderError as error:
            done.failures.append(error)
            done.reasons.append(str(error))
            done.rows += _reported(step)
    if situation.prune and not done.failures:
        _prune(work, [one for one in plan.extra if one not in useless], done)
    _tell_unrepaired(work, done)
    return done


def told(work: Work, rows: Sequence[Row]) -> Told:
    """Tells people of a repair, in the commit that records it."""

    def tell(tx: Tx, now: Subscription) -> None:
        said = "; ".join(_sentence(row, now) for row in rows)
        incidents.happened(
            tx,
            source=work.source.name,
            kind=IncidentKind.SUBSCRIPTION,
            key=f"repaired {now.id}",
            summary=f"{said}. {_secret(work, now)}" if now.secret else said,
            command=_command(work, "list"),
            tried="what was lost meanwhile is looked for in the same run",
        )

    return tell


def _step(work: Work, step: Step, situation: Situation, done: Done) -> None:
    match step.action:
        case Action.NONE:
            done.rows += step.rows
        case Action.REPORTED:
            done.rows += step.rows
            done.reasons.append(step.why)
        case Action.CREATED:
            _create(work, step, situation, done)
        case Action.ENABLED | Action.UPDATED:
            _update(work, step, situation, done)


def _prune(work: Work, extra: Iterable[Subscription], done: Done) -> None:
    for one in extra:
        _delete(work, one)
        done.notes.append(f"{work.source.name}: deleted subscription {one.id} to {one.url}: ours, and not needed")


def _create(work: Work, step: Step, situation: Situation, done: Done) -> None:
    if step.first is not None:
        _delete(work, step.first)
    useless = [one.id for one in situation.observed if not situation.usable(one)]
    if len(useless) >= MOST_USELESS and not situation.prune:
        raise Rejected(
            f"{work.source.name}: the provider made {', '.join(useless)} and did not say what they are signed with; "
            "no more are made; delete these: `reconcile subscriptions apply --prune`"
        )
    before = [one.id for one in situation.observed if one != step.first]
    made = make(work, step.wanted, before, told(work, step.rows))
    if made.existed and situation.good(made.subscription, step.wanted):
        done.rows += [Row(row.topic, Found.OK, Action.NONE) for row in step.rows]
    else:
        _proven(work, step, made.subscription, situation, done)
    if made.subscription.secret:
        done.notes.append(f"{work.source.name}: {_secret(work, made.subscription)}")


def _update(work: Work, step: Step, situation: Situation, done: Done) -> None:
    assert step.subscription is not None  # noqa: S101 - narrows for mypy: these actions have one
    with work.context.ledger.write() as tx:
        leases.check(tx, work.lease)
    try:
        changed = work.connector.update(work.client, step.subscription, step.wanted)
    except NotFound:
        changed = None  # deleted since it was listed
    if changed is None:
        rows = tuple(Row(row.topic, row.found, Action.CREATED) for row in step.rows)
        _create(work, replace(step, rows=rows, subscription=None), situation, done)
        return
    failpoints.reach("subscription.changed")
    with work.context.ledger.write() as tx:
        leases.check(tx, work.lease)
        subscriptions.changed(tx, work.source.name, changed)
        told(work, step.rows)(tx, changed)
    _proven(work, step, changed, situation, done)


def _proven(work: Work, step: Step, now: Subscription, situation: Situation, done: Done) -> None:
    """What the provider answered must be what was asked for: it counts only then."""
    url, topics = step.wanted.url, [row.topic for row in step.rows]
    if not (now.enabled and is_at(now, url) and all(sends(now, topic) for topic in topics)):
        raise BadAnswer(f"{work.source.name}: subscription {now.id} is not as was asked for; look at it there")
    done.repaired += topics
    if situation.right(now, step.wanted):
        done.rows += step.rows
        done.notes += [f"{work.source.name}: {_sentence(row, now)}" for row in step.rows]
    else:
        done.rows += [Row(topic, Found.WRONG_VERSION, Action.REPORTED) for topic in topics]
        done.reasons.append(
            f"subscription {now.id} sends API version {now.api_version}, not {step.wanted.api_version}, whatever is "
            "asked for: set the version of webhooks in the app's own settings"
        )


def _delete(work: Work, one: Subscription) -> None:
    """One of ours; its secret is kept no longer."""
    with work.context.ledger.write() as tx:
        leases.check(tx, work.lease)
        keys = [ours.key for ours in subscriptions.of(tx, work.source.name) if ours.id == one.id]
    work.connector.delete(work.client, one)
    with work.context.ledger.write() as tx:
        leases.check(tx, work.lease)
        for key in keys:
            subscriptions.forget(tx, work.source.name, key)
        work.vault.forget(tx, work.source.name, one.id)


def _tell_unrepaired(work: Work, done: Done) -> None:
    name = work.source.name
    with work.context.ledger.write() as tx:
        leases.check(tx, work.lease)
        if done.reasons:
            incidents.open_(
                tx,
                source=name,
                kind=IncidentKind.SUBSCRIPTION,
                key=UNREPAIRED,
                summary="; ".join(dict.fromkeys(done.reasons)),
                command=_command(work, "plan"),
                tried="the subscription could not be put right from here",
            )
        else:
            note = "every topic has its subscription"
            incidents.close(tx, source=name, kind=IncidentKind.SUBSCRIPTION, key=UNREPAIRED, note=note)


def _command(work: Work, verb: str) -> str:
    return incidents.command("subscriptions", verb, "--source", work.source.name)


def _reported(step: Step) -> Iterable[Row]:
    return [Row(row.topic, row.found, Action.REPORTED) for row in step.rows]


_WAS = {
    Found.MISSING: "had no subscription",
    Found.DISABLED: "had a subscription that was disabled",
    Found.WRONG_TOPICS: "was not among the topics of its subscription",
    Found.WRONG_URL: "was sent to another address",
    Found.WRONG_VERSION: "was sent in another format or API version",
}


def _sentence(row: Row, now: Subscription) -> str:
    return f"{row.topic} {_WAS.get(row.found, row.found)}: {row.action} ({now.id})"


def _secret(work: Work, now: Subscription) -> str:
    return (
        f"the new signing secret of {now.id} is kept {work.vault.place(work.source.name)}; our receiver accepts it "
        "beside the configured ones; whatever else verifies these deliveries needs it from the provider"
    )
