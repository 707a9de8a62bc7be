"""Mails: what is to be sent, to whom, and what became of it, address by address (A6)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, exists, func, insert, select, text, update

from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables_alerts import OPEN_INCIDENTS, UNSENT, incidents, notices, recipients
from reconcile.ledger.tables_alerts import mails as table
from reconcile.safe import safe

QUEUED, SENT, DEAD = "queued", "sent", "dead"


@dataclass(frozen=True, slots=True)
class Notice:
    """That an audience is told one thing of an incident. `step`: which repetition, or which step of escalation."""

    incident_id: int
    state: str
    audience: str
    step: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it is to be sent. `audience`, `source` and `step` say which configured addresses it is for."""

    message_id: str
    audience: str
    source: str
    step: int
    subject: str
    plain: str
    html: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in the outbox. `to` are all its addresses, `due` those it is to be tried for now.

    `taken` is until when it is claimed by whoever sends it, None if it is not: what becomes of it is marked only as
    long as nobody else has taken it since.
    """

    id: int
    letter: Letter
    created_at: datetime
    to: tuple[str, ...]
    due: tuple[str, ...] = ()
    taken: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address of one mail."""

    mail_id: int
    address: str
    state: str
    attempts: int
    next_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """What has not arrived: mails with an address still queued, mails refused for good whose matter is still open,
    and since when the oldest of them waits.
    """

    queued: int = 0
    dead: int = 0
    since: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.queued or self.dead)


def told(tx: Tx) -> dict[int, dict[Notice, datetime]]:
    """Everything that was put into mails about incidents that are not settled, and when."""
    unsettled = select(incidents.c.id).where(incidents.c.settled == 0)
    query = select(notices).where(notices.c.incident_id.in_(unsettled))
    found: dict[int, dict[Notice, datetime]] = {}
    for row in tx.connection.execute(query):
        notice = Notice(row.incident_id, row.state, row.audience, row.step)
        found.setdefault(row.incident_id, {})[notice] = row.at
    return found


def queue(tx: Tx, letter: Letter, addresses: Sequence[str], of: Iterable[Notice]) -> int:
    """Put a mail into the outbox with the notices it carries; its id. Part of the commit that decides to tell (A1)."""
    values = {
        "message_id": letter.message_id,
        "audience": letter.audience,
        "source": letter.source,
        "step": letter.step,
        "subject": letter.subject,
        "plain": letter.plain,
        "html": letter.html,
        "created_at": tx.now,
    }
    id_ = int(tx.connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one())
    rows = [
        {"incident_id": one.incident_id, "state": one.state, "audience": one.audience, "step": one.step}
        | {"mail_id": id_, "at": tx.now}
        for one in of
    ]
    if rows:
        tx.connection.execute(insert(notices), rows)
    _add(tx, id_, addresses)
    return id_


def due(tx: Tx, *, everything: bool) -> list[Mail]:
    """Mails to try now, oldest first; with `everything` those too whose next attempt is not due yet."""
    query = select(recipients).where(text(UNSENT), recipients.c.state == QUEUED)
    if not everything:
        query = query.where(recipients.c.next_at <= tx.now)
    wanted: dict[int, list[str]] = {}
    for row in tx.connection.execute(query.order_by(recipients.c.mail_id, recipients.c.address)):
        wanted.setdefault(row.mail_id, []).append(row.address)
    return [_mail(tx, id_, addresses) for id_, addresses in wanted.items()]


def take(tx: Tx, mail: Mail, span: timedelta) -> Mail:
    """Claim a mail for the addresses it is due for: no other attempt at it comes due for so long."""
    taken = replace(mail, taken=tx.now + span)
    tx.connection.execute(update(recipients).where(*_queued(mail, mail.due)).values(next_at=taken.taken))
    return taken


def is_ours(tx: Tx, mail: Mail) -> bool:
    """Whether nobody else has taken a mail since it was taken."""
    query = select(func.count()).select_from(recipients)
    query = query.where(*_queued(mail, mail.due), recipients.c.next_at == mail.taken)
    return bool(tx.connection.execute(query).scalar_one() == len(mail.due))


def mark_sent(tx: Tx, mail: Mail, addresses: Collection[str], said: str) -> None:
    """The server took it for these addresses."""
    _mark(tx, mail, addresses, state=SENT, error=safe(said), done_at=tx.now)


