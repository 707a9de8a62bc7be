"""Sending what is in the outbox. Nothing here can fail a run: what does not leave stays queued, with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from reconcile import failpoints
from reconcile.alerts import message
from reconcile.alerts.smtp import Session, Unreachable, Verdict
from reconcile.config import AlertsConfig
from reconcile.context import Context
from reconcile.errors import LeaseLost, LedgerError
from reconcile.ledger import leases, mails
from reconcile.ledger.leases import Lease
from reconcile.ledger.mails import Mail

#: The waits between attempts at one address; the last one goes on.
WAITS = tuple(timedelta(minutes=number) for number in (1, 5, 15, 60))
#: An address that is still put off so long after the mail was written is given up, as mail servers do.
GIVE_UP = timedelta(days=5)
#: Seconds that a ledger is waited for which cannot be written to just after a mail has left: on SQLite a handler may
#: hold it for as long as its timeout allows. And those between two looks.
PATIENCE, LOOK = 60.0, 0.5
#: How long a mail on its way is left alone by a timetable's runs: longer than a conversation with the mail server and
#: our patience with the ledger after it may take together.
TAKEN = timedelta(minutes=4)


@dataclass(slots=True)
class Delivered:
    """Mails that somebody has received in this run, and why the others could not leave, if one reason holds for all."""

    sent: int = 0
    trouble: str = ""


def deliver(context: Context, alerts: AlertsConfig, lease: Lease, *, everything: bool) -> Delivered:
    """Try every queued mail that is due, or simply every one, over one connection."""
    done = Delivered()
    with context.ledger.read() as tx:
        waiting = mails.due(tx, everything=everything)
    if not waiting:
        return done
    left = list(waiting)
    try:
        with context.mailers(alerts.smtp.get_secret_value(), alerts.from_, context.stop) as session:
            while left and not context.stop.is_set():
                done.sent += _send(context, alerts, lease, session, left[0])
                left.pop(0)
    except Unreachable as error:
        done.trouble = str(error)
        _put_off(context, lease, left, done.trouble)
    return done


def post(session: Session, alerts: AlertsConfig, mail: Mail) -> dict[str, Verdict]:
    """Hand one mail to the server, for the addresses that are due; what it said of each."""
    return session.send(alerts.from_, mail.due, message.compose(mail, alerts.from_, alerts.to))


def _send(context: Context, alerts: AlertsConfig, lease: Lease, session: Session, mail: Mail) -> bool:
    """Whether anybody has received it."""
    failpoints.reach("mail.before_send")
    with context.ledger.write() as tx:
        leases.renew(tx, lease)  # whoever has taken it over sends this mail too
        taken = mails.take(tx, mail, TAKEN)
    verdicts = post(session, alerts, mail)
    failpoints.reach("mail.sent")
    _waited_for(context, lambda: _mark(context, taken, verdicts))
    failpoints.reach("mail.marked")
    return any(one.accepted for one in verdicts.values())


def _mark(context: Context, mail: Mail, verdicts: Mapping[str, Verdict]) -> None:
    """Under the claim on the mail: the lease may be somebody else's by now, who leaves this mail alone."""
    with context.ledger.write() as tx:
        ours = mails.is_ours(tx, mail)
        accepted = {address: one for address, one in verdicts.items() if one.accepted}
        for said in {one.said for one in accepted.values()}:
            mails.mark_sent(tx, mail, [address for address, one in accepted.items() if one.said == said], said)
        refused, later = _refused(verdicts, given_up=tx.now - mail.created_at >= GIVE_UP)
        mails.mark_dead(tx, mail, refused)
        mails.mark_later(tx, mail, later, WAITS)
    if not ours:
        raise LeaseLost(f"mail {mail.id} was taken by another runner while it was on its way here: it may come twice")


def _waited_for(context: Context, write: Callable[[], None]) -> None:
    """A ledger that is away or busy is waited for: what was sent and is not known to be is sent again (A3)."""
    until = context.clock.monotonic() + PATIENCE
    while True:
        try:
            write()
        except LeaseLost:
            raise
        except LedgerError:
            if context.stop.is_set() or context.clock.monotonic() >= until:
                raise
            context.clock.wait(LOOK)
        else:
            return


def _refused(verdicts: Mapping[str, Verdict], *, given_up: bool) -> tuple[dict[str, str], dict[str, str]]:
    """The reasons of those refused for good, and of those refused for now."""
    not_taken = {address: one for address, one in verdicts.items() if not one.accepted}
    over = {address: one.said for address, one in not_taken.items() if one.permanent}
    later = {address: one.said for address, one in not_taken.items() if not one.permanent}
    if not given_up:
        return over, later
    return over | {address: f"put off for {GIVE_UP.days} days: {said}" for address, said in later.items()}, {}


def _put_off(context: Context, lease: Lease, left: Sequence[Mail], reason: str) -> None:
    with context.ledger.write() as tx:
        leases.check(tx, lease)
        for mail in left:
            mails.mark_later(tx, mail, dict.fromkeys(mail.due, reason), WAITS)
