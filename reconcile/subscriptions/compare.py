"""What is wanted against what the provider has: a plan. Pure.

A subscription counts only if it is enabled, sends to the wanted address, in a format and API version the source
understands, and is signed with a secret somebody knows; anything less is as good as none (S6). One at another address
is nobody's business, unless it is recorded as ours (S3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reconcile.connector import Mend, Subscription, Wanted
from reconcile.subscriptions.plan import Action, Found, Plan, Row, Situation, Step, is_at, sends
from reconcile.subscriptions.pruning import extra


def compare(groups: Sequence[Wanted], situation: Situation) -> Plan:
    """The plan that leaves every wanted topic with one subscription that counts (S1)."""
    steps = tuple(step for wanted in groups for step in _steps(wanted, situation))
    return Plan(steps, extra(groups, steps, situation))


def _steps(wanted: Wanted, situation: Situation) -> Iterable[Step]:
    here = [one for one in situation.observed if is_at(one, wanted.url) and _matters(one, wanted, situation)]
    lacking = []
    for topic in wanted.topics:
        senders = [one for one in here if one.enabled and sends(one, topic)]
        if not any(situation.good(one, wanted) for one in senders):
            lacking.append(topic)
        elif len(senders) == 1:
            yield Step((Row(topic, Found.OK, Action.NONE),), wanted, senders[0])
        else:
            yield _duplicate(topic, wanted, senders)
    if lacking:
        yield _repair(replace(wanted, topics=tuple(lacking)), here, situation)


def _matters(one: Subscription, wanted: Wanted, situation: Situation) -> bool:
    return any(sends(one, topic) for topic in wanted.topics) or situation.can_become(one, wanted)


def _duplicate(topic: str, wanted: Wanted, senders: Sequence[Subscription]) -> Step:
    ids = ", ".join(one.id for one in senders)
    why = f"{topic} is sent to {wanted.url} by each of {ids}; nothing is lost or done twice, but one would do"
    return Step((Row(topic, Found.DUPLICATE, Action.REPORTED),), wanted, why=why)


def _repair(lacking: Wanted, here: Sequence[Subscription], situation: Situation) -> Step:
    """One repair for all topics that lack a subscription: the gentlest that there is."""
    usable = [one for one in here if situation.usable(one) and situation.right(one, lacking)]
    changeable = [one for one in usable if situation.can_become(one, lacking)]
    asleep = [one for one in changeable if not one.enabled and _any(one, lacking)]
    awake = [one for one in changeable if one.enabled]
    away = [one for one in situation.observed if _is_ours_elsewhere(one, lacking, situation)]
    odd = [one for one in here if situation.usable(one) and _any(one, lacking) and not situation.right(one, lacking)]
    if at_hand := [one for one in asleep if not _doubles(one, here, lacking, situation)] or awake or asleep:
        return _change(at_hand[0], lacking, situation, Found.WRONG_TOPICS if at_hand[0].enabled else Found.DISABLED)
    if away:
        return _change(away[0], lacking, situation, Found.WRONG_URL)
    if odd:
        return _other_version(odd[0], lacking, situation)
    rows = tuple(Row(topic, Found.MISSING, Action.CREATED) for topic in lacking.topics)
    return Step(rows, lacking)


def _any(one: Subscription, wanted: Wanted) -> bool:
    return any(sends(one, topic) for topic in wanted.topics)


def _doubles(one: Subscription, here: Sequence[Subscription], lacking: Wanted, situation: Situation) -> bool:
    """Whether enabling it would send something twice that is sent once now."""
    awake = [other for other in here if situation.good(other, lacking)]
    return any(_overlap(one, other) for other in awake)


def _overlap(one: Subscription, other: Subscription) -> bool:
    """Looked at from both: everything is a topic of neither, and sends those of the other."""
    return any(sends(other, topic) for topic in one.topics) or any(sends(one, topic) for topic in other.topics)


def _is_ours_elsewhere(one: Subscription, wanted: Wanted, situation: Situation) -> bool:
    if one.id not in situation.ours or is_at(one, wanted.url):
        return False
    return situation.usable(one) and situation.right(one, wanted) and situation.can_become(one, wanted)


def _change(one: Subscription, lacking: Wanted, situation: Situation, found: Found) -> Step:
    rows = tuple(_changed(one, topic, found) for topic in lacking.topics)
    return Step(rows, situation.goal(one, lacking), one)


def _changed(one: Subscription, topic: str, found: Found) -> Row:
    if found is Found.DISABLED and sends(one, topic):
        return Row(topic, Found.DISABLED, Action.ENABLED)
    return Row(topic, Found.WRONG_TOPICS if found is Found.DISABLED else found, Action.UPDATED)


def _other_version(one: Subscription, lacking: Wanted, situation: Situation) -> Step:
    """Changed where the provider can, else made anew beside it, or in its place where there may be only one."""
    goal = situation.goal(one, lacking)
    match situation.mend(one, goal):
        case Mend.UPDATE:
            action, step = Action.UPDATED, Step((), goal, one)
        case Mend.ADD:
            action, step = Action.CREATED, Step((), lacking)
        case Mend.RECREATE if situation.prune and one.id in situation.ours:
            action, step = Action.CREATED, Step((), lacking, first=one)
        case Mend.RECREATE:
            why = _one_at_a_time(one, lacking, ours=one.id in situation.ours)
            action, step = Action.REPORTED, Step((), lacking, one, why=why)
    rows = tuple(_of_version(one, topic, action) for topic in lacking.topics)
    return replace(step, rows=rows)


def _of_version(one: Subscription, topic: str, action: Action) -> Row:
    """A topic that the odd one does not send is just missing, whatever is done for both."""
    lacks = not sends(one, topic) and action is Action.CREATED
    return Row(topic, Found.MISSING if lacks else Found.WRONG_VERSION, action)


def _one_at_a_time(one: Subscription, wanted: Wanted, *, ours: bool) -> str:
    differs = f"API version {one.api_version}, not {wanted.api_version}" if wanted.api_version else one.format
    remedy = "--prune makes it anew" if ours else "it is not recorded as ours: delete it at the provider"
    return f"subscription {one.id} sends {differs}, which only a new one can change: {remedy}"
