"""Bodies of Stripe objects: keys after the published OpenAPI examples, values made up. Amounts are minor units."""

from __future__ import annotations

from reconcile.sandbox.fake import Json

CARD: Json = {
    "card": {
        "amount_authorized": None, "authorization_code": None, "brand": "visa",
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US", "exp_month": 8, "exp_year": 2030, "fingerprint": "AOB934RVNwzk6xtn", "funding": "credit",
        "installments": None, "last4": "4242", "mandate": None, "network": "visa", "three_d_secure": None,
        "wallet": None,
    },
    "type": "card",
}  # fmt: skip


def customer(object_id: str, created: int, *, livemode: bool) -> Json:
    """A customer."""
    return {
        "id": object_id, "object": "customer", "address": None, "balance": 0, "created": created,
        "currency": "usd", "default_source": None, "delinquent": False, "description": None,
        "discount": None, "email": f"{object_id[-6:].lower()}@example.com",
        "invoice_prefix": object_id[-7:].upper(),
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
        "livemode": livemode, "metadata": {}, "name": "Ada Ångström", "next_invoice_sequence": 1,
        "phone": None, "preferred_locales": [], "shipping": None, "tax_exempt": "none", "test_clock": None,
    }  # fmt: skip


def payment_intent(object_id: str, created: int, amount: int, currency: str, *, livemode: bool) -> Json:
    """A payment intent nobody has paid yet."""
    return {
        "id": object_id, "object": "payment_intent", "amount": amount, "amount_capturable": 0,
        "amount_details": {"tip": {}}, "amount_received": 0, "application": None,
        "application_fee_amount": None, "automatic_payment_methods": {"enabled": True}, "canceled_at": None,
        "cancellation_reason": None, "capture_method": "automatic", "client_secret": None,
        "confirmation_method": "automatic", "created": created, "currency": currency, "customer": None,
        "customer_account": None, "description": None, "last_payment_error": None, "latest_charge": None,
        "livemode": livemode, "metadata": {}, "next_action": None, "on_behalf_of": None,
        "payment_method": None, "payment_method_options": {}, "payment_method_types": ["card"],
        "processing": None, "receipt_email": None, "review": None, "setup_future_usage": None,
        "shipping": None, "statement_descriptor": None, "status": "requires_payment_method",
        "transfer_data": None, "transfer_group": None,
    }  # fmt: skip


def setup_intent(object_id: str, created: int, *, livemode: bool) -> Json:
    """A setup intent nobody has confirmed yet: a payment method to be kept for later."""
    return {
        "id": object_id, "object": "setup_intent", "application": None, "attach_to_self": False,
        "automatic_payment_methods": {"enabled": True}, "cancellation_reason": None, "client_secret": None,
        "created": created, "customer": None, "description": None, "flow_directions": None, "last_setup_error": None,
        "latest_attempt": None, "livemode": livemode, "mandate": None, "metadata": {}, "next_action": None,
        "on_behalf_of": None, "payment_method": None, "payment_method_options": {}, "payment_method_types": ["card"],
        "single_use_mandate": None, "status": "requires_payment_method", "usage": "off_session",
    }  # fmt: skip


def charge(object_id: str, created: int, intent: Json) -> Json:
    """A charge of an intent, of unknown outcome."""
    return {
        "id": object_id, "object": "charge", "amount": intent["amount"], "amount_captured": 0,
        "amount_refunded": 0, "application": None, "application_fee": None,
        "balance_transaction": "txn_" + object_id[3:],
        "billing_details": {"address": None, "email": None, "name": "Ada Ångström", "phone": None, "tax_id": None},
        "calculated_statement_descriptor": "ACME", "captured": False, "created": created,
        "currency": intent["currency"], "customer": intent["customer"], "description": None,
        "disputed": False, "failure_code": None, "failure_message": None, "fraud_details": {},
        "livemode": intent["livemode"], "metadata": {}, "on_behalf_of": None, "outcome": None,
        "paid": False, "payment_intent": intent["id"], "payment_method": "pm_" + object_id[3:],
        "payment_method_details": CARD, "receipt_email": None, "receipt_number": None, "receipt_url": None,
        "refunded": False, "review": None, "shipping": None, "source_transfer": None,
        "statement_descriptor": None, "status": "pending", "transfer_data": None,
        "transfer_group": intent["transfer_group"],
    }  # fmt: skip


def refund(object_id: str, created: int, charged: Json, amount: int, status: str) -> Json:
    """A refund of a charge."""
    return {
        "id": object_id, "object": "refund", "amount": amount,
        "balance_transaction": "txn_" + object_id[3:], "charge": charged["id"], "created": created,
        "currency": charged["currency"],
        "destination_details": {"card": {"type": "refund"}, "type": "card"}, "metadata": {},
        "payment_intent": charged["payment_intent"], "reason": None, "receipt_number": None,
        "source_transfer_reversal": None, "status": status, "transfer_reversal": None,
    }  # fmt: skip


