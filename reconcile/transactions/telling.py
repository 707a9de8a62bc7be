"""Asking a connector what a body tells of transactions, guarded: whatever it does, no event is lost by it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from reconcile.config import SourceConfig
from reconcile.connector import Connector, ReportsStatus
from reconcile.model import Reported, Snapshot, Subject
from reconcile.names import clean, is_too_long

log = logging.getLogger(__name__)

_LONGEST_WORD = 64

#: The transactions that a listed resource shows.
Shows = Callable[[Snapshot], Sequence[Reported]]


def told(source: SourceConfig, connector: Connector, topic: str, body: bytes) -> tuple[Reported, ...]:
    """The transactions that an event's body tells of; none, and a word in the log, if that cannot be read."""
    if not isinstance(connector, ReportsStatus) or not body:
        return ()
    try:
        return tuple(fit(_for(source, one)) for one in connector.told(topic, body) if _concerns(source, one))
    except Exception as error:  # noqa: BLE001 - hostile or broken bodies must never lose a genuine delivery
        log.warning("%s: what %s tells of transactions cannot be read: %s", source.name, topic, type(error).__name__)
        return ()


def shown(source: SourceConfig, connector: Connector) -> Shows | None:
    """The question to ask of every listed resource, None where the connector reports no status."""
    if not isinstance(connector, ReportsStatus):
        return None
    listed = connector.listed

    def ask(snapshot: Snapshot) -> Sequence[Reported]:
        try:
            return [fit(_for(source, one)) for one in listed(snapshot) if _concerns(source, one)]
        except Exception as error:  # noqa: BLE001 - no page is lost by what it tells besides
            log.warning("%s: the status of %s cannot be read: %s", source.name, snapshot.subject, type(error).__name__)
            return ()

    return ask


def _concerns(source: SourceConfig, reported: Reported) -> bool:
    """What is pending and not among the source's `transactions` is not followed; how others end counts always."""
    subject = reported.subject
    if any(map(is_too_long, (subject.type, subject.id))):
        return False
    wanted = source.transactions
    if wanted is None or reported.status.terminal:
        return True
    return subject.type in wanted or f"{subject.type}/{reported.raw}" in wanted


def _for(source: SourceConfig, reported: Reported) -> Reported:
    """An end that may not last is kept only of types that the source follows."""
    wanted, type_ = source.transactions, reported.subject.type
    if reported.revocable and wanted is not None and type_ not in {one.partition("/")[0] for one in wanted}:
        return replace(reported, revocable=False)
    return reported


def fit(reported: Reported) -> Reported:
    """The same in text that both engines take, with an amount that can be compared or none."""
    subject = reported.subject
    named = Subject(clean(subject.type), clean(subject.id))
    amount = reported.amount if reported.amount is not None and reported.amount.is_finite() else None
    raw, currency = clean(reported.raw)[:_LONGEST_WORD], clean(reported.currency)[:_LONGEST_WORD]
    return replace(reported, subject=named, raw=raw, amount=amount, currency=currency)
