"""Who may come in: addresses behind proxies, so many a second, secrets that change, versions nobody expected."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import ManualClock

from reconcile.errors import LedgerError
from reconcile.ledger.tables_alerts import incidents
from reconcile.model import Description, Occurrence
from reconcile.receiving.answer import NOT_STORED, Answer
from reconcile.receiving.door import Throttle, admits, sender
from reconcile.receiving.keys import ASK_EVERY, LASTS, Keys
from reconcile.receiving.refusals import QUIET as SAID_AGAIN
from reconcile.receiving.refusals import Refusals
from reconcile.receiving.versions import QUIET, Versions

FORGED = Answer(401, "signed by somebody else", reason="signature")
CROWDED = Answer(429, "too many", reason="rate")
PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # from nobody we trust: not believed
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.1", "198.51.100.1"),  # what stands left of it anybody may have written
        ("10.0.0.1", "192.0.2.66, 198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", "10.9.9.9", "10.9.9.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", " , ,", "10.0.0.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fd00::1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "unknown", None),
        ("10.0.0.1", "198.51.100.1, unknown", None),
        ("10.0.0.1", "'; drop table", None),
        ("", "198.51.100.1", None),
        ("testclient", "198.51.100.1", None),
    ],
)
def test_the_sender_is_the_right_most_address_that_is_not_our_proxys(peer, forwarded, found):
    """Nobody talks his way in: only what a trusted proxy wrote counts."""
    assert sender(peer, forwarded, PROXIES) == (None if found is None else ip_address(found))


def test_an_endless_list_of_addresses_costs_little():
    """Only the last few are looked at."""
    assert sender("10.0.0.1", "10.0.0.1," * 100_000 + "198.51.100.1", PROXIES) == ip_address("198.51.100.1")


@pytest.mark.parametrize(
    ("address", "inside"), [("198.51.100.7", True), ("198.51.101.7", False), ("2001:db8::5", True), ("::1", False)]
)
def test_an_address_is_in_a_network_of_its_own_kind(address, inside):
    """IPv4 and IPv6 side by side; who cannot be told apart is not let in."""
    allowed = [ip_network("198.51.100.0/24"), ip_network("2001:db8::/32")]
    assert admits(sender(address, "", []), allowed) is inside
    assert not admits(None, allowed)


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_the_header_holds_nothing_is_raised(peer, forwarded):
    """A hostile header is an unknown sender, and cannot hide what our own proxy wrote behind it."""
    sender(peer, forwarded, PROXIES)
    sender("10.0.0.1", forwarded, PROXIES)
    assert sender("10.0.0.1", f"{forwarded}, 198.51.100.1", PROXIES) == ip_address("198.51.100.1")


def test_so_many_pass_a_second_and_a_seconds_worth_at_once():
    """The rest is told when to come again."""
    clock = ManualClock()
    throttle = Throttle(10.0, clock.monotonic)
    assert [throttle.take() for _ in range(12)] == [0] * 10 + [1, 1]
    clock.advance(0.35)
    assert [throttle.take() for _ in range(5)] == [0] * 3 + [1, 1]
    clock.advance(3600)
    assert [throttle.take() for _ in range(11)] == [0] * 10 + [1]


def test_a_slow_rate_says_how_long_to_wait():
    """One a minute: whole seconds, rounded up."""
    clock = ManualClock()
    throttle = Throttle(1 / 60, clock.monotonic)
    assert throttle.take() == 0
    clock.advance(0.5)
    assert throttle.take() == 60


class Ledgered:
    """Secrets of the ledger, and how often they were read."""

    def __init__(self, *secrets: str) -> None:
        self.secrets = secrets
        self.reads = 0

    def __call__(self):
        """Read them."""
        self.reads += 1
        return self.secrets


def test_a_secret_that_came_into_the_ledger_is_noticed_when_a_signature_is_refused():
    """S4: without a restart, and without a read for each forged delivery."""
    clock, kept = ManualClock(), Ledgered()
    keys = Keys(["configured_dummy"], kept, clock.monotonic)
    assert not keys.due(refused=False)
    assert keys.due(refused=True)
    assert not keys.renew()
    assert not keys.due(refused=True)
    kept.secrets = ("new_dummy",)
    clock.advance(ASK_EVERY)
    assert keys.due(refused=True)
    assert keys.renew()
    assert keys.all == ("configured_dummy", "new_dummy")
    assert kept.reads == 2


def test_a_secret_that_was_given_up_is_forgotten_in_time():
    """What the ledger no longer keeps is not accepted for ever."""
    clock, kept = ManualClock(), Ledgered("old_dummy")
    keys = Keys([], kept, clock.monotonic)
    keys.renew()
    kept.secrets = ()
    clock.advance(LASTS - 1)
    assert not keys.due(refused=False)
    clock.advance(1)
    assert keys.due(refused=False)
    assert keys.renew()
    assert keys.all == ()


def test_a_ledger_that_cannot_be_read_changes_nothing():
    """The secrets known already still count."""

    def fails():
        raise LedgerError("ledger: gone")

    keys = Keys(["configured_dummy"], fails, ManualClock().monotonic)
    with pytest.raises(LedgerError):
        keys.renew()
    assert keys.all == ("configured_dummy",)
    assert not keys.due(refused=True)


def said(version: str) -> Description:
    """What a body says."""
    return Description("orders/create", None, Occurrence.ONCE, api_version=version)


def open_versions(ledger) -> list[str]:
    """The versions people are told of."""
    with ledger.read() as tx:
        return [row.key for row in tx.connection.execute(incidents.select().where(incidents.c.state == "open"))]


def seen(ledger, versions: Versions, *names: str) -> list[str]:
    """What is open after deliveries in these versions."""
    for name in names:
        with ledger.write() as tx:
            versions.see(tx, "shop", said(name))
    return open_versions(ledger)


def test_an_unexpected_version_is_told_once_and_over_when_it_comes_no_more(ledger):
    """A delivery in a version nobody expects opens an incident, which an hour of none closes."""
    clock = ManualClock()
    versions = Versions(["2026-10", "2026-07"], clock.monotonic)
    assert seen(ledger, versions, "2026-10", "", "2026-07") == []
    assert seen(ledger, versions, "2027-01", "2027-01") == ["2027-01"]
    clock.advance(QUIET - 1)
    assert seen(ledger, versions, "2026-10") == ["2027-01"]
    assert seen(ledger, versions, "2027-01", "2026-10") == ["2027-01"]
    clock.advance(QUIET)
    assert seen(ledger, versions, "2026-10") == []


def test_what_the_configuration_accepts_now_is_no_incident_any_more(ledger):
    """After the restart with a wider list the first delivery closes it; so does a list that is gone."""
    clock = ManualClock()
    assert seen(ledger, Versions(["2026-10"], clock.monotonic), "2027-01") == ["2027-01"]
    assert seen(ledger, Versions(["2026-10", "2027-01"], clock.monotonic), "2026-10") == []
    assert seen(ledger, Versions(["2026-10"], clock.monotonic), "2027-01") == ["2027-01"]
    assert seen(ledger, Versions([], clock.monotonic), "2027-02") == []


def test_each_refusal_is_said_once_in_a_while(caplog):
    """A wrong secret is seen in the log, a flood of forgeries does not fill it, and none goes uncounted."""
    clock = ManualClock()
    refusals = Refusals(clock.monotonic)
    for answer in (FORGED, FORGED, FORGED, CROWDED):
        refusals.tell("shop", answer)
    clock.advance(SAID_AGAIN)
    refusals.tell("shop", FORGED)
    assert [message.partition(";")[0] for message in caplog.messages] == [
        "shop: a delivery was refused (401): signed by somebody else",
        "shop: a delivery was refused (429): too many",
        "shop: since the last warning 3 deliveries were refused (401): signed by somebody else",
    ]


def test_what_is_said_elsewhere_or_meant_for_no_source_is_not_said(caplog):
    """A scanner's requests are nobody's business, and why the ledger failed is told where that is known."""
    refusals = Refusals(ManualClock().monotonic)
    refusals.tell("", Answer(404, "there is nothing here", reason="path"))
    refusals.tell("shop", NOT_STORED)
    assert caplog.messages == []
