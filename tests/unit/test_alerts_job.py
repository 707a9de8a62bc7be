"""The alerts job as people meet it: who hears what, once, again, and when it is over. Real SMTP, a clock of ours."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support import mailing
from support.mailing import BOSS, OPS, PARTY
from support.running import a_stripe

from reconcile.alerts import outbox
from reconcile.ledger import gaps, incidents, mails
from reconcile.model import GapKind, IncidentKind


def test_incident_is_told_once_to_operators_and_once_to_the_third_party(office):
    """A2: one mail each, and a second run sends nothing (H12)."""
    office.open()
    first, second = office.run(), office.run()
    assert (first.alerts, first.exit_code) == ({"sent": 2, "queued": 0}, 0)
    assert (second.alerts, second.exit_code) == ({"sent": 0, "queued": 0}, 0)
    assert office.got() == ["[reconcile] 1 new at pay"]
    assert office.got(PARTY) == ["1 transaction to settle by hand (pay)"]


def test_notices_are_unique_in_the_ledger(office):
    """A2: not even a bug can tell one audience the same thing of an incident twice."""
    id_ = office.open()
    office.run()
    letter = mails.Letter("<other>", "operators", "", 0, "", "", "")
    with pytest.raises(Exception, match=r"(?i)unique"), office.ledger.write() as tx:
        mails.queue(tx, letter, [OPS], [mails.Notice(id_, "opened", "operators")])


def test_ten_thousand_are_one_mail(office):
    """A4: a storm is one mail of one cause with the exact count, small, and quick to write."""
    with office.ledger.write() as tx:
        incidents.open_all(
            tx,
            [
                incidents.Opening("shop", IncidentKind.DEAD, f"evt_{n}", f"orders/create order/{n}: boom")
                for n in range(10_000)
            ],
        )
    office.run()
    (mail,) = office.post.to(OPS)
    assert "(10,000)" in mail.part("plain")
    assert "… and 9,990 more" in mail.part("plain")
    assert len(mail.content) < 20_000
    assert office.run().alerts == {"sent": 0, "queued": 0}


def test_recovery_is_told_to_whoever_heard_of_the_trouble(office):
    """A4: the end is told once to each; a relapse is a new episode, told anew."""
    office.open()
    office.run()
    office.close()
    office.run()
    assert office.got()[1:] == ["[reconcile] 1 cleared at pay"]
    assert office.got(PARTY)[1:] == ["transactions settled (pay)"]
    assert office.run().alerts["sent"] == 0
    office.open()
    office.run()
    assert office.got()[2:] == ["[reconcile] 1 new at pay"]
    assert office.got(PARTY)[2:] == ["1 transaction to settle by hand (pay)"]


def test_what_was_over_before_anyone_was_told_is_not_told(office):
    """People are written to only when they must be."""
    office.open()
    office.close()
    assert office.run().alerts == {"sent": 0, "queued": 0}


def test_what_is_over_while_its_mail_is_written_is_told_to_be_over(office, monkeypatch):
    """A4: whoever was asked to settle a payment by hand in that very moment hears that it need not be."""
    queue = outbox.queue

    def meanwhile(tx, post):
        if post.mails:
            incidents.close(tx, source="pay", kind=IncidentKind.UNRESOLVED, key="pay_1", note="it succeeded")
        queue(tx, post)

    office.open()
    with monkeypatch.context() as race:
        race.setattr(outbox, "queue", meanwhile)
        office.run()
    office.run()
    assert office.got(PARTY) == ["1 transaction to settle by hand (pay)", "transactions settled (pay)"]
    assert office.got() == ["[reconcile] 1 new at pay", "[reconcile] 1 cleared at pay"]
    assert office.run().alerts["sent"] == 0


def test_what_happened_is_told_once_without_a_recovery(office):
    """A repaired subscription is news, and no trouble that could clear."""
    with office.ledger.write() as tx:
        incidents.happened(tx, source="shop", kind=IncidentKind.SUBSCRIPTION, key="t", summary="made again")
    for _ in range(3):
        office.run()
        office.later(days=2)
    assert office.got() == ["[reconcile] 1 new at shop"]


def test_what_stays_open_is_told_again_after_the_interval(office):
    """A2: again once a day and not before; to the operators, since the third party was asked already."""
    office.open()
    for _ in range(5):
        office.run()
        office.later(hours=12)
    assert office.got() == ["[reconcile] 1 new at pay", *["[reconcile] 1 still open at pay"] * 2]
    assert len(office.got(PARTY)) == 1


def test_repetitions_come_together(office):
    """What was told less than a day but more than half a day ago joins the mail of what is due: one mail, not many."""
    office.open("pay_1")
    office.run()
    office.later(hours=6)
    office.open("pay_2")
    office.run()
    office.later(hours=18)
    office.run()
    assert office.got()[2:] == ["[reconcile] 2 still open at pay"]
    office.later(hours=6)
    assert office.run().alerts["sent"] == 0


def test_acknowledged_is_told_no_more_until_it_is_over(office):
    """An acknowledgement ends repetition and escalation, not the mail that it is over."""
    office.more = f"  escalate: [{{after: 2d, to: [{BOSS}]}}]\n"
    id_ = office.open()
    office.run()
    with office.ledger.write() as tx:
        assert incidents.acknowledge(tx, [id_]) == 1
    office.later(days=3)
    assert office.run().alerts["sent"] == 0
    office.close()
    office.run()
    assert office.got()[1:] == ["[reconcile] 1 cleared at pay"]
    assert office.got(BOSS) == []


def test_snoozed_is_told_no_more_for_a_while(office):
    """A snooze holds back even the first mail, and ends by itself."""
    id_ = office.open()
    with office.ledger.write() as tx:
        incidents.snooze(tx, [id_], office.clock.now() + timedelta(hours=4))
    assert office.run().alerts["sent"] == 0
    office.later(hours=4)
    office.run()
    assert office.got() == ["[reconcile] 1 new at pay"]


def test_snoozed_after_it_was_told_is_told_again_when_the_snooze_ends(office):
    """Not now means later: once, when the time is over, however long the interval between repetitions."""
    id_ = office.open()
    office.run()
    with office.ledger.write() as tx:
        incidents.snooze(tx, [id_], office.clock.now() + timedelta(hours=4))
    for _ in range(8):
        office.later(hours=1)
        office.run()
    assert office.got() == ["[reconcile] 1 new at pay", "[reconcile] 1 still open at pay"]


def test_age_brings_in_more_people(office):
    """A2: each step of the escalation is told once, when its age has come, and told of the end."""
    office.more = f"  escalate: [{{after: 2h, to: [{BOSS}]}}, {{after: 4h, to: [chief@acme.example]}}]\n"
    office.open()
    for _ in range(4):
        office.run()
        office.later(hours=1)
    assert office.got(BOSS) == ["[reconcile] 1 not taken on yet at pay"]
    assert office.got("chief@acme.example") == []
    office.close()
    office.run()
    assert office.got(BOSS)[1:] == ["[reconcile] 1 cleared at pay"]
    assert office.got("chief@acme.example") == []


def test_without_a_section_nothing_is_sent_or_kept_to_send(office):
    """Incidents are kept for `alerts list`; a section added later tells what is open then, and not what once was."""
    office.alerts = False
    office.open()
    with office.ledger.write() as tx:
        incidents.happened(tx, source="shop", kind=IncidentKind.SUBSCRIPTION, key="t", summary="made again")
    report = office.run()
    assert (report.exit_code, report.alerts, report.notes) == (0, {"sent": 0, "queued": 0}, [])
    with office.ledger.read() as tx:
        assert incidents.count(tx) == 1
        assert mails.outstanding(tx) == []
    office.alerts = True
    office.run()
    assert office.got() == ["[reconcile] 1 new at pay"]


def test_dry_run_tells_nobody_and_writes_nothing(office):
    """A dry run says how much is open."""
    office.open()
    report = office.run(dry_run=True)
    assert report.notes == ["alerts: 1 open incident; a dry run tells nobody"]
    with office.ledger.read() as tx:
        assert mails.outstanding(tx) == []
    assert office.post.received == []


def test_message_says_the_incident_and_not_its_mail(office):
    """A3: the Message-ID is made of what is told alone, so a ledger that forgot the mail writes the same one."""
    office.open()
    office.run()
    with office.ledger.write() as tx:
        for name in ("notice", "mail", "recipient"):
            tx.connection.exec_driver_sql(f"delete from reconcile_{name}")
    office.run()
    one, again = office.post.to(OPS)
    assert one.message["Message-ID"] == again.message["Message-ID"]
    assert str(one.message["Message-ID"]).endswith("@acme.example>")


def test_digest_says_what_since_when_what_was_tried_and_what_to_do(office):
    """Each cause has what a person needs to act, in both parts of the mail."""
    with office.ledger.write() as tx:
        gaps.open_(tx, "shop", GapKind.DEAD, "evt_1", reason="ValueError: no such order", topic="orders/create")
    office.run()
    (mail,) = office.post.to(OPS)
    for part in (mail.part("plain"), mail.part("html")):
        assert "Events the handler could not take" in part
        assert "orders/create: ValueError: no such order" in part
        assert "since 2024-06-01T12:00:00Z" in part
        assert "The handler was called again after every wait" in part
        assert "reconcile gaps retry 1" in part
        assert "docs/runbook/dead.md" in part


def test_third_party_sees_reference_amount_and_time_only(office):
    """Nothing of a payload, of our commands or of other sources leaves the house; answers go to the operators."""
    office.open("pay_1", summary="the customer Ada Lovelace paid with 4242")
    office.open("shop_1", source="shop")
    office.run()
    (mail,) = office.post.to(PARTY)
    for part in (mail.part("plain"), mail.part("html")):
        assert "pay_1" in part
        assert "1999 eur" in part
        assert "2024-06-01T12:00:00Z" in part
        for hidden in ("Ada", "4242", "reconcile transactions", "shop_1", "#1 "):
            assert hidden not in part
    assert str(mail.message["Reply-To"]) == OPS
    assert str(mail.message["To"]) == PARTY


def test_cents_are_not_taken_for_euros(office, monkeypatch):
    """P4: where amounts are in the smallest unit, as Stripe has them, each mail says so; elsewhere it does not."""
    words = "smallest unit"
    office.open()
    office.run()
    assert not any(words in mail.part(part) for mail in office.post.received for part in ("plain", "html"))
    office.sources = a_stripe("cents", "charge.failed")
    monkeypatch.setattr(mailing, "ALERTS", mailing.ALERTS.replace("{{pay:", "{{cents:"))
    office.open("ch_1", source="cents")
    office.open("ch_2", source="cents", amount="", currency="")
    office.run()
    for address, said in ((OPS, "(1999 eur, in its smallest unit)"), (PARTY, "1999 usd is 19.99")):
        mail = office.post.to(address)[-1]
        assert all(mail.part(part).count(said) == 1 for part in ("plain", "html")), mail.part("plain")
    with office.ledger.write() as tx:
        assert incidents.close_kind(tx, source="cents", kind=IncidentKind.UNRESOLVED, note="paid") == 2
    office.run()
    mail = office.post.to(PARTY)[-1]
    assert str(mail.message["Subject"]) == "transactions settled (cents)"
    assert all(mail.part(part).count("1999 usd is 19.99") == 1 for part in ("plain", "html"))
