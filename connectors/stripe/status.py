"""What became of a payment: the statuses of https://docs.stripe.com/api, as what they come to.

Every status is an open set: one that is not in the table is pending. An intent whose attempt failed waits for another
payment method, which is no end. A charge stays `succeeded` when it is refunded or disputed later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from urllib.parse import quote

import msgspec

from connectors.stripe.facts import LISTS
from connectors.stripe.inference import BY_TOPIC
from connectors.stripe.paging import account_header, at, unix
from connectors.stripe.rebuild import candidate
from connectors.stripe.shapes import Listed, Resource
from reconcile import surrogates
from reconcile.errors import NotFound, Rejected
from reconcile.http import ProviderClient
from reconcile.model import Reported, Snapshot, Subject, TransactionStatus

_SUCCEEDED, _FAILED = TransactionStatus.SUCCEEDED, TransactionStatus.FAILED
_CANCELLED, _PENDING = TransactionStatus.CANCELLED, TransactionStatus.PENDING

STATUSES = {
    "payment_intent": {"succeeded": _SUCCEEDED, "canceled": _CANCELLED},
    "setup_intent": {"succeeded": _SUCCEEDED, "canceled": _CANCELLED},
    "charge": {"succeeded": _SUCCEEDED, "failed": _FAILED},
    "refund": {"succeeded": _SUCCEEDED, "failed": _FAILED, "canceled": _CANCELLED},
    "payout": {"paid": _SUCCEEDED, "failed": _FAILED, "canceled": _CANCELLED},
    "dispute": {"won": _SUCCEEDED, "lost": _FAILED, "warning_closed": _CANCELLED, "prevented": _CANCELLED},
    "checkout.session": {"complete": _SUCCEEDED, "expired": _CANCELLED},
}
#: Whose ends Stripe may take back: a payout fails days after it was paid, a refund after it succeeded.
_REVOCABLE = ("refund", "payout")
_PATHS = {resource: path for path, resource in LISTS.values()}
_PREFIXES = {
    "pi": "payment_intent", "seti": "setup_intent", "ch": "charge", "py": "charge", "re": "refund", "pyr": "refund",
    "po": "payout", "dp": "dispute", "du": "dispute", "cs": "checkout.session",
}  # fmt: skip
#: What a status proves: the topics that its event may have. The rest of an object's facts it had before.
_PROVES = {
    ("payment_intent", "succeeded"): ("payment_intent.succeeded",),
    ("payment_intent", "canceled"): ("payment_intent.canceled",),
    ("setup_intent", "succeeded"): ("setup_intent.succeeded",),
    ("setup_intent", "canceled"): ("setup_intent.canceled",),
    ("charge", "succeeded"): ("charge.succeeded",),
    ("charge", "failed"): ("charge.failed",),
    ("refund", "succeeded"): ("refund.updated", "charge.refund.updated"),
    ("refund", "canceled"): ("refund.updated", "charge.refund.updated"),
    ("refund", "failed"): ("refund.updated", "charge.refund.updated", "refund.failed"),
    ("payout", "paid"): ("payout.paid",),
    ("payout", "failed"): ("payout.failed",),
    ("payout", "canceled"): ("payout.canceled",),
    ("dispute", "won"): ("charge.dispute.closed",),
    ("dispute", "lost"): ("charge.dispute.closed",),
    ("dispute", "warning_closed"): ("charge.dispute.closed",),
    ("checkout.session", "complete"): ("checkout.session.completed",),
    ("checkout.session", "expired"): ("checkout.session.expired",),
}


class _Money(msgspec.Struct):
    """The object of an event or answer. A session's amount is its total; `amount` is in the currency's minor unit."""

    id: str
    object: str
    created: int
    status: str | None = None
    amount: int | None = None
    amount_total: int | None = None
    currency: str | None = None
    payment_status: str | None = None


class _Data(msgspec.Struct):
    object: _Money


class _Event(msgspec.Struct):
    created: int
    data: _Data


class _Kind(msgspec.Struct):
    object: str = ""


class _Head(msgspec.Struct):
    object: _Kind = msgspec.field(default_factory=_Kind)


class _Whole(msgspec.Struct):
    data: _Head = msgspec.field(default_factory=_Head)


_WHOLE = msgspec.json.Decoder(_Whole)
_EVENT = msgspec.json.Decoder(_Event)
_MONEY = msgspec.json.Decoder(_Money)
_RESOURCE = msgspec.json.Decoder(Resource)


def told(body: bytes) -> Sequence[Reported]:
    """The object of a snapshot event; a thin event tells no status. Raises `ValueError` if it cannot be read."""
    try:
        if surrogates.decode(_WHOLE, body).data.object.object not in STATUSES:
            return ()
        event = surrogates.decode(_EVENT, body)
    except (msgspec.MsgspecError, RecursionError, OverflowError) as error:
        raise ValueError(f"not a Stripe event: {error}") from None
    return (_reported(event.data.object, changed_at=at(event.created)),)


def listed(snapshot: Snapshot) -> Sequence[Reported]:
    """The listed object, if it is one that has a status to wait for."""
    kind = snapshot.subject.type
    if kind not in STATUSES:
        return ()
    raw = snapshot.fields.resource.status
    if _come_to(kind, raw) is _PENDING or kind == "checkout.session":
        return (_reported(_MONEY.decode(snapshot.body)),)
    ended = _come_to(kind, raw)
    return (Reported(snapshot.subject, ended, raw, at=snapshot.at, revocable=kind in _REVOCABLE),)


def status(client: ProviderClient, subject: Subject, accounts: Iterable[str], api_version: str) -> Reported | None:
    """Ask for the object, of each connected account in turn; None if none of them has it."""
    if subject.type not in STATUSES:
        raise Rejected(f"Stripe has no {subject.type} with a status; there are: {', '.join(STATUSES)}")
    path = f"/v1/{_PATHS[subject.type]}/{quote(subject.id, safe='')}"
    for account in accounts:
        try:
            money, answer = client.get_page(path, _MONEY, headers=account_header(account))
        except NotFound:
            continue
        return _proven(_reported(money), answer.content, account, api_version, client.provider_date)
    return None


def subject_of(id_: str) -> Subject | None:
    """What an id names, by its prefix: `pi_…` a payment intent."""
    kind = _PREFIXES.get(id_.partition("_")[0])
    return Subject(kind, id_) if kind else None


def _come_to(kind: str, raw: str | None) -> TransactionStatus:
    return STATUSES[kind].get(raw or "", _PENDING)


def _reported(money: _Money, changed_at: datetime | None = None) -> Reported:
    come_to, raw = _come_to(money.object, money.status), money.status or ""
    if money.object == "checkout.session" and raw == "complete" and money.payment_status == "unpaid":
        # Complete, and paid for by a method that takes days: async_payment_succeeded or _failed is still to come.
        come_to, raw = _PENDING, "complete/unpaid"
    amount = money.amount if money.amount is not None else money.amount_total
    return Reported(
        subject=Subject(money.object, money.id),
        status=come_to,
        raw=raw,
        amount=None if amount is None else Decimal(amount),
        currency=money.currency or "",
        at=at(money.created),
        changed_at=changed_at,
        revocable=come_to.terminal and money.object in _REVOCABLE,
    )


def _proven(reported: Reported, body: bytes, account: str, api_version: str, asked_at: datetime | None) -> Reported:
    """With the facts of a terminal status. Where the object does not show when, they happened by the time of asking."""
    topics = _PROVES.get((reported.subject.type, reported.raw), ())
    if not reported.status.terminal or not topics:
        return reported
    resource = _RESOURCE.decode(body)
    when = resource.canceled_at or (unix(asked_at) if asked_at else resource.created)
    snapshot = Snapshot(reported.subject, when * 1_000_000, at(when), body, Listed(resource, account))
    facts = tuple(candidate(snapshot, BY_TOPIC[topic], when, api_version) for topic in topics)
    return replace(reported, changed_at=at(when), facts=facts)
