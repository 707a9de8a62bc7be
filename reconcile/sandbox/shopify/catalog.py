"""What can happen to customers, products and draft orders."""

from __future__ import annotations

from reconcile.sandbox.shopify import bodies
from reconcile.sandbox.shopify.orders import Orders
from reconcile.sandbox.shopify.shop import News


class Catalog(Orders):
    """Actions on everything that is not an order."""

    _drafts = 0

    def create_customer(self, **changes: object) -> int:
        """Returns the new customer's id."""
        with self.lock:
            body = {**bodies.customer(self.dice, self.new_id(), self.stamp()), **changes}
            self.happen(News("customers/create", body["id"], self.save("customers", body)))
            return int(body["id"])

    def update_customer(self, customer_id: int, **changes: object) -> None:
        """Change any keys."""
        self._update("customers", "customers/update", customer_id, changes)

    def delete_customer(self, customer_id: int) -> None:
        """Delete it."""
        with self.lock:
            self.erase("customers", "customers/delete", customer_id)

    def create_product(self, title: str = "Enamel mug", cents: int = 1900, **changes: object) -> int:
        """Returns the new product's id."""
        with self.lock:
            fresh = bodies.product(self.new_id(), self.new_id(), title, cents, self.stamp())
            body = {**fresh, **changes}
            self.happen(News("products/create", body["id"], self.save("products", body)))
            return int(body["id"])

    def create_draft(self, **changes: object) -> int:
        """Returns the new draft order's id."""
        with self.lock:
            self._drafts += 1
            item = self._any_item()
            lines = [bodies.line(self.new_id(), item, "USD")]
            cents = item.price * item.quantity
            body = {**bodies.draft_order(self.new_id(), self._drafts, self.stamp(), lines, cents), **changes}
            self.happen(News("draft_orders/create", body["id"], self.save("draft_orders", body)))
            return int(body["id"])

    def update_draft(self, draft_id: int, **changes: object) -> None:
        """Change any keys."""
        self._update("draft_orders", "draft_orders/update", draft_id, changes)

    def complete_draft(self, draft_id: int) -> int:
        """Turn it into an order; returns the order's id."""
        with self.lock:
            order_id = self.create_order()
            self.update_draft(draft_id, status="completed", completed_at=self.stamp(), order_id=order_id)
            return order_id

    def delete_draft(self, draft_id: int) -> None:
        """Delete it."""
        with self.lock:
            self.erase("draft_orders", "draft_orders/delete", draft_id)

    def _update(self, table: str, topic: str, resource_id: int, changes: dict[str, object]) -> None:
        with self.lock:
            self.happen(News(topic, resource_id, self.change(table, resource_id, **changes)))
