"""Where requests may go."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.http import ORIGIN, Script, make_client

from reconcile.errors import BadAnswer, ConfigError
from reconcile.http.origin import Origin, is_loopback

FOREIGN = [
    "https://evil.example/orders.json",
    "https://shop.example@evil.example/",
    "https://shop.example:443@evil.example/",
    "https://shop.example\\@evil.example/",
    "https://evil.example#@shop.example",
    "https://evil.example\\.shop.example/",
    "https://shop.example.evil.example/",
    "https://shop.example./orders.json",
    "https://user:pw@shop.example/orders.json",
    "https://user@shop.example/orders.json",
    "http://shop.example/orders.json",
    "http://shop.example:443/orders.json",
    "https://shop.example:8443/orders.json",
    "https://shop.example:80/orders.json",
    "ftp://shop.example/orders.json",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "//evil.example/orders.json",
    "https:evil.example/orders.json",
    "https:///orders.json",
    "https://\uff53hop.example.evil/",
    "https://127.0.0.1/",
    "\thttps://evil.example/",
    " https://evil.example/",
    "https://shop.example\r\nHost: evil.example/",
    "https://shop.example:99999999/",
    "orders.json",
    "?page=2",
    "",
]

WITHIN = [
    ("/orders.json?limit=250", "https://shop.example/orders.json?limit=250"),
    ("https://shop.example/orders.json?page_info=a%2Bb", "https://shop.example/orders.json?page_info=a%2Bb"),
    ("https://shop.example:443/x", "https://shop.example/x"),
    ("HTTPS://SHOP.Example/x", "https://shop.example/x"),
    ("HTTPS://SHOP.Example:443/x", "https://shop.example/x"),
    ("https://shop.example/x#fragment", "https://shop.example/x"),
    ("https://shop.example", "https://shop.example/"),
    ("///evil.example/x", "https://shop.example/evil.example/x"),
    ("/\\evil.example/x", "https://shop.example/\\evil.example/x"),
    ("/@evil.example/x", "https://shop.example/@evil.example/x"),
]


@pytest.mark.parametrize("target", FOREIGN)
def test_a_foreign_address_is_refused_before_anything_is_sent(target):
    """X2: a `next` link on another scheme, host or port, or with a user part, never gets a request."""
    provider = Script(httpx.Response(200))
    with pytest.raises(BadAnswer, match=r"acme: .*(would leave configured origin|no URL)"):
        make_client(provider).get(target)
    assert provider.seen == []


@pytest.mark.parametrize("target", FOREIGN)
def test_a_refusal_names_neither_user_nor_query(target):
    """X1: what a hostile link carries is not repeated in the error."""
    with pytest.raises(BadAnswer) as refused:
        Origin(ORIGIN, "acme").resolve(target + "?secret=hunter22")
    assert "hunter22" not in str(refused.value)
    assert "pw@" not in str(refused.value)


@pytest.mark.parametrize(("target", "asked"), WITHIN)
def test_an_address_within_the_origin_is_asked_verbatim(target, asked):
    """X2: the same origin in another spelling is accepted, and its path and query stay byte for byte."""
    assert str(Origin(ORIGIN, "acme").resolve(target)) == asked


@given(st.text(max_size=60) | st.from_regex(r"(https?:)?[/\\@:.a-z]{0,12}(shop\.example)?[@:/\\?#.a-z0-9]{0,20}"))
def test_no_text_at_all_leads_elsewhere(target):
    """X2: whatever a provider calls its next page, the request goes to the configured origin or nowhere."""
    try:
        url = Origin(ORIGIN, "acme").resolve(target)
    except BadAnswer:
        return
    assert (url.scheme, url.raw_host, url.port, url.userinfo) == ("https", b"shop.example", None, b"")


def test_an_international_name_and_its_ascii_form_are_one_host():
    """X2: IDN hosts are compared in their ASCII form."""
    origin = Origin("https://b\u00fccher.example", "acme")
    assert str(origin.resolve("https://XN--BCHER-KVA.example/x")) == "https://xn--bcher-kva.example/x"
    with pytest.raises(BadAnswer):
        origin.resolve("https://bucher.example/x")


def test_params_are_encoded_and_join_the_query():
    """A plus sign in a timestamp's offset is escaped: unescaped it would mean a space."""
    url = Origin(ORIGIN, "acme").resolve("/orders.json?limit=250", [("updated_at_min", "2024-01-01T00:00:00+09:00")])
    assert url.query == b"limit=250&updated_at_min=2024-01-01T00%3A00%3A00%2B09%3A00"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://shop.example", "acme: base_url must be https (http is for loopback addresses only)"),
        ("http://127.0.0.1.evil.example", "acme: base_url must be https (http is for loopback addresses only)"),
        ("http://localhost.evil.example", "acme: base_url must be https (http is for loopback addresses only)"),
        ("http://10.0.0.1", "acme: base_url must be https (http is for loopback addresses only)"),
        ("https://user:pw@shop.example", "acme: base_url must be https://host[:port], with no user, path or query"),
        ("https://shop.example/api", "acme: base_url must be https://host[:port], with no user, path or query"),
        ("https://shop.example?x=1", "acme: base_url must be https://host[:port], with no user, path or query"),
        ("shop.example", "acme: base_url must be https://host"),
        ("ftp://shop.example", "acme: base_url must be https://host"),
        ("https://shop.example\n", "acme: base_url is not a URL"),
    ],
)
def test_an_origin_that_cannot_be_one_is_a_config_error(text, message):
    """X2: what credentials would be sent to is judged when the client is made, not when it is used."""
    with pytest.raises(ConfigError) as refused:
        make_client(Script(httpx.Response(200)), origin=text)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("127.evil.example", False),
        ("0.0.0.0", False),  # noqa: S104 # nothing listens; it is a name to refuse
        ("10.0.0.1", False),
        ("169.254.169.254", False),
    ],
)
def test_loopback_is_an_address_not_a_prefix(host, expected):
    """Plain http is judged by the parsed address, so a name that merely looks local is not."""
    assert is_loopback(host) is expected


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"])
def test_plain_http_is_accepted_for_this_machine(origin):
    """A sandbox on a loopback address needs no certificate."""
    provider = Script(httpx.Response(200))
    make_client(provider, origin=origin).get("/x")
    assert str(provider.seen[0].url) == f"{origin}/x"
