"""Which of ours nothing needs once a plan is done. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconcile.connector import Subscription, Wanted
from reconcile.subscriptions.plan import Action, Situation, Step, is_at, sends


def extra(groups: Sequence[Wanted], steps: Sequence[Step], situation: Situation) -> tuple[Subscription, ...]:
    """Of what is recorded as ours, what may be deleted after `steps`; deleting it leaves nothing more to delete.

    What goes may leave another one alone with its topic, and that one is enough for its other topics too: so it is
    looked again at what remains until nothing more can go.
    """
    kept = {step.subscription.id for step in steps if step.subscription and step.action is not Action.NONE}
    remaining = {one.id: one for one in situation.observed} | {one.id: one for one in _changed(steps)}
    for first in [step.first for step in steps if step.first]:
        remaining.pop(first.id, None)  # it may have to make room for several
    gone: set[str] = set()
    while True:
        needed = kept | _needed(groups, list(remaining.values()), situation)
        more = [id_ for id_ in situation.ours if id_ in remaining and id_ not in needed]
        if not more:
            return tuple(one for one in situation.observed if one.id in gone)
        gone.update(more)
        for id_ in more:
            del remaining[id_]


def _changed(steps: Sequence[Step]) -> Iterator[Subscription]:
    """What the steps make of what is there, and what they make anew: that is nobody's yet, and never extra."""
    for number, step in enumerate(steps):
        wanted = step.wanted
        if step.action in (Action.ENABLED, Action.UPDATED) and step.subscription:
            yield replace(
                step.subscription,
                url=wanted.url,
                topics=wanted.topics,
                enabled=True,
                api_version=wanted.api_version or step.subscription.api_version,
                format=wanted.format,
            )
        elif step.action is Action.CREATED:
            made = f"made by step {number}"
            yield Subscription(made, wanted.url, wanted.topics, enabled=True, api_version=wanted.api_version)


def _needed(groups: Sequence[Wanted], there: Sequence[Subscription], situation: Situation) -> set[str]:
    """Who is alone with a topic; then, for a topic that none of those sends, the oldest of ours that does."""
    needed: set[str] = set()
    shared: list[list[str]] = []
    for wanted in groups:
        served = [one for one in there if is_at(one, wanted.url) and situation.good(one, wanted)]
        for topic in wanted.topics:
            senders = [one.id for one in served if sends(one, topic)]
            if len(senders) == 1:
                needed.update(senders)
            else:
                shared.append(senders)
    for senders in shared:
        if needed.isdisjoint(senders):
            needed.update([id_ for id_ in situation.ours if id_ in senders][:1])
    return needed
