"""The door's keys under `webhook:`: what is accepted, and what is said of the rest."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from reconcile.config import load
from reconcile.errors import ConfigError

HEAD = """\
sources:
  acme-shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    webhook:
      secret: whsec_dummy_hush
      topics: [orders/create]
"""


def read(tmp_path, lines: str):
    """The webhook of a file with these lines."""
    path = tmp_path / "schedules.yaml"
    path.write_text(HEAD + "".join(f"      {line}\n" for line in lines.splitlines()))
    return load(path, {"NETWORK": "198.51.100.0/24"}).sources["acme-shop"].webhook


def test_networks_addresses_and_a_rate_are_read(tmp_path):
    """One or a list, IPv4 or IPv6, from the environment as well."""
    found = read(
        tmp_path,
        'allow_from: [203.0.113.0/24, "2001:db8::/32", 192.0.2.1, "${NETWORK}"]\n'
        "trusted_proxies: 10.0.0.0/8\n"
        "rate_limit: 100/s",
    )
    networks = ("203.0.113.0/24", "2001:db8::/32", "192.0.2.1/32", "198.51.100.0/24")
    assert found.allow_from == tuple(map(ip_network, networks))
    assert found.trusted_proxies == (ip_network("10.0.0.0/8"),)
    assert found.rate_limit == 100.0


NOT_A_NETWORK = "must be a network or an address such as 203.0.113.0/24 or 2001:db8::1"


@pytest.mark.parametrize(
    ("lines", "place", "message"),
    [
        ("allow_from: [203.0.113.5/24]", "9:20 sources.acme-shop.webhook.allow_from[0]", NOT_A_NETWORK),
        ("allow_from: [localhost]", "9:20 sources.acme-shop.webhook.allow_from[0]", NOT_A_NETWORK),
        ("allow_from: [10]", "9:20 sources.acme-shop.webhook.allow_from[0]", NOT_A_NETWORK),
        ("allow_from: []", "9:7 sources.acme-shop.webhook.allow_from", "must not be empty"),
        (
            "trusted_proxies: 10.0.0.0/8",
            "9:24 sources.acme-shop.webhook.trusted_proxies",
            "is of use beside allow_from only",
        ),
        ("rate_limit: 100", "9:19 sources.acme-shop.webhook.rate_limit", "must be a rate such as 10/s or 100/m"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(tmp_path, lines, place, message):
    """Each with line, column, key and what it must be."""
    with pytest.raises(ConfigError) as found:
        read(tmp_path, lines)
    (problem,) = found.value.problems
    assert problem.endswith(f"schedules.yaml:{place}: {message}") or f":{place}: {message} (got" in problem


def test_a_shop_is_named_as_shopify_names_it(tmp_path):
    """Its own domain is a likely slip: the message shows what is meant, where a pattern showed nothing."""
    path = tmp_path / "schedules.yaml"
    path.write_text(HEAD.replace("acme.myshopify.com", "www.acme.example"))
    with pytest.raises(ConfigError, match=r":4:11 sources\.acme-shop\.shop: must be the shop's own name, such as acme"):
        load(path, {})
    path.write_text(HEAD.replace("acme.myshopify.com", " ACME.myshopify.com "))
    assert load(path, {}).sources["acme-shop"].settings.shop == "acme.myshopify.com"
