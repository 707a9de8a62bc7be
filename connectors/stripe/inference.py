"""Which events a listed object proves, for what is older than the event log's 30 days.

An object shows its state and few times. Where the time of a fact is not shown, the object's creation stands for it:
the fact is surely not older, so what counts from an instant on never includes one from before it.
`occurrence` tells facts of a topic apart by a number that live and logged bodies carry as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.stripe.shapes import Resource, StatusTransitions
from reconcile.model import Occurrence

When = Callable[[Resource], int | None]

_NO_TRANSITIONS = StatusTransitions()
_MAYBE_OUT_OF_BAND = (
    "the invoice may have been settled outside Stripe, for which invoice.paid is sent and this is not; "
    "subscribe to invoice.paid, which can be rebuilt"
)


def _never(_: Resource) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Inference:
    """`when` is the unix second of the fact, None if the object does not prove it; `reason` why it cannot be built."""

    topic: str
    stream: str
    kind: Occurrence
    when: When
    occurrence: Callable[[Resource], str] = _never
    reason: Callable[[Resource], str] = _never


def _created(resource: Resource) -> int | None:
    return resource.created


def _if_status(*statuses: str) -> When:
    return lambda resource: resource.created if resource.status in statuses else None


def _at(field: str) -> When:
    return lambda resource: getattr(resource.status_transitions or _NO_TRANSITIONS, field)


def _canceled(resource: Resource) -> int | None:
    return (resource.canceled_at or resource.created) if resource.status == "canceled" else None


def _ended(resource: Resource) -> int | None:
    return (resource.ended_at or resource.canceled_at or resource.created) if resource.status == "canceled" else None


def _attempt_failed(resource: Resource) -> int | None:
    """A failed attempt leaves no state of its own: the intent asks for a payment method again."""
    failed = resource.status == "requires_payment_method" and resource.last_payment_error is not None
    return resource.created if failed else None


def _setup_failed(resource: Resource) -> int | None:
    failed = resource.status == "requires_payment_method" and resource.last_setup_error is not None
    return resource.created if failed else None


def _refunded(resource: Resource) -> int | None:
    return resource.created if resource.amount_refunded else None


def _unpaid_attempts(resource: Resource) -> int | None:
    unpaid = resource.status in ("open", "uncollectible")
    return resource.created if unpaid and resource.attempted and resource.attempt_count else None


def _out_of_band(resource: Resource) -> str:
    return "" if resource.paid_out_of_band is False else _MAYBE_OUT_OF_BAND


_ONCE, _DATED, _REPEATED = Occurrence.ONCE, Occurrence.DATED, Occurrence.REPEATED

# In the order in which facts of one second are told.
INFERENCES = (
    Inference("payment_intent.created", "payment_intents", _ONCE, _created),
    Inference("payment_intent.requires_action", "payment_intents", _REPEATED, _if_status("requires_action")),
    Inference("payment_intent.processing", "payment_intents", _REPEATED, _if_status("processing")),
    Inference("payment_intent.payment_failed", "payment_intents", _REPEATED, _attempt_failed),
    Inference("payment_intent.amount_capturable_updated", "payment_intents", _REPEATED, _if_status("requires_capture")),
    Inference("payment_intent.succeeded", "payment_intents", _ONCE, _if_status("succeeded")),
    Inference("payment_intent.canceled", "payment_intents", _ONCE, _canceled),
    Inference("setup_intent.created", "setup_intents", _ONCE, _created),
    Inference("setup_intent.requires_action", "setup_intents", _REPEATED, _if_status("requires_action")),
    Inference("setup_intent.setup_failed", "setup_intents", _REPEATED, _setup_failed),
    Inference("setup_intent.succeeded", "setup_intents", _ONCE, _if_status("succeeded")),
    Inference("setup_intent.canceled", "setup_intents", _ONCE, _canceled),
    Inference("charge.pending", "charges", _ONCE, _if_status("pending")),
    Inference("charge.succeeded", "charges", _ONCE, _if_status("succeeded")),
    Inference("charge.failed", "charges", _ONCE, _if_status("failed")),
    Inference("charge.refunded", "charges", _DATED, _refunded, lambda charge: str(charge.amount_refunded or 0)),
    Inference("refund.created", "refunds", _ONCE, _created),
    Inference("refund.failed", "refunds", _ONCE, _if_status("failed")),
    Inference("charge.dispute.created", "disputes", _ONCE, _created),
    Inference("charge.dispute.closed", "disputes", _ONCE, _if_status("won", "lost", "warning_closed")),
    Inference("invoice.created", "invoices", _ONCE, _created),
    Inference("invoice.finalized", "invoices", _ONCE, _at("finalized_at")),
    Inference(
        "invoice.payment_failed", "invoices", _DATED, _unpaid_attempts, lambda invoice: str(invoice.attempt_count or 0)
    ),
    Inference("invoice.payment_succeeded", "invoices", _ONCE, _at("paid_at"), reason=_out_of_band),
    Inference("invoice.paid", "invoices", _ONCE, _at("paid_at")),
    Inference("invoice.voided", "invoices", _ONCE, _at("voided_at")),
    Inference("invoice.marked_uncollectible", "invoices", _ONCE, _at("marked_uncollectible_at")),
    Inference("customer.created", "customers", _ONCE, _created),
    Inference("customer.subscription.created", "subscriptions", _ONCE, _created),
    Inference("customer.subscription.deleted", "subscriptions", _ONCE, _ended),
    Inference("checkout.session.completed", "checkout_sessions", _ONCE, _if_status("complete")),
    Inference("checkout.session.expired", "checkout_sessions", _ONCE, _if_status("expired")),
    Inference("payout.created", "payouts", _ONCE, _created),
    Inference("payout.paid", "payouts", _ONCE, _if_status("paid")),
    Inference("payout.failed", "payouts", _ONCE, _if_status("failed")),
    Inference("payout.canceled", "payouts", _ONCE, _if_status("canceled")),
)
#: What no list proves, but the answer about one object that was pending: it has changed since.
ANSWERED = tuple(
    Inference(topic, "", _DATED, _created, lambda refund: refund.status or "")
    for topic in ("refund.updated", "charge.refund.updated")
)
BY_TOPIC = {inference.topic: inference for inference in (*INFERENCES, *ANSWERED)}
