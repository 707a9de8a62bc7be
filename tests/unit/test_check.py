"""What `reconcile check` finds."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from support.cli import CONFIG, HANDLER
from support.clock import ManualClock

from reconcile.check import Level, check_configured, check_installation
from reconcile.check.finding import guarded
from reconcile.check.installation import check as check_packages
from reconcile.clock import Stop
from reconcile.config import load
from reconcile.ledger import filesystem
from reconcile.sandbox import wire_faults as wires
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.faults import Faults
from reconcile.sandbox.shopify import FakeShopify

NOW = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
URL = "https://hooks.acme.example/webhooks/acme-shop"


@pytest.fixture
def fake():
    """A shop whose clock agrees with ours and which sends both topics to us."""
    fake = FakeShopify(clock=SettableClock(NOW), throttle=False)
    for topic in ("orders/create", "orders/updated"):
        fake.subscribe(topic, URL)
    return fake


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to put handlers in; what is imported from it is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    (tmp_path / "acme.py").write_text(HANDLER)
    yield tmp_path
    for name in [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


def found(folder, fake, *extra, config=CONFIG, clock=None):
    """Every finding as (level, area, text with remedy), by a configuration with `extra` lines for the source."""
    path = folder / "schedules.yaml"
    path.write_text(
        config.replace("BASE_URL", "https://acme.myshopify.com") + "".join(f"    {line}\n" for line in extra)
    )
    path.chmod(0o600)
    transport = httpx.MockTransport(fake.handle)
    findings = list(check_configured(load(path, {}), clock or ManualClock(NOW), Stop(), lambda _source: transport))
    assert [one for one in findings if one.level is Level.FAIL and not (one.remedy and one.exit_code)] == []
    return [(one.level, one.area, f"{one.what} → {one.remedy}", one.exit_code) for one in findings]


def those(findings, level):
    return [(text, code) for of, _, text, code in findings if of is level]


def test_a_good_setup_has_nothing_to_fail(folder, fake):
    """With working credentials, subscriptions, clock and handler the only warning is the first contact's."""
    findings = found(folder, fake, "handler: acme:handlers")
    assert those(findings, Level.FAIL) == []
    (warning,) = those(findings, Level.WARN)
    assert warning[0].startswith("nothing is recorded yet")
    assert {seen.method for seen in fake.requests} == {"GET"}


def test_a_topic_that_is_nearly_one_of_the_providers_is_taken_for_a_slip(folder, fake):
    """A wrong topic brings nothing, for ever, and only looks like one that no list shows (X)."""
    topics = CONFIG.replace("orders/create", "order/create")
    told = [text for text, _ in those(found(folder, fake, "handler: acme:handlers", config=topics), Level.WARN)]
    assert any("what is lost of order/create cannot" in one and "if orders/create is meant" in one for one in told)


def test_refused_credentials_fail_with_4_and_the_rest_is_checked(folder, fake):
    """A token that does not work is said with its remedy; handler and ledger are looked at all the same."""
    fake.tokens.revoke("shpat_dummy")
    findings = found(folder, fake, "handler: acme:handlers")
    ((text, code),) = those(findings, Level.FAIL)
    assert "credentials" in text
    assert code == 4
    assert any("handler acme:handlers takes every topic" in text for text, _ in those(findings, Level.OK))


def test_an_unreachable_provider_fails_with_4(folder):
    """A network that is down is no bug."""

    class Down:
        def handle(self, request):
            raise httpx.ConnectError("refused", request=request)

    ((_, code),) = those(found(folder, Down()), Level.FAIL)
    assert code == 4


TROUBLE = {
    "no scope": (wires.answers(200, b'{"access_scopes": []}'), r"lacks read_orders.* → grant what is lacking", 4),
    "not there": (wires.answers(404), r"404.* → compare base_url", 4),
    "a page for people": (wires.html(), r"not the expected .*sign in.* → compare base_url", 4),
    "in trouble": (wires.answers(503), r"503.* → see that this machine reaches the provider", 4),
}


@pytest.mark.parametrize(("what", "said", "code"), TROUBLE.values(), ids=TROUBLE)
def test_whatever_the_provider_says_has_a_remedy(folder, fake, what, said, code):
    """A failure without a word about what to do next is half a finding; the ledger was looked at before."""
    faults = Faults(fake)
    faults.add(what, path="access_scopes", times=0)
    findings = found(folder, faults)
    ((text, ended),) = those(findings, Level.FAIL)
    assert re.search(said, text), text
    assert ended == code
    assert any("can be read and written" in text for text, _ in those(findings, Level.OK))


def test_missing_and_disabled_subscriptions_are_named(folder, fake):
    """What the provider does not send will be found by backfills only; the topic is named (S6)."""
    (hook,) = [hook for hook in fake.hooks if hook.topic == "orders/updated"]
    fake.hooks.remove(hook.id)
    warnings = [text for text, _ in those(found(folder, fake), Level.WARN)]
    assert any(f"the provider sends no orders/updated to {URL}" in text for text in warnings)


