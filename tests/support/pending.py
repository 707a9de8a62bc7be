"""Pending payments at fakes, deliveries about them, and what the ledger keeps of them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from connectors.shopify import signature as shopify_signature
from connectors.stripe.signature import digest
from reconcile.connector.finding import connector_class
from reconcile.ledger import gaps, tables, transactions
from reconcile.ledger.tables_alerts import incidents
from reconcile.ledger.transactions import Chosen
from reconcile.receiver import Receiver
from reconcile.sandbox.fake import Fake
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe
from reconcile.transactions.transaction import Transaction
from support.running import Bench, add_shop, add_stripe

SECRET = "whsec_dummy_hush"
STRIPE_TOPICS = (
    "payment_intent.processing, payment_intent.succeeded, payment_intent.canceled, charge.failed, refund.updated,"
    " refund.failed, payout.paid, payout.failed, setup_intent.succeeded, checkout.session.completed,"
    " charge.dispute.closed"
)
SHOP_TOPICS = "orders/create, orders/paid, orders/cancelled, refunds/create, order_transactions/create"


def stripe_at(bench: Bench, *, topics: str = STRIPE_TOPICS, more: str = "handler: app:take", **facts) -> FakeStripe:
    """A source called `pay` at a fake Stripe."""
    return add_stripe(bench, topics, more=more, **facts)


def shop_at(bench: Bench, *, topics: str = SHOP_TOPICS, more: str = "handler: app:take") -> FakeShopify:
    """A source called `shop` at a fake Shopify."""
    return add_shop(bench, topics=topics, more=more)


def later(bench: Bench, **delta: float) -> None:
    """Let time pass."""
    bench.clock.set(bench.clock.now() + timedelta(**delta))


def deliver(bench: Bench, source: str, fake: Fake, topic: str, subject_id: object) -> int:
    """Let the newest webhook of that topic arrive; the receiver's status."""
    told = next(
        one for one in reversed(fake.truth) if one.topic == topic and str(subject_id) in (one.subject_id, one.parent_id)
    )
    return post(bench, source, topic, told.body, told.event_id)


def post(bench: Bench, source: str, topic: str, body: bytes, id_: str = "delivery-1") -> int:
    """Let a delivery arrive, rightly signed."""
    return receiver_of(bench).receive(source, signed(bench, source, topic, body, id_), body).status


def receiver_of(bench: Bench) -> Receiver:
    """The receiver of everything that is configured."""
    sources = bench.config().sources
    found = {name: (one, connector_class(one.connector)(one.settings)) for name, one in sources.items()}
    return Receiver(bench.ledger, found.get, bench.clock)


def signed(bench: Bench, source: str, topic: str, body: bytes, id_: str) -> dict[str, str]:
    """The provider's headers."""
    if source == "pay":
        at = int(bench.clock.now().timestamp())
        return {"Stripe-Signature": f"t={at},v1={digest(SECRET, at, body)}"}
    return {
        "X-Shopify-Topic": topic,
        "X-Shopify-Webhook-Id": id_,
        "X-Shopify-Hmac-Sha256": shopify_signature.digest(SECRET, body).decode(),
    }


def known(bench: Bench, **chosen: object) -> list[Transaction]:
    """What the ledger knows of transactions."""
    with bench.ledger.read() as tx:
        return transactions.find(tx, Chosen(**chosen), 100)


def one(bench: Bench, id_: object) -> Transaction:
    """One of them."""
    (found,) = known(bench, id=str(id_))
    return found


def open_incidents(bench: Bench) -> list[tuple[str, str, bool]]:
    """Kind, key and whether the third party is told, of those that are open."""
    with bench.ledger.read() as tx:
        rows = tx.connection.execute(select(incidents).where(incidents.c.state == "open").order_by(incidents.c.id))
        return [(row.kind, row.key, bool(row.third_party)) for row in rows]


def open_gaps(bench: Bench) -> list[tuple[str, str, str]]:
    """Kind, key and reason of those that are open."""
    with bench.ledger.read() as tx:
        return [(gap.kind, gap.key, gap.reason) for gap in gaps.find(tx)]


def origins(bench: Bench, topic: str) -> list[tuple[str, str]]:
    """Origin and state of every event of a topic."""
    with bench.ledger.read() as tx:
        query = select(tables.events).where(tables.events.c.topic == topic).order_by(tables.events.c.seq)
        return [(row.origin, row.state) for row in tx.connection.execute(query)]
