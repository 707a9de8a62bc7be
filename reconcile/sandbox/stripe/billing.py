"""What can happen to invoices, subscriptions, checkout sessions and payouts."""

from __future__ import annotations

from reconcile.sandbox.stripe import objects
from reconcile.sandbox.stripe.setups import Setups


class Billing(Setups):
    """Actions on recurring money, and on money going out."""

    def create_invoice(self, customer: str, amount: int = 2000, *, subscription: str | None = None) -> str:
        """`invoice.created`, a draft."""
        with self.platform.lock:
            body = objects.invoice(self.new_id("in"), self.now(), customer, amount, subscription)
            body["livemode"] = self.platform.livemode
            return self._made("invoice", body, "invoice.created", automatic=subscription is not None)

    def finalize_invoice(self, invoice_id: str) -> None:
        """`invoice.finalized`; it is `open` from now on."""
        number = f"ACME-{len(self.rows['invoice']):04d}"
        self._invoice(invoice_id, "open", "finalized_at", ("invoice.finalized",), number=number)

    def pay_invoice(self, invoice_id: str) -> None:
        """`invoice.paid`, `invoice.payment_succeeded`, and `invoice.updated` with what it held before."""
        amount = self.body("invoice", invoice_id)["amount_due"]
        events = ("invoice.updated", "invoice.paid", "invoice.payment_succeeded")
        paid = {"amount_paid": amount, "amount_remaining": 0, "attempted": True, "attempt_count": 1}
        self._invoice(invoice_id, "paid", "paid_at", events, **paid)

    def fail_invoice(self, invoice_id: str) -> None:
        """`invoice.payment_failed`; it stays `open`."""
        with self.platform.lock:
            invoice = self.body("invoice", invoice_id)
            changes = {
                "attempted": True,
                "attempt_count": invoice["attempt_count"] + 1,
                "next_payment_attempt": self.now() + 3 * 86_400,
            }
            body, previous = self.change("invoice", invoice_id, changes)
            self.emit("invoice.updated", body, previous, automatic=True)
            self.emit("invoice.payment_failed", body, automatic=True)

    def void_invoice(self, invoice_id: str) -> None:
        """`invoice.voided`."""
        self._invoice(invoice_id, "void", "voided_at", ("invoice.voided",))

    def _invoice(self, invoice_id: str, status: str, moment: str, events: tuple[str, ...], **changes: object) -> None:
        with self.platform.lock:
            moments = {**self.body("invoice", invoice_id)["status_transitions"], moment: self.now()}
            body, previous = self.change(
                "invoice", invoice_id, {"status": status, "status_transitions": moments, **changes}
            )
            for event_type in events:
                updated = event_type.endswith(".updated")
                self.emit(event_type, body, previous if updated else None, automatic=True)

    def create_subscription(self, customer: str, amount: int = 2000, **changes: object) -> str:
        """`customer.subscription.created`, active unless `status=` says otherwise."""
        with self.platform.lock:
            livemode = self.platform.livemode
            fresh = objects.subscription(self.new_id("sub"), self.now(), customer, amount, livemode=livemode)
            return self._made("subscription", {**fresh, **changes}, "customer.subscription.created")

    def update_subscription(self, subscription_id: str, **changes: object) -> None:
        """`customer.subscription.updated`, such as `status="past_due"`."""
        with self.platform.lock:
            body, previous = self.change("subscription", subscription_id, changes)
            self.emit("customer.subscription.updated", body, previous)

    def cancel_subscription(self, subscription_id: str) -> None:
        """`customer.subscription.deleted`; lists show it only with `status=all` or `canceled`."""
        with self.platform.lock:
            now = self.now()
            changes = {"status": "canceled", "canceled_at": now, "ended_at": now}
            self.emit("customer.subscription.deleted", self.change("subscription", subscription_id, changes)[0])

    def create_checkout_session(self, amount: int = 2500, **changes: object) -> str:
        """An open session; no event tells of it."""
        with self.platform.lock:
            livemode = self.platform.livemode
            fresh = objects.checkout_session(self.new_id("cs_test"), self.now(), amount, livemode=livemode)
            return self.make("checkout.session", {**fresh, **changes})

    def complete_checkout_session(self, session_id: str) -> str:
        """Pay it: an intent is made and succeeds, then `checkout.session.completed`. Returns the intent's id."""
        with self.platform.lock:
            intent = self.create_payment_intent(self.body("checkout.session", session_id)["amount_total"])
            self.succeed(intent)
            changes = {"status": "complete", "payment_status": "paid", "payment_intent": intent}
            self.emit("checkout.session.completed", self.change("checkout.session", session_id, changes)[0])
            return intent

    def expire_checkout_session(self, session_id: str) -> None:
        """`checkout.session.expired`."""
        with self.platform.lock:
            body, _ = self.change("checkout.session", session_id, {"status": "expired"})
            self.emit("checkout.session.expired", body, automatic=True)

    def create_payout(self, amount: int = 100_000) -> str:
        """`payout.created`, in transit."""
        with self.platform.lock:
            body = objects.payout(self.new_id("po"), self.now(), amount, livemode=self.platform.livemode)
            return self._made("payout", body, "payout.created", automatic=True)

    def pay_payout(self, payout_id: str) -> None:
        """`payout.updated`, `payout.paid`. It may still fail within five business days."""
        self._payout(payout_id, "payout.paid", status="paid", reconciliation_status="completed")

    def fail_payout(self, payout_id: str) -> None:
        """`payout.updated`, `payout.failed`."""
        text = "The bank account has been closed"
        self._payout(payout_id, "payout.failed", status="failed", failure_code="account_closed", failure_message=text)

    def _payout(self, payout_id: str, event_type: str, **changes: object) -> None:
        with self.platform.lock:
            body, previous = self.change("payout", payout_id, changes)
            self.emit("payout.updated", body, previous, automatic=True)
            self.emit(event_type, body, automatic=True)