def dispute(object_id: str, created: int, charged: Json) -> Json:
    """A dispute that waits for evidence."""
    return {
        "id": object_id, "object": "dispute", "amount": charged["amount"], "balance_transactions": [],
        "charge": charged["id"], "created": created, "currency": charged["currency"], "evidence": {},
        "evidence_details": {
            "due_by": created + 7 * 86_400, "has_evidence": False, "past_due": False, "submission_count": 0,
        },
        "is_charge_refundable": False, "livemode": charged["livemode"], "metadata": {},
        "payment_intent": charged["payment_intent"], "reason": "fraudulent", "status": "needs_response",
    }  # fmt: skip


def payout(object_id: str, created: int, amount: int, *, livemode: bool) -> Json:
    """A payout on its way to the bank."""
    return {
        "id": object_id, "object": "payout", "amount": amount, "application_fee": None,
        "arrival_date": created + 2 * 86_400, "automatic": True,
        "balance_transaction": "txn_" + object_id[3:], "created": created, "currency": "usd",
        "description": "STRIPE PAYOUT", "destination": "ba_" + object_id[3:],
        "failure_balance_transaction": None, "failure_code": None, "failure_message": None,
        "livemode": livemode, "metadata": {}, "method": "standard", "original_payout": None,
        "reconciliation_status": "in_progress", "reversed_by": None, "source_type": "card",
        "statement_descriptor": None, "status": "in_transit", "type": "bank_account",
    }  # fmt: skip


def invoice(object_id: str, created: int, customer_id: str, amount: int, subscription: str | None) -> Json:
    """A draft invoice of one line."""
    parent: Json = {"quote_details": None, "type": "subscription_details",
              "subscription_details": {"metadata": {}, "subscription": subscription}}  # fmt: skip
    line = {"id": "il_" + object_id[3:], "object": "line_item", "amount": amount, "currency": "usd",
            "description": "Plan", "invoice": object_id, "quantity": 1}  # fmt: skip
    return {
        "id": object_id, "object": "invoice", "account_country": "US", "amount_due": amount,
        "amount_paid": 0, "amount_remaining": amount, "attempt_count": 0, "attempted": False,
        "auto_advance": True, "billing_reason": "subscription_cycle" if subscription else "manual",
        "collection_method": "charge_automatically", "created": created, "currency": "usd",
        "customer": customer_id, "description": None, "due_date": None, "effective_at": None,
        "ending_balance": None, "footer": None,
        "lines": {"object": "list", "data": [line], "has_more": False, "url": f"/v1/invoices/{object_id}/lines"},
        "livemode": False, "metadata": {}, "next_payment_attempt": None, "number": None,
        "parent": parent if subscription else None, "period_end": created, "period_start": created,
        "starting_balance": 0, "status": "draft",
        "status_transitions": {
            "finalized_at": None, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None,
        },
        "subtotal": amount, "total": amount, "webhooks_delivered_at": None,
    }  # fmt: skip


def subscription(object_id: str, created: int, customer_id: str, amount: int, *, livemode: bool) -> Json:
    """An active monthly subscription of one price."""
    price = {"id": "price_" + object_id[4:], "object": "price", "active": True, "currency": "usd",
             "recurring": {"interval": "month", "interval_count": 1}, "type": "recurring",
             "unit_amount": amount}  # fmt: skip
    item = {"id": "si_" + object_id[4:], "object": "subscription_item", "created": created,
            "current_period_end": created + 30 * 86_400, "current_period_start": created, "price": price,
            "quantity": 1, "subscription": object_id}  # fmt: skip
    return {
        "id": object_id, "object": "subscription", "application": None, "billing_cycle_anchor": created,
        "cancel_at": None, "cancel_at_period_end": False, "canceled_at": None,
        "cancellation_details": { "comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically", "created": created, "currency": "usd",
        "customer": customer_id, "days_until_due": None, "default_payment_method": None,
        "description": None, "discounts": [], "ended_at": None,
        "items": {
            "object": "list", "data": [item], "has_more": False,
            "url": f"/v1/subscription_items?subscription={object_id}",
        },
        "latest_invoice": None, "livemode": livemode, "metadata": {}, "pause_collection": None,
        "schedule": None, "start_date": created, "status": "active", "test_clock": None, "trial_end": None,
        "trial_start": None,
    }  # fmt: skip


def checkout_session(object_id: str, created: int, amount: int, *, livemode: bool) -> Json:
    """An open checkout session."""
    return {
        "id": object_id, "object": "checkout.session", "amount_subtotal": amount, "amount_total": amount,
        "cancel_url": "https://example.com/cancel", "client_reference_id": None, "created": created,
        "currency": "usd", "customer": None, "customer_details": None, "expires_at": created + 86_400,
        "invoice": None, "livemode": livemode, "metadata": {}, "mode": "payment", "payment_intent": None,
        "payment_link": None, "payment_method_types": ["card"], "payment_status": "unpaid",
        "status": "open", "subscription": None, "success_url": "https://example.com/success", "url": None,
    }  # fmt: skip
