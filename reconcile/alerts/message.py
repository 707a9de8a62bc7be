"""A letter of the outbox as the bytes that leave: the same at every attempt (A3), and no header can be added to it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from reconcile.alerts.digest import News
from reconcile.alerts.due import THIRD_PARTY, Audience
from reconcile.ledger.mails import Mail
from reconcile.model import iso

#: The library folds a long subject before its first word, and some readers then show a space in front of it.
_UNFOLDED = SMTP.clone(max_line_length=500)


def message_id(audience: Audience, news: News, sender: str) -> str:
    """The Message-ID of what one audience is told: of what is told alone, so that a second copy has the same."""
    lines = sorted(
        f"{one.id}\n{one.source}\n{one.kind}\n{one.key}\n{iso(one.opened_at)}\n{notice.state}\n{notice.step}"
        for one, notice in news
    )
    return _id("\n".join((audience.name, audience.source, str(audience.step), *lines)), sender)


def _id(text: str, sender: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:40]
    return f"<{digest}.reconcile@{sender.rpartition('@')[2]}>"


def compose(mail: Mail, sender: str, answers: Sequence[str]) -> bytes:
    """The whole message. Its header lines come from the configuration and our own words only.

    `answers` are the operators: what someone outside answers goes to them.
    """
    letter = mail.letter
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(sender, "reconcile")
    message["To"] = [_address(one) for one in mail.to]
    if letter.audience == THIRD_PARTY:
        message["Reply-To"] = [_address(one) for one in answers]
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = letter.message_id
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(letter.plain, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    # The library's own boundary is drawn by lot, and the copies of a mail should be one.
    message.set_boundary(f"=_{hashlib.sha256(letter.message_id.encode()).hexdigest()[:32]}")
    return message.as_bytes(policy=_UNFOLDED)


def _address(text: str, name: str = "") -> Address:
    user, _, domain = text.rpartition("@")
    return Address(name, user, domain)
