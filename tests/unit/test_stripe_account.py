"""What a first request to Stripe tells, and its webhook endpoints."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from connectors.stripe import Stripe, StripeSettings
from reconcile.errors import CredentialsRefused
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.stripe import FakeStripe
from reconcile.testing.worlds import client_for

START = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


def fake(**changes):
    return FakeStripe(clock=SettableClock(START), throttle=False, **changes)


def greet(handle, **changes):
    connector = Stripe(StripeSettings(**{"api_key": "sk_test_dummy", **changes}))
    return connector.greet(client_for(connector, handle))


def test_account_and_mode_make_the_name():
    """Live and test data are disjoint, so coverage of one never counts for the other (C12)."""
    assert greet(fake().handle).account == "acct_main/test"
    assert greet(fake(api_key="sk_live_dummy").handle, api_key="sk_live_dummy").account == "acct_main/live"


def test_a_restricted_key_may_know_little():
    """A key that reads events and neither account nor endpoints is enough."""
    provider = fake()

    def handle(request):
        return provider.handle(request) if request.url.path == "/v1/events" else httpx.Response(403, json={})

    assert greet(handle, api_key="sk_test_dummy").account == "own/test"


def test_a_key_that_may_not_read_events_is_refused():
    """Without the log there is nothing to compare with."""
    with pytest.raises(CredentialsRefused):
        greet(lambda _: httpx.Response(403, json={}))


def test_versions_that_agree_need_no_word():
    """Log, lists and endpoint in one version: no warning."""
    provider = fake()
    provider.create_customer()
    provider.subscribe("https://hooks.acme.example/stripe", ["*"])
    assert greet(provider.handle).warnings == ()


def test_an_endpoint_of_another_version_is_warned_of():
    """The log is frozen in the account's default version: a handler would get another shape when recovering."""
    provider = fake(api_version="2025-03-31.basil")
    provider.create_customer()
    endpoint = provider.subscribe("https://hooks.acme.example/stripe", ["*"], api_version="2026-10-28.endive")
    (warning,) = greet(provider.handle).warnings
    assert endpoint.id in warning
    assert "2025-03-31.basil" in warning


def test_lists_of_another_version_are_warned_of():
    """What is rebuilt is rendered in the version of the settings."""
    provider = fake()
    provider.create_customer()
    provider.subscribe("https://hooks.acme.example/stripe", ["*"])
    (warning,) = greet(provider.handle, api_version="2025-03-31.basil").warnings
    assert "set api_version: 2026-10-28.endive" in warning


def test_all_endpoints_are_seen():
    """Foreign and disabled ones too (S3, S6), over as many pages as there are."""
    provider = fake()
    made = [provider.subscribe(f"https://hooks.acme.example/{n}", ["charge.refunded"]) for n in range(16)]
    made[3].enabled = False
    connector = Stripe(StripeSettings(api_key="sk_test_dummy"))
    found = list(connector.subscriptions(client_for(connector, provider.handle)))
    assert {one.id for one in found} == {one.id for one in made}
    assert [one.id for one in found if not one.enabled] == [made[3].id]
    assert {one.topics for one in found} == {("charge.refunded",)}
