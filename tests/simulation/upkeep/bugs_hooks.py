"""Bugs of subscriptions, planted: whose they are, how often one is made, and where its secret is."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from simulation.planting import swap
from simulation.upkeep.planted import bug

from jobs import subscriptions as job
from reconcile.errors import BadAnswer, Retriable
from reconcile.subscriptions import compare, making, mending, plan, source
from reconcile.subscriptions.plan import Action, Found, Row, Step
from reconcile.vault import Vault


@bug
def somebody_elses_subscription_is_moved_to_us(stack: ExitStack) -> None:
    swap(stack, compare, "_is_ours_elsewhere", lambda one, wanted, situation: not plan.is_at(one, wanted.url))


@bug
def made_again_without_a_list(stack: ExitStack) -> None:
    """An answer that was lost is taken for a request that was."""

    def attempt(work: Any, wanted: Any, before: Any) -> Any:
        for _ in range(making.REQUESTS):
            try:
                return making.Made(work.connector.create(work.client, wanted))
            except (Retriable, BadAnswer):
                continue
        return None

    swap(stack, making, "_attempt", attempt)


@bug
def secret_is_kept_after_it_counts(stack: ExitStack) -> None:
    """A crash between the two, and nobody can verify what a subscription that counts as good sends (S4)."""
    true, kept = making._record, []

    def keep(self: Any, tx: Any, source_: str, subscription: str, secret: str) -> None:
        kept.append((self, source_, subscription, secret))

    keeps = Vault.keep

    def record(work: Any, *given: Any, **more: Any) -> None:
        true(work, *given, **more)
        with work.context.ledger.write() as tx:
            for vault, *rest in kept:
                keeps(vault, tx, *rest)
        kept.clear()

    swap(stack, Vault, "keep", keep)
    swap(stack, making, "_record", record)


@bug
def disabled_is_as_good_as_enabled(stack: ExitStack) -> None:
    swap(stack, plan.Situation, "good", lambda self, one, wanted: self.usable(one) and self.right(one, wanted))
    true = compare._steps

    def steps(wanted: Any, situation: Any) -> Any:
        here = [one for one in situation.observed if plan.is_at(one, wanted.url)]
        asleep = [topic for topic in wanted.topics if any(plan.sends(one, topic) for one in here)]
        for topic in asleep:
            yield Step((Row(topic, Found.OK, Action.NONE),), wanted, here[0])
        left = tuple(topic for topic in wanted.topics if topic not in asleep)
        if left:
            yield from true(compare.replace(wanted, topics=left), situation)

    swap(stack, compare, "_steps", steps)


@bug
def attempts_are_forgotten(stack: ExitStack) -> None:
    """What came of a create that nobody heard the end of is never looked into: another is made beside it."""
    swap(stack, source.Survey, "pending", property(lambda self: []))
    swap(stack, source, "usable", lambda ours, observed: {})


@bug
def a_dry_run_mends(stack: ExitStack) -> None:
    true = source.check

    def check(context: Any, config: Any, *, dry_run: bool, prune: bool) -> Any:
        return true(context, config, dry_run=False, prune=prune)

    swap(stack, job, "check", check)


@bug
def what_cannot_be_mended_is_not_said(stack: ExitStack) -> None:
    swap(stack, mending, "_tell_unrepaired", lambda *_: None)


@bug
def narrowed_is_taken_for_whole(stack: ExitStack) -> None:
    """A subscription that lacks topics is not given them (S6)."""
    swap(stack, compare, "sends", lambda one, topic: True)