@pytest.mark.parametrize(
    ("seconds", "level"), [(2, Level.OK), (-2, Level.OK), (120, Level.WARN), (-120, Level.WARN), (360, Level.FAIL)]
)
def test_a_clock_that_is_off_is_told(folder, fake, seconds, level):
    """Ours against the provider's `Date`: noted from 30 s on, refused where signatures are (C15)."""
    findings = found(folder, fake, clock=ManualClock(NOW + timedelta(seconds=seconds)))
    (clock,) = [(of, text) for of, _, text, _ in findings if text.startswith("clock:")]
    assert clock[0] is level


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("handler: nowhere:handlers", "there is no module 'nowhere'"),
        ("handler: acme:other", "has no 'other'"),
        ("handler: narrow:handlers", "takes none of: orders/updated"),
    ],
)
def test_a_handler_that_cannot_take_the_topics_fails_with_2(folder, fake, line, said):
    """Better now than at the first missed event."""
    (folder / "narrow.py").write_text(HANDLER.replace("orders/*", "orders/create"))
    ((text, code),) = those(found(folder, fake, line), Level.FAIL)
    assert said in text
    assert code == 2


def test_the_apps_record_is_asked(folder, fake):
    """A record that answers is fine, one that raises or claims what never happened is not."""
    (folder / "books.py").write_text("def good(keys):\n    return []\ndef bad(keys):\n    return keys\n")
    assert those(found(folder, fake, "recorded: books:good"), Level.FAIL) == []
    ((text, code),) = those(found(folder, fake, "recorded: books:bad"), Level.FAIL)
    assert "which never happened" in text
    assert code == 2


def test_an_http_handler_needs_a_secret_to_sign_with(folder, fake):
    """Without one every replay would be refused by a receiver that verifies (H10)."""
    config = CONFIG.replace("      secret: whsec_dummy_hush\n", "")
    findings = found(folder, fake, "handler: https://app.acme.example/hooks", config=config)
    assert any("nothing can be signed" in text and code == 2 for text, code in those(findings, Level.FAIL))


def test_a_receiver_without_a_secret_is_warned_of(folder, fake):
    """X3: it would refuse every delivery that no subscription of our own making signs."""
    config = CONFIG.replace("      secret: whsec_dummy_hush\n", "")
    warnings = [text for text, _ in those(found(folder, fake, config=config), Level.WARN)]
    assert any(text.startswith("webhook.secret is not set") and "→ set it" in text for text in warnings)
    assert not any("webhook.secret" in text for text, _ in those(found(folder, fake), Level.WARN))


def test_a_ledger_that_cannot_be_opened_fails_with_5(folder, fake):
    """The provider is asked all the same."""
    config = CONFIG.replace("reconcile.db", "missing/reconcile.db")
    findings = found(folder, fake, config=config)
    ((text, code),) = those(findings, Level.FAIL)
    assert "ledger" in text
    assert code == 5
    assert any("credentials" in text for text, _ in those(findings, Level.OK))


def test_the_mail_server_is_looked_at_where_somebody_is_to_be_told(folder, fake):
    """A5: an alert that cannot leave is found out before there is one."""
    alerts = "alerts: {smtp: 'smtp://127.0.0.1:1?tls=off', from: a@acme.example, to: [ops@acme.example]}\n"
    ((text, code),) = those(found(folder, fake, config=CONFIG + alerts), Level.FAIL)
    assert text.startswith("mail does not leave: 127.0.0.1:1")
    assert code == 3


def test_a_ledger_on_a_network_file_system_is_warned_of(folder, fake, monkeypatch):
    """It opens there and may be damaged there; what to do stands beside it (L6)."""
    monkeypatch.setattr(filesystem, "network_of", lambda _url: "nfs4")
    warnings = [text for text, _ in those(found(folder, fake), Level.WARN)]
    assert any("network file system (nfs4)" in text and "local disk, or use PostgreSQL" in text for text in warnings)


def test_a_file_others_may_write_is_warned_of(folder, fake):
    """It names code to run."""
    found(folder, fake, "handler: acme:handlers")
    path = folder / "schedules.yaml"
    path.chmod(0o666)
    transport = httpx.MockTransport(fake.handle)
    findings = check_configured(load(path, {}), ManualClock(NOW), Stop(), lambda _source: transport)
    assert any("others may write to it" in one.what for one in findings if one.level is Level.WARN)


def test_our_packages_lie_beside_us(tmp_path):
    """In this environment they do; a folder of their name elsewhere is called out with what to do."""
    assert [one.level for one in check_installation()] == [Level.OK]
    findings = list(check_packages(home=tmp_path))
    assert [one.exit_code for one in findings] == [2, 2]
    assert all("PYTHONPATH" in one.remedy for one in findings)


def test_what_a_connector_raises_on_its_own_is_a_finding():
    """A bug of a plug-in fails its own check with 1, and no other."""

    def broken():
        yield from ()
        raise KeyError("shop")

    (finding,) = guarded("acme-shop", broken())
    assert (finding.level, finding.exit_code) == (Level.FAIL, 1)
    assert "KeyError" in finding.what
