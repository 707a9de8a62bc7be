"""What can happen to customers, payment intents, charges, refunds and disputes."""

from __future__ import annotations

from reconcile.sandbox.fake import Json
from reconcile.sandbox.stripe import objects
from reconcile.sandbox.stripe.account import Account


class Payments(Account):
    """Actions on money coming in. Ids are returned; each action emits the events Stripe would."""

    def create_customer(self, **changes: object) -> str:
        """`customer.created`."""
        with self.platform.lock:
            fresh = objects.customer(self.new_id("cus"), self.now(), livemode=self.platform.livemode)
            return self._made("customer", {**fresh, **changes}, "customer.created")

    def update_customer(self, customer_id: str, **changes: object) -> None:
        """`customer.updated` with what the changed keys held before."""
        with self.platform.lock:
            body, previous = self.change("customer", customer_id, changes)
            self.emit("customer.updated", body, previous)

    def delete_customer(self, customer_id: str) -> None:
        """`customer.deleted`; lists no longer show it, a read by id says `deleted`."""
        with self.platform.lock:
            row = self.rows["customer"][customer_id]
            row.deleted = True
            self.emit("customer.deleted", row.body)

    def create_payment_intent(
        self, amount: int = 1999, currency: str = "usd", *, customer: str | None = None, **changes: object
    ) -> str:
        """`payment_intent.created`, waiting for a payment method."""
        with self.platform.lock:
            livemode = self.platform.livemode
            fresh = objects.payment_intent(self.new_id("pi"), self.now(), amount, currency, livemode=livemode)
            body = {**fresh, "customer": customer, **changes}
            return self._made("payment_intent", body, "payment_intent.created")

    def require_action(self, intent_id: str) -> None:
        """`payment_intent.requires_action`: the customer must confirm."""
        self._intent(intent_id, "payment_intent.requires_action", status="requires_action")

    def start_processing(self, intent_id: str) -> None:
        """`payment_intent.processing`: a bank debit that takes days."""
        self._intent(intent_id, "payment_intent.processing", status="processing")

    def authorize(self, intent_id: str) -> str:
        """Reserve the money: `charge.succeeded` (not captured), `payment_intent.amount_capturable_updated`."""
        with self.platform.lock:
            amount = self.body("payment_intent", intent_id)["amount"]
            charge = self._charge(intent_id, "charge.succeeded", status="succeeded", paid=True)
            self._intent(
                intent_id,
                "payment_intent.amount_capturable_updated",
                status="requires_capture",
                amount_capturable=amount,
                latest_charge=charge,
            )
            return charge

    def capture(self, intent_id: str) -> None:
        """Take reserved money: `charge.captured`, `payment_intent.succeeded`."""
        with self.platform.lock:
            intent = self.body("payment_intent", intent_id)
            charge = {"captured": True, "amount_captured": intent["amount"]}
            self.emit("charge.captured", self.change("charge", intent["latest_charge"], charge)[0])
            self._paid(intent_id, intent["latest_charge"])

    def succeed(self, intent_id: str) -> str:
        """`charge.succeeded`, `payment_intent.succeeded`; returns the charge's id."""
        with self.platform.lock:
            amount = self.body("payment_intent", intent_id)["amount"]
            charge = self._charge(
                intent_id, "charge.succeeded", status="succeeded", paid=True, captured=True, amount_captured=amount
            )
            self._paid(intent_id, charge)
            return charge

    def fail(self, intent_id: str) -> str:
        """`charge.failed`, `payment_intent.payment_failed`: back to waiting for a payment method, never `failed`."""
        with self.platform.lock:
            code, text = "card_declined", "Your card was declined."
            charge = self._charge(intent_id, "charge.failed", status="failed", failure_code=code, failure_message=text)
            error = {"charge": charge, "code": code, "message": text, "type": "card_error"}
            self._intent(
                intent_id,
                "payment_intent.payment_failed",
                status="requires_payment_method",
                last_payment_error=error,
                latest_charge=charge,
            )
            return charge

    def cancel(self, intent_id: str) -> None:
        """`payment_intent.canceled`."""
        self._intent(
            intent_id,
            "payment_intent.canceled",
            status="canceled",
            canceled_at=self.now(),
            cancellation_reason="requested_by_customer",
            amount_capturable=0,
        )

    def refund(self, charge_id: str, amount: int | None = None, status: str = "succeeded") -> str:
        """`refund.created` and `charge.refunded`; one left `pending` or `requires_action` is settled later."""
        with self.platform.lock:
            charge = self.body("charge", charge_id)
            given = charge["amount"] - charge["amount_refunded"] if amount is None else amount
            body = objects.refund(self.new_id("re"), self.now(), charge, given, status)
            refund_id = self._made("refund", body, "refund.created")
            total = charge["amount_refunded"] + given
            changes = {"amount_refunded": total, "refunded": total >= charge["amount"]}
            self.emit("charge.refunded", *self.change("charge", charge_id, changes)[:1])
            return refund_id

    def settle_refund(self, refund_id: str, status: str = "succeeded") -> None:
        """`refund.updated`, and `refund.failed` if it failed: even one that had succeeded may."""
        with self.platform.lock:
            body, previous = self.change("refund", refund_id, {"status": status})
            self.emit("refund.updated", body, previous, automatic=True)
            self.emit("charge.refund.updated", body, previous, automatic=True)
            if status == "failed":
                self.emit("refund.failed", body, automatic=True)

    def open_dispute(self, charge_id: str) -> str:
        """`charge.dispute.created`, `charge.dispute.funds_withdrawn`; returns the dispute's id."""
        with self.platform.lock:
            charge, _ = self.change("charge", charge_id, {"disputed": True})
            body = objects.dispute(self.new_id("dp"), self.now(), charge)
            dispute_id = self._made("dispute", body, "charge.dispute.created", automatic=True)
            self.emit("charge.dispute.funds_withdrawn", body, automatic=True)
            return dispute_id

    def close_dispute(self, dispute_id: str, status: str = "won") -> None:
        """`charge.dispute.closed`, and the money back if it was won."""
        with self.platform.lock:
            body, _ = self.change("dispute", dispute_id, {"status": status})
            self.emit("charge.dispute.closed", body, automatic=True)
            if status == "won":
                self.emit("charge.dispute.funds_reinstated", body, automatic=True)

    def _made(self, kind: str, body: Json, event_type: str, *, automatic: bool = False) -> str:
        object_id = self.make(kind, body)
        self.emit(event_type, body, automatic=automatic)
        return object_id

    def _intent(self, intent_id: str, event_type: str, **changes: object) -> None:
        with self.platform.lock:
            self.emit(event_type, self.change("payment_intent", intent_id, changes)[0])

    def _charge(self, intent_id: str, event_type: str, **changes: object) -> str:
        body = objects.charge(self.new_id("ch"), self.now(), self.body("payment_intent", intent_id))
        return self._made("charge", {**body, **changes}, event_type)

    def _paid(self, intent_id: str, charge: str) -> None:
        amount = self.body("payment_intent", intent_id)["amount"]
        self._intent(
            intent_id,
            "payment_intent.succeeded",
            status="succeeded",
            amount_received=amount,
            amount_capturable=0,
            latest_charge=charge,
            last_payment_error=None,
        )
