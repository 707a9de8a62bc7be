"""What can happen to orders, and the webhooks each action sets off."""

from __future__ import annotations

from collections.abc import Sequence

from reconcile.sandbox.fake import Json
from reconcile.sandbox.shopify import bodies
from reconcile.sandbox.shopify.bodies import Item
from reconcile.sandbox.shopify.shop import News, Shop, encoded, topics

FINAL = ("success", "failure", "error")


class Orders(Shop):
    """Actions on orders. Every one that changes an order also sets off `orders/updated`."""

    updates_on_create = True  # `orders/create` comes with an `orders/updated` of the same instant
    _number = 1000

    def create_order(
        self,
        *,
        customer_id: int | None = None,
        items: Sequence[Item] = (),
        **changes: object,
    ) -> int:
        """Place an unpaid order; returns its id. `changes` are keys of its body.

        Ordering a product of this shop also changes that product (`products/update`).
        """
        with self.lock:
            body = {**self._new_order(customer_id, items or (self._any_item(),)), **changes}
            raw = self.save("orders", body)
            self.transactions[body["id"]] = []
            names = ("orders/create", "orders/updated") if self.updates_on_create else ("orders/create",)
            self.happen(*topics(raw, body["id"], names), *self._sold(items))
            return int(body["id"])

    def _new_order(self, customer_id: int | None, items: Sequence[Item]) -> Json:
        self._number += 1
        buyer = (
            self.tables["customers"].body(customer_id) if customer_id else bodies.customer(self.dice, 0, self.stamp())
        )
        lines = [bodies.line(self.new_id(), item, "USD") for item in items]
        cents = sum(item.price * item.quantity for item in items)
        return bodies.order(
            self.dice, self.new_id(), self.stamp(), number=self._number, lines=lines, buyer=buyer, cents=cents
        )

    def _any_item(self) -> Item:
        return Item(self.dice.choice(bodies.GOODS), self.dice.randint(500, 20_000), self.dice.randint(1, 3))

    def _sold(self, items: Sequence[Item]) -> list[News]:
        sold = dict.fromkeys(item.product_id for item in items if item.product_id)
        return [News("products/update", product, self.change("products", product)) for product in sold if product]

    def update_order(self, order_id: int, **changes: object) -> None:
        """Change any keys, such as `note=` or `tags=`; without any, only `updated_at` moves."""
        with self.lock:
            self.happen(News("orders/updated", order_id, self.change("orders", order_id, **changes)))

    def close_order(self, order_id: int) -> None:
        """Archive it: there is no topic for that but `orders/updated`, and `status=open` lists no longer show it."""
        self.update_order(order_id, closed_at=self.stamp())

    def pay_order(self, order_id: int) -> int:
        """Take the whole amount at once; returns the transaction's id."""
        with self.lock:
            return self.settle_payment(order_id, self.start_payment(order_id), "success")

    def start_payment(self, order_id: int) -> int:
        """Begin a payment that stays `pending`: no webhook fires until it is settled. Returns the transaction's id."""
        with self.lock:
            cents = self._cents(order_id)
            movement = bodies.transaction(
                self.new_id(), order_id, self.stamp(), kind="sale", status="pending", cents=cents
            )
            self.transactions[order_id].append(movement)
            return int(movement["id"])

    def settle_payment(self, order_id: int, transaction_id: int, status: str = "success") -> int:
        """End a pending payment as `success`, `failure` or `error`; returns the transaction's id."""
        if status not in FINAL:
            raise ValueError(f"a payment ends as one of {FINAL}, not {status!r}")
        with self.lock:
            movement = self._settle(order_id, transaction_id, status)
            news = [News("order_transactions/create", transaction_id, encoded(movement), str(order_id))]
            if status == "success":
                paid = self.change("orders", order_id, financial_status="paid", total_outstanding="0.00")
                news += topics(paid, order_id, ("orders/paid", "orders/updated"))
            self.happen(*news)
            return transaction_id

    def _settle(self, order_id: int, transaction_id: int, status: str) -> Json:
        movements = self.transactions[order_id]
        position = next(i for i, movement in enumerate(movements) if movement["id"] == transaction_id)
        movements[position] = {**movements[position], "status": status, "processed_at": self.stamp()}
        return movements[position]

    def _cents(self, order_id: int) -> int:
        return int(self.tables["orders"].body(order_id)["total_price"].replace(".", ""))

    def cancel_order(self, order_id: int) -> None:
        """Cancel; an unpaid order becomes `voided`. Lists by `status=open` no longer show it."""
        with self.lock:
            status = self.tables["orders"].body(order_id)["financial_status"]
            money = "voided" if status in {"pending", "authorized"} else status
            now = self.stamp()
            raw = self.change(
                "orders",
                order_id,
                cancelled_at=now,
                closed_at=now,
                cancel_reason="customer",
                financial_status=money,
            )
            self.happen(*topics(raw, order_id, ("orders/cancelled", "orders/updated")))

    def refund_order(self, order_id: int, cents: int | None = None) -> int:
        """Give back `cents`, or everything; returns the refund's id."""
        with self.lock:
            order, total = self.tables["orders"].body(order_id), self._cents(order_id)
            amount = total if cents is None else cents
            movement = bodies.transaction(
                self.new_id(), order_id, self.stamp(), kind="refund", status="success", cents=amount
            )
            refund = bodies.refund(self.new_id(), order_id, movement, self.stamp())
            self.transactions[order_id].append(movement)
            refunds = [*order["refunds"], refund]
            left = total - sum(int(r["transactions"][0]["amount"].replace(".", "")) for r in refunds)
            status = "partially_refunded" if left > 0 else "refunded"
            raw = self.change("orders", order_id, refunds=refunds, financial_status=status)
            self._refunded(order_id, refund, movement, raw)
            return int(refund["id"])

    def _refunded(self, order_id: int, refund: Json, movement: Json, order: bytes) -> None:
        parent = str(order_id)
        self.happen(
            News("refunds/create", refund["id"], encoded(refund), parent),
            News("order_transactions/create", movement["id"], encoded(movement), parent),
            News("orders/updated", order_id, order),
        )

    def fulfill_order(self, order_id: int, *, partial: bool = False) -> int:
        """Ship all of it, or a part; returns the fulfillment's id."""
        with self.lock:
            order = self.tables["orders"].body(order_id)
            name = f"{order['name']}.{len(order['fulfillments']) + 1}"
            parcel = bodies.fulfillment(self.new_id(), order_id, name, self.stamp())
            status = "partial" if partial else "fulfilled"
            raw = self.change(
                "orders", order_id, fulfillments=[*order["fulfillments"], parcel], fulfillment_status=status
            )
            topic = "orders/partially_fulfilled" if partial else "orders/fulfilled"
            created = News("fulfillments/create", parcel["id"], encoded(parcel), str(order_id))
            self.happen(created, *topics(raw, order_id, (topic, "orders/updated")))
            return int(parcel["id"])

    def update_fulfillment(self, order_id: int, fulfillment_id: int, **changes: object) -> None:
        """Change a parcel, such as `tracking_number=`."""
        with self.lock:
            parcels = [dict(parcel) for parcel in self.tables["orders"].body(order_id)["fulfillments"]]
            parcel = next(parcel for parcel in parcels if parcel["id"] == fulfillment_id)
            parcel.update(changes, updated_at=self.stamp())
            raw = self.change("orders", order_id, fulfillments=parcels)
            self.happen(
                News("fulfillments/update", fulfillment_id, encoded(parcel), str(order_id)),
                News("orders/updated", order_id, raw),
            )

    def delete_order(self, order_id: int) -> None:
        """Delete it: lists lose it, a read by id is 404, the webhook carries only the id."""
        with self.lock:
            self.erase("orders", "orders/delete", order_id)
