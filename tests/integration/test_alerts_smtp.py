"""Mail servers that are down, slow, strict or lying: what people get, what stays queued, and what is never sent."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import timedelta

import pytest
import trustme
from support.ledgers import NOON
from support.mailing import OPS, PARTY, an_office

from reconcile.alerts import smtp
from reconcile.alerts.delivery import GIVE_UP
from reconcile.clock import Stop
from reconcile.ledger import mails
from reconcile.sandbox import mail
from reconcile.sandbox.mail import Post

OTHER = "second@acme.example"
PASSWORD = "p@ss word/hush"


@pytest.fixture
def office(tmp_path):
    with an_office(tmp_path) as office:
        yield office


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """A certificate authority this machine trusts, and a server's context of it for a host name."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    def context(name: str = "localhost") -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(name).configure_cert(made)
        return made

    return context


def errors(office):
    """Why what is queued or dead is so, by address."""
    with office.ledger.read() as tx:
        return {
            row.address: (row.state, row.error)
            for _, rows in mails.outstanding(tx)
            for row in rows
            if row.state != "sent"
        }


def test_server_down_queues_and_exits_3(office):
    """A5: no server, no failure: the run ends, the mail waits with its reason, and leaves once there is a server."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    office.smtp = f"smtp://127.0.0.1:{closed}?tls=off"
    office.open()
    report = office.run()
    assert (report.exit_code, report.alerts, report.errors) == (3, {"sent": 0, "queued": 2}, [])
    assert f"mail does not leave: 127.0.0.1:{closed}: Connection refused" in report.notes[0]
    office.smtp = ""
    assert office.run().alerts == {"sent": 2, "queued": 0}


def test_scheduled_runs_wait_and_a_run_by_hand_does_not(office):
    """A5: a timetable tries again after 1 m, 5 m, 15 m and then hourly; `run alerts` tries everything at once."""
    office.post.greeting = (421, "4.3.2 not now")
    office.open(third_party=False)
    tried = []
    for minute in (0, 0.9, 1, 5.9, 6, 20.9, 21, 80.9, 81):
        office.clock.set(NOON + timedelta(minutes=minute))
        office.run(scheduled=True)
        with office.ledger.read() as tx:
            ((_, (row,)),) = mails.outstanding(tx)
        tried += [minute] if row.attempts > len(tried) else []
    assert tried == [0, 1, 6, 21, 81]
    office.post.greeting = (220, "back")
    assert office.run(scheduled=True).alerts == {"sent": 0, "queued": 1}
    assert office.run().alerts == {"sent": 1, "queued": 0}


def test_greylisted_address_is_tried_again(office):
    """A6: a temporary refusal of one address is that address's alone, and passes."""
    office.to = f"{OPS}, {OTHER}"
    office.post.refused[OTHER] = (450, "4.7.1 greylisted, come back")
    office.open(third_party=False)
    report = office.run(scheduled=True)
    assert (report.exit_code, report.alerts) == (3, {"sent": 1, "queued": 1})
    assert errors(office) == {OTHER: ("queued", "450 4.7.1 greylisted, come back")}
    office.post.refused.clear()
    office.later(minutes=1)
    assert office.run(scheduled=True).alerts == {"sent": 1, "queued": 0}
    assert len(office.got(OPS)) == len(office.got(OTHER)) == 1
    assert office.post.to(OPS)[0].content == office.post.to(OTHER)[0].content


def test_refused_address_is_dead_with_its_reason(office):
    """A6: a permanent refusal is not tried again; it is told in the exit code while the matter is open."""
    office.to = f"{OPS}, {OTHER}"
    office.post.refused[OTHER] = (550, "5.1.1 no such user")
    office.open(third_party=False)
    report = office.run()
    assert (report.exit_code, report.alerts) == (3, {"sent": 1, "queued": 0})
    assert errors(office) == {OTHER: ("dead", "550 5.1.1 no such user")}
    assert report.notes == ["alerts: 1 mails were refused for good: `reconcile alerts list` says why"]
    office.post.refused.clear()
    assert office.run().alerts == {"sent": 0, "queued": 0}
    assert office.run().exit_code == 3
    with office.ledger.write() as tx:
        mails_of = mails.unsent(tx)
    assert (mails_of.queued, mails_of.dead) == (0, 1)
    office.close()
    office.run()
    assert office.run().exit_code == 0


