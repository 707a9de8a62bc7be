"""What is true of Shopify's REST Admin API, as a table."""

from __future__ import annotations

from reconcile.connector import Facts, FilterBy, StreamFacts, StreamKind, TopicFacts
from reconcile.model import Occurrence

RESOURCES = {"orders": "order", "customers": "customer", "products": "product", "draft_orders": "draft_order"}

NO_TIME = (
    "a listed order says that it was paid but not when, and its transactions cost one request an order; "
    "look at the order, or subscribe to orders/updated, which can be rebuilt"
)
DELETED = "what was deleted is no longer listed"

_ONCE, _STATE, _DATED, _REPEATED = Occurrence.ONCE, Occurrence.STATE, Occurrence.DATED, Occurrence.REPEATED

# 250 is the largest page (251 answers 400). A page_info cursor carries its filter and expires, so it is never kept.
_STREAMS = tuple(
    StreamFacts(name, StreamKind.LIST, FilterBy.UPDATED, page_size=250, resource=resource)
    for name, resource in RESOURCES.items()
)

_TOPICS = (
    TopicFacts("orders/create", _ONCE, "orders"),
    TopicFacts("orders/updated", _STATE, "orders"),  # not orders/update, unlike every other resource
    TopicFacts("orders/cancelled", _ONCE, "orders"),
    TopicFacts("orders/paid", _ONCE, "orders", unrebuildable=NO_TIME),
    TopicFacts("orders/fulfilled", _DATED, "orders"),
    TopicFacts("orders/partially_fulfilled", _DATED, "orders"),
    TopicFacts("orders/edited", _REPEATED, unrebuildable="its body is the edit, which no list shows"),
    TopicFacts("orders/delete", _ONCE, unrebuildable=DELETED),
    TopicFacts("order_transactions/create", _DATED, unrebuildable="transactions are listed one order at a time"),
    TopicFacts("refunds/create", _DATED, "orders"),
    TopicFacts("fulfillments/create", _DATED, "orders"),
    TopicFacts("fulfillments/update", _DATED, "orders"),
    TopicFacts("customers/create", _ONCE, "customers"),
    TopicFacts("customers/update", _STATE, "customers"),
    TopicFacts("customers/enable", _REPEATED, unrebuildable="a list shows the state, not when it became so"),
    TopicFacts("customers/disable", _REPEATED, unrebuildable="a list shows the state, not when it became so"),
    TopicFacts("customers/delete", _ONCE, unrebuildable=DELETED),
    TopicFacts("products/create", _ONCE, "products"),
    TopicFacts("products/update", _STATE, "products"),
    TopicFacts("products/delete", _ONCE, unrebuildable=DELETED),
    TopicFacts("draft_orders/create", _ONCE, "draft_orders"),
    TopicFacts("draft_orders/update", _STATE, "draft_orders"),
    TopicFacts("draft_orders/delete", _ONCE, unrebuildable=DELETED),
)

FACTS = Facts(
    docs="https://shopify.dev/docs/api/admin-rest",
    streams=_STREAMS,
    topics=_TOPICS,
    # The bucket is read from every answer (`pace`), so this only bounds the burst into it.
    rate=10.0,
    # X-Shopify-Webhook-Id is documented as the key to dedupe by, not as the same on every retry.
    stable_ids=False,
    terminal_statuses={
        "order": frozenset({"paid", "partially_refunded", "refunded", "voided", "expired"}),
        "order_transaction": frozenset({"success", "failure", "error"}),
    },
)
