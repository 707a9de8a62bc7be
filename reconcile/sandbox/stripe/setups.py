"""What can happen to setup intents: payment methods kept for later."""

from __future__ import annotations

from reconcile.sandbox.stripe import objects
from reconcile.sandbox.stripe.payments import Payments


class Setups(Payments):
    """Actions on payment methods to come."""

    def create_setup_intent(self, **changes: object) -> str:
        """`setup_intent.created`, waiting for a payment method."""
        with self.platform.lock:
            fresh = objects.setup_intent(self.new_id("seti"), self.now(), livemode=self.platform.livemode)
            return self._made("setup_intent", {**fresh, **changes}, "setup_intent.created")

    def require_setup_action(self, intent_id: str) -> None:
        """`setup_intent.requires_action`: the customer must confirm."""
        self._setup(intent_id, "setup_intent.requires_action", status="requires_action")

    def succeed_setup(self, intent_id: str) -> None:
        """`setup_intent.succeeded`."""
        self._setup(intent_id, "setup_intent.succeeded", status="succeeded", payment_method="pm_" + intent_id[5:])

    def fail_setup(self, intent_id: str) -> None:
        """`setup_intent.setup_failed`: back to waiting for a payment method."""
        error = {"code": "card_declined", "message": "Your card was declined.", "type": "card_error"}
        self._setup(intent_id, "setup_intent.setup_failed", status="requires_payment_method", last_setup_error=error)

    def cancel_setup(self, intent_id: str) -> None:
        """`setup_intent.canceled`; unlike a payment intent it does not say when."""
        self._setup(intent_id, "setup_intent.canceled", status="canceled", cancellation_reason="abandoned")

    def _setup(self, intent_id: str, event_type: str, **changes: object) -> None:
        with self.platform.lock:
            self.emit(event_type, self.change("setup_intent", intent_id, changes)[0])