def mark_dead(tx: Tx, mail: Mail, reasons: Mapping[str, str]) -> None:
    """Refused for good; each address with its reason."""
    for address, reason in reasons.items():
        _mark(tx, mail, [address], state=DEAD, error=safe(reason), done_at=tx.now)


def mark_later(tx: Tx, mail: Mail, reasons: Mapping[str, str], waits: Sequence[timedelta]) -> None:
    """Not now: each address, with its reason, is tried again after the wait its attempts have come to."""
    query = select(recipients).where(recipients.c.mail_id == mail.id, recipients.c.address.in_(list(reasons)))
    for row in tx.connection.execute(query).all():
        wait = waits[min(row.attempts, len(waits) - 1)]
        _mark(tx, mail, [row.address], error=safe(reasons[row.address]), next_at=tx.now + wait)


def unsent(tx: Tx) -> Unsent:
    """What has not arrived yet, or never will though its matter is still open and nobody took it on."""
    waiting = select(func.count(table.c.id.distinct()), func.min(table.c.created_at)).join_from(
        table, recipients, recipients.c.mail_id == table.c.id
    )
    open_matter = exists().where(
        notices.c.mail_id == table.c.id,
        notices.c.incident_id == incidents.c.id,
        and_(text(f"reconcile_incident.{OPEN_INCIDENTS}"), incidents.c.acked_at.is_(None)),
    )
    unsent_rows = text(f"reconcile_recipient.{UNSENT}")
    queued = tx.connection.execute(waiting.where(unsent_rows, recipients.c.state == QUEUED)).one()
    dead = tx.connection.execute(waiting.where(unsent_rows, recipients.c.state == DEAD, open_matter)).one()
    return Unsent(queued[0], dead[0], min((at for at in (queued[1], dead[1]) if at is not None), default=None))


def outstanding(tx: Tx) -> list[tuple[Mail, list[Recipient]]]:
    """Every mail with an address that is queued or dead, and what became of each of its addresses; oldest first."""
    wanted = select(recipients.c.mail_id).where(text(UNSENT))
    query = select(recipients).where(recipients.c.mail_id.in_(wanted))
    found: dict[int, list[Recipient]] = {}
    for row in tx.connection.execute(query.order_by(recipients.c.mail_id, recipients.c.address)):
        one = Recipient(row.mail_id, row.address, row.state, row.attempts, row.next_at, row.error)
        found.setdefault(row.mail_id, []).append(one)
    return [(_mail(tx, id_, ()), rows) for id_, rows in found.items()]


def readdress(tx: Tx, mail_id: int, rows: Iterable[Recipient], addresses: Sequence[str]) -> None:
    """Send what has not arrived to who is configured now: whoever is not is left out, and whoever is new comes in."""
    rows = list(rows)
    gone = [one.address for one in rows if one.state in (QUEUED, DEAD) and one.address not in addresses]
    if gone:
        tx.connection.execute(delete(recipients).where(recipients.c.mail_id == mail_id, recipients.c.address.in_(gone)))
        _add(tx, mail_id, [address for address in addresses if address not in {one.address for one in rows}])


def _add(tx: Tx, mail_id: int, addresses: Sequence[str]) -> None:
    rows = [{"mail_id": mail_id, "address": address, "next_at": tx.now} for address in addresses]
    if rows:
        tx.connection.execute(insert(recipients), rows)


def _mark(tx: Tx, mail: Mail, addresses: Collection[str], **values: Any) -> None:
    marked = update(recipients).where(*_queued(mail, addresses))
    if mail.taken is not None:
        marked = marked.where(recipients.c.next_at == mail.taken)
    tx.connection.execute(marked.values(attempts=recipients.c.attempts + 1, **values))


def _queued(mail: Mail, addresses: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    named = and_(recipients.c.mail_id == mail.id, recipients.c.address.in_(addresses))
    return named, recipients.c.state == QUEUED


def _mail(tx: Tx, id_: int, due_: Sequence[str]) -> Mail:
    row: Row[Any] = tx.connection.execute(select(table).where(table.c.id == id_)).one()
    query = select(recipients.c.address).where(recipients.c.mail_id == id_).order_by(recipients.c.address)
    letter = Letter(row.message_id, row.audience, row.source, row.step, row.subject, row.plain, row.html)
    return Mail(row.id, letter, row.created_at, tuple(tx.connection.execute(query).scalars()), tuple(due_))
