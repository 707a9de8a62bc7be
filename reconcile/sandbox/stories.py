"""What typically happens to one order, payment or subscription: generators that yield the seconds until they go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconcile.sandbox.seeds import Dice
from reconcile.sandbox.shopify import FakeShopify, Item
from reconcile.sandbox.shopify.bodies import GOODS
from reconcile.sandbox.stripe import FakeStripe

Story = Iterator[float]
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


def order(
    shop: FakeShopify, dice: Dice, customers: Sequence[int], products: Sequence[int], *, deletes: bool = True
) -> Story:
    """Placed; mostly paid, shipped and archived; sometimes cancelled, refunded, edited or (if `deletes`) deleted."""
    order_id = shop.create_order(customer_id=dice.choice(customers), items=_basket(dice, products))
    yield dice.uniform(5, 5 * MINUTE)
    if dice.chance(0.08):
        yield from _abandoned(shop, dice, order_id, deletes=deletes)
        return
    payment = shop.start_payment(order_id)
    yield dice.uniform(0, 2 * MINUTE)
    shop.settle_payment(order_id, payment)
    if dice.chance(0.15):
        yield dice.uniform(MINUTE, 6 * HOUR)
        shop.update_order(order_id, note="Please leave it with the neighbour", tags="vip")
    yield from _shipped(shop, dice, order_id)
    if dice.chance(0.07):
        yield dice.uniform(2 * DAY, 14 * DAY)
        shop.refund_order(order_id, dice.choice((None, 500)))


def _abandoned(shop: FakeShopify, dice: Dice, order_id: int, *, deletes: bool) -> Story:
    shop.settle_payment(order_id, shop.start_payment(order_id), "failure")
    yield dice.uniform(MINUTE, DAY)
    shop.cancel_order(order_id)
    if deletes and dice.chance(0.2):
        yield dice.uniform(MINUTE, DAY)
        shop.delete_order(order_id)


def _shipped(shop: FakeShopify, dice: Dice, order_id: int) -> Story:
    yield dice.uniform(6 * HOUR, 3 * DAY)
    if dice.chance(0.1):
        shop.fulfill_order(order_id, partial=True)
        yield dice.uniform(HOUR, 2 * DAY)
    parcel = shop.fulfill_order(order_id)
    if dice.chance(0.4):
        yield dice.uniform(HOUR, DAY)
        shop.update_fulfillment(order_id, parcel, tracking_number=f"1Z{dice.randint(10**9, 10**10)}")
    yield dice.uniform(0, HOUR)
    shop.close_order(order_id)


def _basket(dice: Dice, products: Sequence[int]) -> list[Item]:
    product = dice.choice(products)
    return [Item(GOODS[product % len(GOODS)], 500 + product % 9_000, dice.randint(1, 3), product)]


def draft(shop: FakeShopify, dice: Dice) -> Story:
    """A draft order, edited once, and mostly turned into an order."""
    draft_id = shop.create_draft()
    yield dice.uniform(MINUTE, HOUR)
    shop.update_draft(draft_id, note="10 % off, as promised")
    yield dice.uniform(MINUTE, DAY)
    if dice.chance(0.7):
        shop.complete_draft(draft_id)
    else:
        shop.delete_draft(draft_id)


def payment(stripe: FakeStripe, dice: Dice, customers: Sequence[str]) -> Story:
    """A payment intent: mostly paid at once; some fail first, take days, or are canceled, refunded or disputed."""
    intent = stripe.create_payment_intent(dice.randint(500, 20_000), customer=dice.choice(customers))
    yield dice.uniform(1, 90)
    if dice.chance(0.08):
        stripe.fail(intent)
        yield dice.uniform(10, HOUR)
    if dice.chance(0.04):
        stripe.cancel(intent)
        return
    if dice.chance(0.05):
        stripe.start_processing(intent)
        yield dice.uniform(DAY, 4 * DAY)
    charge = stripe.succeed(intent)
    yield dice.uniform(HOUR, 10 * DAY)
    if dice.chance(0.07):
        yield from _refunded(stripe, dice, charge)
    elif dice.chance(0.02):
        dispute = stripe.open_dispute(charge)
        yield dice.uniform(DAY, 7 * DAY)
        stripe.close_dispute(dispute, dice.choice(("won", "lost")))


def _refunded(stripe: FakeStripe, dice: Dice, charge: str) -> Story:
    refund = stripe.refund(charge, dice.choice((None, 300)), status="pending")
    yield dice.uniform(MINUTE, 2 * DAY)
    stripe.settle_refund(refund, "failed" if dice.chance(0.1) else "succeeded")


def checkout(stripe: FakeStripe, dice: Dice) -> Story:
    """A checkout session, paid or left to expire."""
    session = stripe.create_checkout_session(dice.randint(500, 9_000))
    yield dice.uniform(MINUTE, HOUR)
    if dice.chance(0.7):
        stripe.complete_checkout_session(session)
        return
    yield DAY
    stripe.expire_checkout_session(session)


def subscription(stripe: FakeStripe, dice: Dice, customer: str) -> Story:
    """A weekly-billed subscription, some past due for a while, some canceled."""
    subscribed = stripe.create_subscription(customer, 1500)
    while not dice.chance(0.1):
        yield from _billed(stripe, dice, customer, subscribed)
        yield 7 * DAY
    stripe.cancel_subscription(subscribed)


def _billed(stripe: FakeStripe, dice: Dice, customer: str, subscribed: str) -> Story:
    invoice = stripe.create_invoice(customer, 1500, subscription=subscribed)
    yield HOUR
    stripe.finalize_invoice(invoice)
    yield dice.uniform(1, MINUTE)
    if dice.chance(0.15):
        stripe.fail_invoice(invoice)
        stripe.update_subscription(subscribed, status="past_due")
        yield 3 * DAY
    stripe.pay_invoice(invoice)
    if stripe.body("subscription", subscribed)["status"] == "past_due":
        stripe.update_subscription(subscribed, status="active")


def payout(stripe: FakeStripe, dice: Dice) -> Story:
    """Money to the bank, two days on its way; a few come back even after they were paid."""
    paid = stripe.create_payout(dice.randint(50_000, 900_000))
    yield 2 * DAY
    stripe.pay_payout(paid)
    if dice.chance(0.05):
        yield dice.uniform(DAY, 4 * DAY)
        stripe.fail_payout(paid)
