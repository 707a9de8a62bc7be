"""Every source's subscriptions, looked at and not changed: what `list` and `plan` show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconcile.config import SourceConfig
from reconcile.connector import ManagesSubscriptions, Subscription
from reconcile.context import Context, Options
from reconcile.errors import ReconcileError, Stopped
from reconcile.subscriptions.plan import Action, Step, is_at
from reconcile.subscriptions.source import Survey, survey, unmanaged

OURS, HERE, FOREIGN = "ours", "not ours, at our address", "foreign"


@dataclass(frozen=True, slots=True)
class Looked:
    """One source: what was found, or why nothing was."""

    source: SourceConfig
    found: Survey | None = None
    why: str = ""
    error: ReconcileError | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """Its part of the plan."""
        return self.found.plan.steps if self.found else ()

    @property
    def extra(self) -> tuple[Subscription, ...]:
        """Those of ours that nothing needs."""
        return self.found.plan.extra if self.found else ()

    @property
    def changes(self) -> int:
        """How many topics `apply` would do something about."""
        nothing = (Action.NONE, Action.REPORTED)
        return sum(row.action not in nothing for step in self.steps for row in step.rows)

    @property
    def reported(self) -> int:
        """How many topics only a person can put right."""
        return sum(row.action is Action.REPORTED for step in self.steps for row in step.rows)

    def whose(self, one: Subscription) -> str:
        """Whether it is recorded as ours; else whether it sends where ours should."""
        if self.found and one.id in self.found.situation.ours:
            return OURS
        webhook = self.source.webhook
        return HERE if webhook and webhook.url and is_at(one, webhook.url) else FOREIGN


def look(context: Context, options: Options) -> Iterator[Looked]:
    """Source by source; one that cannot be asked says so and stops no other. Raises `Stopped`."""
    for source in context.sources(options):
        try:
            yield _one(context, source, prune=options.prune)
        except Stopped:
            raise
        except ReconcileError as error:
            yield Looked(source, error=error)


def _one(context: Context, source: SourceConfig, *, prune: bool) -> Looked:
    connector = context.connector(source)
    if why := unmanaged(source, connector):
        return Looked(source, why=why)
    assert isinstance(connector, ManagesSubscriptions)  # noqa: S101 - narrows for mypy; `unmanaged` has asked
    client = context.client(source, connector)
    try:
        return Looked(source, survey(context, source, connector, client, prune=prune))
    finally:
        client.close()
