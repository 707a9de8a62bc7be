"""Bugs of alerts, planted: what is marked when, who is told again, and who is forgotten."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from simulation.planting import swap
from simulation.upkeep.planted import bug

from reconcile import failpoints
from reconcile.alerts import delivery, due, matters, message, outbox
from reconcile.alerts.smtp import Verdict
from reconcile.ledger import incidents, leases, mails

_TAKEN = Verdict(accepted=True, permanent=False, said="250")


@bug
def marked_as_sent_before_it_is(stack: ExitStack) -> None:
    """A crash or a refusal after the mark, and the mail is lost (A1)."""

    def send(context: Any, alerts: Any, lease: Any, session: Any, mail: Any) -> bool:
        with context.ledger.write() as tx:
            mails.mark_sent(tx, mail, mail.due, "250")
        failpoints.reach("mail.before_send")
        delivery.post(session, alerts, mail)
        failpoints.reach("mail.sent")
        return True

    swap(stack, delivery, "_send", send)


@bug
def a_refused_address_counts_as_reached(stack: ExitStack) -> None:
    """As if whoever refuses one address raised something (A6)."""
    true = delivery.post

    def post(session: Any, alerts: Any, mail: Any) -> dict[str, Verdict]:
        verdicts = true(session, alerts, mail)
        taken = any(one.accepted for one in verdicts.values())
        return dict.fromkeys(verdicts, _TAKEN) if taken else verdicts

    swap(stack, delivery, "post", post)


@bug
def everybody_gets_it_again(stack: ExitStack) -> None:
    """Who was put off is tried again with everybody else (A6)."""

    def post(session: Any, alerts: Any, mail: Any) -> dict[str, Verdict]:
        return session.send(alerts.from_, mail.to, message.compose(mail, alerts.from_, alerts.to))

    swap(stack, delivery, "post", post)


@bug
def each_copy_has_an_id_of_its_own(stack: ExitStack) -> None:
    """Nobody can tell that a second copy is one (A3)."""
    true, number = message.compose, iter(range(1_000_000))

    def compose(mail: Any, sender: str, answers: Any) -> bytes:
        return true(mail, sender, answers).replace(b"Message-ID: <", b"Message-ID: <%d." % next(number))

    swap(stack, message, "compose", compose)


@bug
def told_is_forgotten(stack: ExitStack) -> None:
    """Each run tells everything anew, as soon as the notices are not looked at."""
    true = due._news

    def news(incident: Any, told: Any, policy: Any, now: Any) -> Any:
        recent = {notice: at for notice, at in told.items() if now - at < policy.repeat / 2}
        return true(incident, recent, policy, now)

    swap(stack, due, "_news", news)

    def queue(tx: Any, post: Any) -> None:
        for letter, to, notices in post.mails:
            known = {notice for of in mails.told(tx).values() for notice in of}
            again = letter.message_id.replace("<", f"<{int(tx.now.timestamp() * 1e6)}.")
            fresh = [notice for notice in notices if notice not in known]
            mails.queue(tx, mails.Letter(again, *_rest(letter)), to, fresh)
        incidents.settle(tx, post.settled)

    swap(stack, outbox, "queue", queue)


def _rest(letter: Any) -> tuple[Any, ...]:
    return (letter.audience, letter.source, letter.step, letter.subject, letter.plain, letter.html)


@bug
def recovery_is_not_told(stack: ExitStack) -> None:
    true = due._change
    swap(stack, due, "_change", lambda one, heard, now: "" if heard else true(one, heard, now))


@bug
def the_third_party_is_not_asked(stack: ExitStack) -> None:
    true = outbox.policy
    swap(stack, outbox, "policy", lambda alerts: due.Policy(true(alerts).repeat, true(alerts).escalate))


@bug
def open_matters_are_told_once_and_no_more(stack: ExitStack) -> None:
    swap(stack, due, "_repeat", lambda *_: None)


@bug
def age_brings_in_nobody(stack: ExitStack) -> None:
    swap(stack, due, "_escalated", lambda *_: [])


@bug
def gaps_are_nobodys_business(stack: ExitStack) -> None:
    swap(stack, matters, "of_gaps", lambda *_: [])


@bug
def two_runners_send_at_once(stack: ExitStack) -> None:
    """Leases that hold nobody off, nor does what is on its way."""
    swap(stack, leases, "_is_held", lambda row, now: False)
    swap(stack, leases, "check", lambda tx, lease: None)
    swap(stack, leases, "renew", lambda tx, lease: lease)
    swap(stack, mails, "take", lambda tx, mail, span: mail)
    swap(stack, mails, "is_ours", lambda tx, mail: True)


@bug
def mail_that_does_not_leave_is_let_go(stack: ExitStack) -> None:
    """The server was down, and that was that (A5)."""

    def put_off(context: Any, lease: Any, left: Any, reason: str) -> None:
        with context.ledger.write() as tx:
            for mail in left:
                mails.mark_dead(tx, mail, dict.fromkeys(mail.due, reason))

    swap(stack, delivery, "_put_off", put_off)
