"""What each kind of incident is called, what was tried before anyone is told, and which command resolves many at once.

Pure. Every kind has a page in `docs/runbook`, of its own name.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconcile.model import IncidentKind


@dataclass(frozen=True, slots=True)
class Kind:
    """`title` is for the heading of a group; `{source}` in `command` is the source's name."""

    title: str
    tried: str
    command: str


KINDS = {
    IncidentKind.UNRESOLVED: Kind(
        "Transactions without an outcome",
        "The provider was asked on every rung of the ladder and named no final status.",
        "reconcile transactions list --source {source} --state unresolved",
    ),
    IncidentKind.STATUS_MISMATCH: Kind(
        "Transactions that do not match",
        "Nothing was changed: amounts, currencies and final statuses are never mended by guessing.",
        "reconcile transactions list --source {source} --state mismatch",
    ),
    IncidentKind.DEAD: Kind(
        "Events the handler could not take",
        "The handler was called again after every wait of `retry`, and failed each time.",
        "reconcile gaps retry --source {source} --kind dead",
    ),
    IncidentKind.VALVE: Kind(
        "The valve is closed",
        "What was found is held back; none of it was handled.",
        "reconcile run --force --source {source}",
    ),
    IncidentKind.PAUSED: Kind(
        "Delivery is paused",
        "Events wait in order and count no attempts; one that fails by itself is probed once a minute.",
        "reconcile resume {source}",
    ),
    IncidentKind.COVERAGE: Kind(
        "Coverage lags behind",
        "Every turn since then tried to read on, and did not get there.",
        "reconcile run backfill --source {source}",
    ),
    IncidentKind.RETENTION: Kind(
        "What the provider does not list, or soon will not",
        "What is not on the provider's list, or was not read before it left it, cannot be found from here.",
        "reconcile run backfill --source {source}",
    ),
    IncidentKind.CREDENTIALS: Kind(
        "The provider refuses the credentials",
        "It was not asked again: more attempts with refused credentials can lock an account.",
        "reconcile check",
    ),
    IncidentKind.SUBSCRIPTION: Kind(
        "Webhook subscriptions",
        "The subscriptions were compared with the configuration.",
        "reconcile subscriptions plan --source {source}",
    ),
    IncidentKind.API_VERSION: Kind(
        "Deliveries in another API version",
        "They were stored and handled as they came.",
        "reconcile check",
    ),
    IncidentKind.GAP: Kind(
        "Gaps that did not mend themselves",
        "Every run since then looked again.",
        "reconcile gaps list --source {source}",
    ),
    IncidentKind.SILENCE: Kind(
        "Silence",
        "Nothing can be tried from here.",
        "reconcile status",
    ),
}
