"""Mails when runners die, sleep, wait or meet: told, and told once. Real SMTP, a clock of ours."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import pytest
from support.mailing import OPS, PARTY, an_office
from support.running import at_failpoint

from reconcile import failpoints
from reconcile.errors import LedgerError
from reconcile.ledger import leases, mails
from reconcile.ledger.process import Holder

PLACES = [name for name in failpoints.NAMES if name.startswith(("alerts.", "mail."))]


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("place", PLACES)
def test_no_incident_is_lost_wherever_the_job_dies(tmp_path, databases, place):
    """A1, A3: killed at any place, the next run tells what was not told; what may come twice is one mail by its id."""
    with databases.fresh(tmp_path) as url, an_office(tmp_path, url=url) as office:
        office.open()

        def die():
            raise Crash

        with at_failpoint(place, die), pytest.raises(Crash):
            office.run()
        office.later(seconds=40)
        office.run()
        assert len({one.content for one in office.post.to(OPS)}) == 1
        assert len(office.post.to(OPS)) == (2 if place == "mail.sent" else 1)
        assert len(office.post.to(PARTY)) == 1
        assert office.run().alerts == {"sent": 0, "queued": 0}


def test_a_ledger_that_is_busy_after_a_mail_has_left_is_waited_for(office, monkeypatch):
    """A3: on SQLite a slow handler keeps all other writers waiting; what the server took is not sent again for that."""
    write, busy = office.ledger.write, []

    def sent():
        if not busy:
            busy.extend([True] * 3)

    @contextmanager
    def locked():
        if any(busy):
            busy[busy.index(True)] = False
            raise LedgerError("ledger: somebody else is writing; nothing lost, safe to re-run")
        with write() as tx:
            yield tx

    office.open()
    monkeypatch.setattr(office.ledger, "write", locked)
    with at_failpoint("mail.sent", sent):
        office.run()
    office.later(minutes=5)
    office.run()
    assert busy == [False] * 3
    assert (office.got(), len(office.got(PARTY))) == (["[reconcile] 1 new at pay"], 1)


def test_second_runner_leaves_it_to_the_first(office):
    """Two runners at once send one mail, and neither fails for it."""
    office.open()

    def other():
        report = office.run()
        assert report.notes == ["alerts: another runner is sending at this moment"]
        assert report.alerts == {"sent": 0, "queued": 2}

    with at_failpoint("mail.before_send", other):
        office.run()
    assert len(office.got()) == 1


def test_runner_that_slept_too_long_sends_nothing_twice(office):
    """A3: whoever lost its lease before a mail left leaves that mail to who took the lease."""
    office.open()

    def other():
        office.later(seconds=31)
        assert office.run().alerts == {"sent": 2, "queued": 0}

    with at_failpoint("mail.before_send", other):
        report = office.run()
    assert "was taken by another runner" in report.errors[0]
    assert [len(office.got(address)) for address in (OPS, PARTY)] == [1, 1]


@pytest.mark.parametrize("busy", [False, True])
def test_runner_that_slept_too_long_after_a_mail_has_left_still_marks_it(office, busy):
    """A3: who took the lease meanwhile leaves the mail that is on its way alone, and so it comes once."""
    office.open()

    def other():
        office.later(seconds=31)
        assert office.run(scheduled=True).alerts["sent"] == 1  # the other mail
        if busy:
            with office.ledger.write() as tx:
                leases.acquire(tx, "", "alerts", Holder("elsewhere:1", "elsewhere", 1, ""))

    with at_failpoint("mail.sent", other):
        office.run(scheduled=True)
    office.later(minutes=10)
    assert office.run(scheduled=True).alerts == {"sent": 0, "queued": 0}
    assert [len(office.got(address)) for address in (OPS, PARTY)] == [1, 1]


def test_a_mail_that_somebody_else_has_taken_is_marked_by_nobody_else(office):
    """A3: after a sleep of minutes it is on its way a second time, and what becomes of that is not known yet."""
    office.open()

    def other():
        office.later(minutes=5)
        with office.ledger.write() as tx:
            for mail in mails.due(tx, everything=False):
                mails.take(tx, mail, timedelta(minutes=4))

    with at_failpoint("mail.sent", other):
        report = office.run(scheduled=True)
    assert "was taken by another runner while it was on its way" in report.errors[0]
    with office.ledger.read() as tx:
        assert {one.state for _, rows in mails.outstanding(tx) for one in rows} == {"queued"}


def test_a_mail_whose_sender_died_on_the_way_is_sent_again_by_a_timetable(office):
    """A1: within minutes, although nobody can say whether it has left."""
    office.open()

    def die():
        raise Crash

    with at_failpoint("mail.before_send", die), pytest.raises(Crash):
        office.run(scheduled=True)
    office.later(minutes=5)
    with at_failpoint("mail.sent", die), pytest.raises(Crash):
        office.run(scheduled=True)
    office.later(minutes=5)
    assert office.run(scheduled=True).alerts == {"sent": 2, "queued": 0}
