"""Where nothing is ever sent, and what an answer of a URL means."""

from __future__ import annotations

import pytest

from reconcile.targets.addresses import forbidden
from reconcile.targets.answers import verdict_of
from reconcile.targets.model import Verdict


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fe80::a9fe:a9fe",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
        "2001:0:1234:5678::5601:5601",
    ],
)
def test_metadata_addresses_are_refused(address):
    """A cloud's metadata service is never a handler, in whatever form its address comes."""
    assert forbidden(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "192.168.1.1",
        "172.17.0.2",
        "100.64.0.1",
        "93.184.216.34",
        "2606:2800::1",
        "fd12::1",
    ],
)
def test_this_machine_and_private_networks_are_legitimate(address):
    """The operator names the handler; it may well be local."""
    assert not forbidden(address)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(status, Verdict.HANDLED) for status in (200, 201, 202, 204, 299)]
    + [(status, Verdict.REJECTED) for status in (400, 410, 413, 422)]
    + [(status, Verdict.UNREACHABLE) for status in (401, 403, 404, 405, 429, 500, 502, 503, 504, 599)]
    + [(status, Verdict.FAILED) for status in (301, 302, 304, 307, 308, 402, 406, 408, 409, 415, 421, 425, 451)],
)
def test_an_answers_status_decides_what_becomes_of_the_event(status, verdict):
    """H10: only 2xx is handled, four statuses refuse the event, what concerns the endpoint counts towards a pause."""
    found, error = verdict_of(status)
    assert found is verdict
    assert (error == "") is (verdict is Verdict.HANDLED)
    assert verdict is Verdict.HANDLED or str(status) in error


def test_our_own_receiver_is_recognised():
    """421 is our own receiver refusing a replay: the text says what to change."""
    assert "leads back to our own receiver" in verdict_of(421)[1]
