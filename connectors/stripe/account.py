"""Which account a key reads, the endpoints it has, and the version each is rendered in."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connectors.stripe.endpoints import subscriptions
from connectors.stripe.paging import Lister
from connectors.stripe.settings import StripeSettings
from reconcile.connector import Greeting, Subscription
from reconcile.errors import CredentialsRefused
from reconcile.http import ProviderClient


class _Account(msgspec.Struct):
    id: str


class _Versioned(msgspec.Struct):
    api_version: str | None = None


_ACCOUNT = msgspec.json.Decoder(_Account)
_VERSIONED = msgspec.json.Decoder(_Versioned)


def greet(client: ProviderClient, settings: StripeSettings) -> Greeting:
    """The newest event proves the key and the log's version; account and endpoints are asked for where permitted.

    Live and test data are disjoint, so the mode is part of the account's name.
    """
    newest = Lister(client, "/v1/events").page(limit=1).data
    log_version = (_VERSIONED.decode(newest[0]).api_version or "") if newest else ""
    try:
        endpoints = list(subscriptions(client))
    except CredentialsRefused:  # a restricted key may read events and not endpoints
        endpoints = []
    mode = "test" if "_test_" in settings.api_key.get_secret_value() else "live"
    return Greeting(f"{_account_id(client)}/{mode}", _warnings(endpoints, log_version, settings.api_version))


def _account_id(client: ProviderClient) -> str:
    """`acct_…`; "own" for a restricted key that may not ask."""
    try:
        return client.get_json("/v1/account", _ACCOUNT).id
    except CredentialsRefused:
        return "own"


def _warnings(endpoints: Sequence[Subscription], log_version: str, list_version: str) -> tuple[str, ...]:
    """The log's bodies are frozen in the account's default version; deliveries are rendered in the endpoint's."""
    found = []
    for endpoint in endpoints:
        delivered = endpoint.api_version or log_version
        if not endpoint.enabled or not delivered:
            continue
        if log_version and delivered != log_version:
            found.append(
                f"endpoint {endpoint.id} gets API version {delivered}, but the event log is rendered in {log_version}: "
                f"recovered events have that shape; make the account's default version {delivered}"
            )
        if delivered != list_version:
            found.append(
                f"endpoint {endpoint.id} gets API version {delivered}, but rebuilt events have {list_version}: "
                f"set api_version: {delivered}"
            )
    return tuple(found)