def test_mended_address_gets_what_the_mistyped_one_did_not(office):
    """What has not arrived goes to who is configured now."""
    office.to = "opps@acme.example"
    office.post.refused["opps@acme.example"] = (550, "5.1.1 no such user")
    office.open(third_party=False)
    assert office.run().exit_code == 3
    office.to = OPS
    assert office.run().alerts == {"sent": 1, "queued": 0}
    assert office.run().exit_code == 0
    assert office.got() == ["[reconcile] 1 new at pay"]


def test_whole_mail_refused(office):
    """A 5xx after DATA is the end of that mail, a 4xx is not; another mail of the run is not touched by it."""
    office.post.data = (554, "5.7.1 looks like spam")
    office.open()
    report = office.run()
    assert (report.exit_code, report.alerts) == (3, {"sent": 0, "queued": 0})
    assert {said for _, said in errors(office).values()} == {"554 5.7.1 looks like spam"}
    office.post.data = (451, "4.3.0 later")
    office.open("pay_2", third_party=False)
    assert office.run().alerts == {"sent": 0, "queued": 1}
    office.post.data = (250, "2.0.0 OK")
    assert office.run().alerts == {"sent": 1, "queued": 0}


def test_put_off_for_days_is_given_up(office):
    """An address that is greylisted for five days is dead, with what was said of it."""
    office.post.refused[OPS] = (450, "4.2.2 mailbox full")
    office.more = "  repeat: 30d\n"
    office.open(third_party=False)
    office.run()
    office.later(seconds=GIVE_UP.total_seconds())
    office.run()
    assert errors(office)[OPS] == ("dead", "put off for 5 days: 450 4.2.2 mailbox full")


def test_answer_lost_after_data_is_sent_again_under_the_same_id(office):
    """A3: the server took it and hung up before saying so: the second copy is the first one, byte for byte."""
    office.post.hangs_up = "data"
    office.open(third_party=False)
    report = office.run()
    assert (report.exit_code, report.alerts) == (3, {"sent": 0, "queued": 1})
    assert "hung up before it had answered" in report.notes[0]
    office.post.hangs_up = ""
    assert office.run().alerts == {"sent": 1, "queued": 0}
    one, again = office.post.received
    assert one.content == again.content


@pytest.mark.parametrize("place", ["greeting", "rcpt"])
def test_dropped_connection_loses_nothing(office, place):
    """A5: a server that hangs up anywhere leaves everything queued."""
    office.post.hangs_up = place
    office.open()
    assert office.run().alerts == {"sent": 0, "queued": 2}
    office.post.hangs_up = ""
    assert office.run().alerts == {"sent": 2, "queued": 0}


def test_starttls_is_used_and_the_certificate_checked(office, authority):
    """The plain form of the URL is encrypted, by a certificate of the host that was named."""
    with mail.serve(office.post, tls=authority()):
        office.smtp = f"smtp://localhost:{office.post.port}"
        office.open(third_party=False)
        assert office.run().alerts == {"sent": 1, "queued": 0}
    assert office.post.received[0].encrypted


def test_tls_from_the_start(office, authority):
    """`smtps://` is encrypted before a word is said."""
    with mail.serve(office.post, tls=authority(), from_the_start=True):
        office.smtp = f"smtps://localhost:{office.post.port}"
        office.open(third_party=False)
        assert office.run().alerts == {"sent": 1, "queued": 0}
    assert office.post.received[0].encrypted


def test_stripped_starttls_sends_nothing(office, authority):
    """Who stands between and takes the offer away gets neither mail nor password (X1)."""
    with mail.serve(Post(starttls=False, user="ops", password=PASSWORD), tls=authority()) as post:
        office.smtp = f"smtp://ops:p%40ss%20word%2Fhush@localhost:{post.port}"
        office.open()
        report = office.run()
        assert report.alerts == {"sent": 0, "queued": 2}
        assert "does not offer STARTTLS, and nothing is sent in the clear" in report.notes[0]
        assert post.received == []


@pytest.mark.parametrize("name", ["elsewhere.example", ""])
def test_wrong_certificate_sends_nothing(office, authority, name):
    """A certificate of another host, or of an authority nobody here trusts, ends it."""
    context = authority(name) if name else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if not name:
        trustme.CA().issue_cert("localhost").configure_cert(context)
    with mail.serve(office.post, tls=context):
        office.smtp = f"smtp://localhost:{office.post.port}"
        office.open()
        report = office.run()
    assert report.alerts == {"sent": 0, "queued": 2}
    assert "its certificate is not valid" in report.notes[0]


