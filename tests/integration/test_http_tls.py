"""TLS to providers, on real sockets: who is trusted, and that nobody else is told anything."""

import ssl
import time
from datetime import UTC, datetime

import httpx
import pytest
import trustme
from support.paging import Orders, clients, good, head
from support.wire import WireServer

from reconcile.alerts import smtp
from reconcile.errors import ConfigError, Rejected, Retriable
from reconcile.http import transport


@pytest.fixture
def client():
    """Makes clients on the real clock that retry without waiting, and closes them."""
    with clients() as make:
        yield make


@pytest.fixture(scope="module")
def authority():
    """A private certificate authority."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    """Its certificate, as an operator would have it."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def serving(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def refused(client, context, match, **options):
    with WireServer(good, tls=context, name="localhost") as server:
        running = client(server.origin, **options)
        with pytest.raises(Rejected, match=match):
            running.get("/orders.json")
        assert server.requests == []
        assert running.requests == 1


def test_a_private_ca_file_is_accepted(client, authority, ca_file):
    """TLS: a certificate of the private authority, for the right host, is good."""
    with WireServer(good, tls=serving(authority.issue_cert("localhost")), name="localhost") as server:
        assert client(server.origin, ca_file=ca_file).get_json("/orders.json", Orders).orders
    assert len(server.requests) == 1


def test_a_self_signed_certificate_is_refused(client, authority):
    """TLS: without the CA file the same server is not trusted, is asked once, and gets no token."""
    refused(client, serving(authority.issue_cert("localhost")), "TLS connection is not trustworthy")


def test_a_certificate_for_another_host_is_refused(client, authority, ca_file):
    """TLS: a trusted authority's certificate for another name does not do."""
    refused(client, serving(authority.issue_cert("other.example")), "Hostname mismatch", ca_file=ca_file)


def test_an_expired_certificate_is_refused(client, authority, ca_file):
    """TLS: a certificate past its date is refused."""
    expired = authority.issue_cert("localhost", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    refused(client, serving(expired), "certificate has expired", ca_file=ca_file)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_an_old_tls_version_is_refused(client, authority, ca_file):
    """TLS: nothing older than 1.2 is spoken."""
    context = serving(authority.issue_cert("localhost"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    refused(client, context, "a TLS version older than 1.2", ca_file=ca_file)


def test_a_ca_file_that_is_none_is_a_config_error(client, tmp_path):
    """A CA file that is missing, or holds no certificate, is said when the client is made."""
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate\n")
    for path in (tmp_path / "missing.pem", empty):
        with pytest.raises(ConfigError, match="no certificate authority can be read"):
            client("https://shop.example", ca_file=path)


def test_stop_and_deadline_hold_inside_tls_too(client, authority, ca_file):
    """X5: a body that drips through TLS ends at the deadline as well."""

    def drip(wire):
        wire.send(head(1000))
        wire.drip(b" " * 1000, every=0.05)

    with WireServer(drip, tls=serving(authority.issue_cert("localhost")), name="localhost") as server:
        begun = time.monotonic()
        with pytest.raises(Retriable, match="in time"):
            client(server.origin, deadline=0.6, attempts=1, ca_file=ca_file).get("/orders.json")
        assert time.monotonic() - begun < 2.0


@pytest.fixture
def lenient(monkeypatch):
    """A Python that leaves the oldest TLS to the system, as some distributions build it."""

    def made(make):
        def lenient_one(**options):
            context = make(**options)
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            return context

        return lenient_one

    monkeypatch.setattr(httpx, "create_ssl_context", made(httpx.create_ssl_context))
    monkeypatch.setattr(ssl, "create_default_context", made(ssl.create_default_context))
    transport._trust.cache_clear()
    yield
    transport._trust.cache_clear()


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("made", [lambda: transport._trust(None), smtp._verifying], ids=["provider", "mail server"])
def test_the_oldest_tls_is_not_left_to_the_system(made):
    """TLS: nothing older than 1.2 is spoken, whatever Python was built to allow."""
    assert made().minimum_version is ssl.TLSVersion.TLSv1_2
