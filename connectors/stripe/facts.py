"""What is true of Stripe's API, as a table."""

from __future__ import annotations

from datetime import timedelta

from connectors.stripe.inference import ANSWERED, INFERENCES
from reconcile.connector import Facts, FilterBy, StreamFacts, StreamKind, TopicFacts
from reconcile.model import Occurrence

EVENTS = "events"

# The list's path, and the `object` its entries call themselves.
LISTS = {
    "payment_intents": ("payment_intents", "payment_intent"),
    "setup_intents": ("setup_intents", "setup_intent"),
    "charges": ("charges", "charge"),
    "refunds": ("refunds", "refund"),
    "invoices": ("invoices", "invoice"),
    "subscriptions": ("subscriptions", "subscription"),
    "payouts": ("payouts", "payout"),
    "disputes": ("disputes", "dispute"),
    "customers": ("customers", "customer"),
    "checkout_sessions": ("checkout/sessions", "checkout.session"),
}

_NO_CHANGES = "Stripe's lists show no changes, only its event log does, and that for 30 days"
_ONLY_LOGGED = {
    "charge.captured": "a captured charge looks like one that never needed a capture",
    "charge.updated": _NO_CHANGES,
    "charge.dispute.updated": _NO_CHANGES,
    "customer.updated": _NO_CHANGES,
    "customer.subscription.updated": _NO_CHANGES,
    "invoice.updated": _NO_CHANGES,
    "payout.updated": _NO_CHANGES,
    "invoice.upcoming": "an upcoming invoice has no id yet",
    "checkout.session.async_payment_succeeded": "a paid session does not say whether it was paid later",
    "checkout.session.async_payment_failed": "an unpaid session does not say why",
}
_GONE = {"customer.deleted": "deleted customers are not listed", "invoice.deleted": "deleted drafts are not listed"}

FACTS = Facts(
    docs="https://docs.stripe.com/api/events/list",
    streams=(
        StreamFacts(
            EVENTS, StreamKind.LOG, FilterBy.EVENT, page_size=100, retention=timedelta(days=30), resumable=True
        ),
        *(
            StreamFacts(name, StreamKind.LIST, FilterBy.CREATED, page_size=100, resource=resource, resumable=True)
            for name, (_, resource) in LISTS.items()
        ),
    ),
    topics=(
        *(TopicFacts(inference.topic, inference.kind, inference.stream) for inference in INFERENCES),
        *(TopicFacts(inference.topic, inference.kind, unrebuildable=_NO_CHANGES) for inference in ANSWERED),
        *(TopicFacts(topic, Occurrence.REPEATED, unrebuildable=why) for topic, why in _ONLY_LOGGED.items()),
        *(TopicFacts(topic, Occurrence.ONCE, unrebuildable=why) for topic, why in _GONE.items()),
    ),
    # 25 a second for each endpoint is Stripe's own limit (and a sandbox's in all); the rest is for the app.
    rate=15.0,
    terminal_statuses={
        "payment_intent": frozenset({"succeeded", "canceled"}),
        "setup_intent": frozenset({"succeeded", "canceled"}),
        # A refund or payout that succeeded may still fail later; days later, no ladder waits for that.
        "charge": frozenset({"succeeded", "failed"}),
        "refund": frozenset({"succeeded", "failed", "canceled"}),
        "payout": frozenset({"paid", "failed", "canceled"}),
        "dispute": frozenset({"won", "lost", "warning_closed", "prevented"}),
        "checkout.session": frozenset({"complete", "expired"}),
    },
)
KINDS = {topic.name: topic.kind for topic in FACTS.topics}