def test_nobody_mails_without_the_password_of_the_url(office, authority):
    """User and password of the URL, percent-encoded, are given under encryption; nobody mails without them."""
    with mail.serve(Post(user="ops", password=PASSWORD), tls=authority()) as post:
        office.open(third_party=False)
        office.smtp = f"smtp://localhost:{post.port}"
        assert "refuses us: 530 5.7.0 log in first" in office.run().notes[0]
        office.smtp = f"smtp://ops:p%40ss%20word%2Fhush@localhost:{post.port}"
        assert office.run().alerts == {"sent": 1, "queued": 0}


@pytest.mark.parametrize("login", ["PLAIN", "LOGIN"])
def test_wrong_password_keeps_everything_and_is_not_repeated_to_anyone(office, authority, login):
    """X1: a server that repeats the password in its refusal does not get it into a note or the ledger."""
    with mail.serve(Post(user="ops", password="another", logins=login), tls=authority()) as post:
        office.smtp = f"smtp://ops:p%40ss%20word%2Fhush@localhost:{post.port}"
        office.open(third_party=False)
        report = office.run()
    assert (report.exit_code, report.alerts) == (3, {"sent": 0, "queued": 1})
    assert "refuses user and password: 535 5.7.8 not ops with ***: ***" in report.notes[0]
    assert "hush" not in f"{report.notes} {errors(office)}"


def test_silent_server_is_left_in_time(office, monkeypatch):
    """A server that accepts and says nothing costs its timeout, and no more."""
    monkeypatch.setattr(smtp, "TIMEOUT", 0.3)
    office.post.silent = True
    office.open()
    report = office.run()
    assert report.alerts == {"sent": 0, "queued": 2}
    assert "did not answer within" in report.notes[0]


def test_dripping_server_is_left_in_time(monkeypatch):
    """A server whose every byte comes in time cannot hold a run for ever: the whole conversation has a deadline."""
    monkeypatch.setattr(smtp, "DEADLINE", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def drip():
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 ready\r\n")
                while not over.wait(0.05):
                    try:
                        connection.sendall(b"250-x\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"smtp://127.0.0.1:{server.getsockname()[1]}?tls=off"
        with pytest.raises(smtp.Unreachable), smtp.connect(url, "a@b.example", Stop()):
            pass
        over.set()
        thread.join()


def test_stop_ends_a_conversation_soon(office, monkeypatch):
    """L2: a stop while a server thinks ends the conversation within its grace; the mail stays queued."""
    monkeypatch.setattr(smtp, "GRACE", 0.3)
    office.post.silent = True
    office.open()
    timer = threading.Timer(0.2, office.stop.set)
    timer.start()
    report = office.run()
    timer.join()
    assert report.exit_code == 143
    with office.ledger.read() as tx:
        assert mails.unsent(tx).queued == 2


def test_provider_text_arrives_as_data(office):
    """X4: line breaks, HTML, bidi and control characters of a provider are text in both parts, and no header."""
    nasty = (
        "x\r\nBcc: evil@evil.example\r\n\r\n<script>alert(1)</script> \u202egnp.exe\u2066 \x1b[31m \x00 {{7*7}} 'q\"&"
    )
    office.open(nasty, summary=f"{nasty} was asked", command="", reference=nasty, amount=nasty, currency=nasty)
    assert office.run().alerts["sent"] == 2
    for address in (OPS, PARTY):
        (one,) = office.post.to(address)
        assert one.recipients == (address,)
        assert set(one.message.keys()) == {
            *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"),
            *("MIME-Version", "Content-Type"),
            *(("Reply-To",) if address == PARTY else ()),
        }
        assert "evil" not in str(one.message["Subject"])
        plain, html = one.part("plain"), one.part("html")
        assert "x\\x0d\\x0aBcc: evil@evil.example" in plain
        assert "<script>alert(1)</script> \\u202egnp.exe\\u2066 \\x1b[31m \\x00 {{7*7}} 'q\"&" in plain
        assert "&lt;script&gt;alert(1)&lt;/script&gt; \\u202egnp.exe" in html
        assert "<script" not in html
        assert not set(plain + html) & {"\u202e", "\u2066", "\x1b", "\x00"}


def test_mail_never_names_the_password(office):
    """X1: neither part of a mail, nor the ledger, holds the server's URL."""
    office.smtp = f"smtp://ops:{PASSWORD.split('/')[1]}@127.0.0.1:{office.post.port}?tls=off"
    office.open()
    report = office.run()
    assert "does not let anyone log in" in report.notes[0]
    assert "hush" not in f"{report.notes} {errors(office)}"
