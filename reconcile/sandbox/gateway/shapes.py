"""Published shapes: three real gateways, and plain ones for what those do not have.

Razorpay: razorpay.com/docs/api/payments, and its Python SDK. Paystack: paystack.com/docs/api/transaction. Xendit: its
SDKs' `TransactionApi`, developers.xendit.co for webhooks.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from reconcile.model import TransactionStatus
from reconcile.sandbox.fake import Json
from reconcile.sandbox.gateway import signing
from reconcile.sandbox.gateway.records import Payment
from reconcile.sandbox.gateway.shape import More, Paging, Shape

_PENDING, _SUCCEEDED, _FAILED = TransactionStatus.PENDING, TransactionStatus.SUCCEEDED, TransactionStatus.FAILED
_CANCELLED, _REFUNDED = TransactionStatus.CANCELLED, TransactionStatus.REFUNDED


def _iso(when: datetime, spec: str = "milliseconds") -> str:
    return when.isoformat(timespec=spec).replace("+00:00", "Z")


def _minor(amount: Decimal) -> int:
    return int(amount * 100)


def _plain_item(payment: Payment) -> Json:
    return {
        "reference": payment.reference,
        "id": payment.id,
        "created_at": _iso(payment.created, "microseconds"),
        "updated_at": _iso(payment.updated, "microseconds"),
        "status": payment.word,
        "amount": f"{payment.amount:.2f}",
        "currency": payment.currency,
    }


def _plain_page(items: list[Json], more: More) -> Json:
    return {"payments": items, "meta": {"total": more.total, "next": more.token}, "links": {"next": more.url}}


def _plain_envelope(topic: str, payment: Payment, event_id: str, at: datetime) -> Json:
    return {"event_id": event_id, "event_type": topic, "sent_at": _iso(at), "data": _plain_item(payment)}


PLAIN = Shape(
    auth=("bearer", "", "gate_dummy_token"),
    list_path="/payments",
    status_path="/get-status",
    status_param="reference",
    filters={"created_at_min": "created_from", "created_at_max": "created_to"},
    time="iso8601",
    paging=Paging.PAGE,
    page_param="page",
    size_param="per_page",
    default_size=20,
    max_size=100,
    words={_PENDING: "pending", _SUCCEEDED: "paid", _FAILED: "failed", _CANCELLED: "void", _REFUNDED: "refunded"},
    topics={status: f"payment.{status}" for status in TransactionStatus},
    item=_plain_item,
    page=_plain_page,
    one=lambda item: item,
    envelope=_plain_envelope,
    sign=signing.hex_hmac("X-Signature", "sha256"),
)

#: The same provider with lists by last change, and a token for the next page.
BY_CURSOR = replace(
    PLAIN,
    filters={"updated_at_min": "updated_from", "updated_at_max": "updated_to"},
    paging=Paging.CURSOR,
    page_param="after",
    size_param="limit",
    sign=signing.standard_webhooks,
)

#: ... with the next page's URL in the answer, its key in the query, and times in milliseconds.
BY_NEXT = replace(
    PLAIN,
    auth=("query", "api_key", "query_dummy_value"),
    time="epoch_ms",
    paging=Paging.NEXT,
    page_param="cursor",
    open_ended=True,
    sign=signing.base64_hmac("X-Signature", "sha512", "sha512="),
)

#: ... with the next page's URL in a header, its key in a header of its own, and whole days.
BY_LINK = replace(
    PLAIN,
    auth=("header", "X-Api-Key", "header_dummy_value"),
    time="date",
    paging=Paging.LINK,
    page_param="cursor",
    sign=signing.timed_hmac("X-Signature", "X-Timestamp"),
)


def _razorpay_item(payment: Payment) -> Json:
    return {
        "id": payment.id,
        "entity": "payment",
        "amount": _minor(payment.amount),
        "currency": payment.currency,
        "status": payment.word,
        "order_id": f"order_{payment.serial}",
        "method": "upi",
        "captured": payment.word in ("captured", "refunded"),
        "notes": [],
        "created_at": int(payment.created.timestamp()),
    }


def _razorpay_envelope(topic: str, payment: Payment, event_id: str, at: datetime) -> Json:
    del event_id  # it comes in a header
    return {
        "entity": "event",
        "account_id": "acc_dummy",
        "event": topic,
        "contains": ["payment"],
        "payload": {"payment": {"entity": _razorpay_item(payment)}},
        "created_at": int(at.timestamp()),
    }


RAZORPAY = Shape(
    auth=("basic", "", "rzp_test_dummy:secret_dummy"),
    list_path="/v1/payments",
    status_path="/v1/payments/{id}",
    status_param="",
    filters={"created_at_min": "from", "created_at_max": "to"},
    time="epoch_s",
    paging=Paging.OFFSET,
    page_param="skip",
    size_param="count",
    default_size=10,
    max_size=100,
    words={_PENDING: "created", _SUCCEEDED: "captured", _FAILED: "failed", _REFUNDED: "refunded"},
    topics={_SUCCEEDED: "payment.captured", _FAILED: "payment.failed"},
    item=_razorpay_item,
    page=lambda items, _: {"entity": "collection", "count": len(items), "items": items},
    one=lambda item: item,
    envelope=_razorpay_envelope,
    sign=signing.hex_hmac("X-Razorpay-Signature", "sha256"),
    open_ended=True,  # "after which" and "before which", says the SDK
    by_reference=False,
)


def _paystack_item(payment: Payment) -> Json:
    paid = _iso(payment.updated) if payment.status is _SUCCEEDED else None
    return {
        "id": 4_000_000_000 + payment.serial,
        "domain": "test",
        "status": payment.word,
        "reference": payment.reference,
        "amount": _minor(payment.amount),
        "paid_at": paid,
        "created_at": _iso(payment.created),
        "channel": "card",
        "currency": payment.currency,
    }


def _paystack_page(items: list[Json], more: More) -> Json:
    meta = {"total": more.total, "skipped": 0, "perPage": len(items), "page": more.page, "pageCount": more.page}
    return {"status": True, "message": "Transactions retrieved", "data": items, "meta": meta}


PAYSTACK = Shape(
    auth=("bearer", "", "sk_test_dummy"),
    list_path="/transaction",
    status_path="/transaction/verify/{id}",
    status_param="",
    filters={"created_at_min": "from", "created_at_max": "to"},
    time="iso8601",
    paging=Paging.PAGE,
    page_param="page",
    size_param="perPage",
    default_size=50,
    max_size=100,
    words={_PENDING: "ongoing", _SUCCEEDED: "success", _FAILED: "failed", _REFUNDED: "reversed"},
    topics={_SUCCEEDED: "charge.success"},
    item=_paystack_item,
    page=_paystack_page,
    one=lambda item: {"status": True, "message": "Verification successful", "data": item},
    envelope=lambda topic, payment, *_: {"event": topic, "data": _paystack_item(payment)},
    sign=signing.hex_hmac("x-paystack-signature", "sha512"),
    clamps=True,
)


def _xendit_item(payment: Payment) -> Json:
    return {
        "id": payment.id,
        "product_id": f"py-{payment.serial}",
        "type": "PAYMENT",
        "status": payment.word,
        "channel_category": "EWALLET",
        "reference_id": payment.reference,
        "currency": payment.currency,
        "amount": _number(payment.amount),
        "created": _iso(payment.created),
        "updated": _iso(payment.updated),
    }


def _number(amount: Decimal) -> Any:
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _xendit_envelope(topic: str, payment: Payment, event_id: str, at: datetime) -> Json:
    del event_id
    word = "SUCCEEDED" if payment.status is _SUCCEEDED else payment.word
    data = {**_xendit_item(payment), "id": f"py-{payment.serial}", "status": word}
    return {"event": topic, "business_id": "dummy", "created": _iso(at), "data": data}


XENDIT = Shape(
    auth=("basic", "", "xnd_development_dummy:"),
    list_path="/transactions",
    status_path="/transactions",
    status_param="reference_id",
    filters={
        "created_at_min": "created[gte]",
        "created_at_max": "created[lte]",
        "updated_at_min": "updated[gte]",
        "updated_at_max": "updated[lte]",
    },
    time="iso8601",
    paging=Paging.AFTER_ID,
    page_param="after_id",
    size_param="limit",
    default_size=10,
    max_size=50,
    words={_PENDING: "PENDING", _SUCCEEDED: "SUCCESS", _FAILED: "FAILED", _CANCELLED: "VOIDED", _REFUNDED: "REVERSED"},
    topics={_SUCCEEDED: "payment.succeeded", _FAILED: "payment.failed"},
    item=_xendit_item,
    page=lambda items, more: {"data": items, "has_more": more.more, "links": []},
    one=lambda item: {"data": [item], "has_more": False, "links": []},
    envelope=_xendit_envelope,
    sign=signing.token("x-callback-token"),
    fixed={"types": "PAYMENT"},
    id_prefix="txn_",
)
