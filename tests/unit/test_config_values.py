"""Durations, sizes, rates, cron expressions and URLs as an operator writes them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.config.durations import parse_duration, parse_rate, parse_size
from reconcile.config.schedule import parse_cron
from reconcile.config.urls import ledger_url, origin_url, same_url, smtp_url, web_url


@given(st.integers(0, 3650), st.sampled_from("smhd"))
def test_a_duration_is_its_number_of_its_unit(number, unit):
    """`30s 5m 3h 7d` are seconds, minutes, hours and days."""
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    assert parse_duration(f"{number}{unit}") == timedelta(seconds=number * seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 m", "5M", "1.5h", "-5m", "1h30m", "5m\n", "\u0665m", "9999999999s", "5w"]
)
def test_anything_else_is_no_duration(text):
    """Only digits and one of four letters are a duration."""
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "size"), [("1B", 1), ("500KB", 500_000), ("20MB", 20_000_000), ("1GB", 10**9)])
def test_a_size_is_in_powers_of_ten(text, size):
    """`20MB` is twenty million bytes."""
    assert parse_size(text) == size


@pytest.mark.parametrize(("text", "rate"), [("10/s", 10), ("0.5/s", 0.5), ("120/m", 2), ("3600/h", 1)])
def test_a_rate_is_per_second(text, rate):
    """`120/m` is two a second."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["10", "/s", "1e3/s", "10/d", "-1/s", "inf/s"])
def test_anything_else_is_no_rate(text):
    """A rate has its unit, and is written in plain digits."""
    with pytest.raises(ValueError, match="must be a rate"):
        parse_rate(text)


def test_cron_counts_weekdays_as_cron_does():
    """Monday is 1, Sunday is 0 and 7, and names mean the same."""
    assert parse_cron("0 3 * * 1").weekdays == parse_cron("0 3 * * mon").weekdays == {1}
    assert (
        parse_cron("0 3 * * 0").weekdays
        == parse_cron("0 3 * * 7").weekdays
        == parse_cron("0 3 * * SUN").weekdays
        == {0}
    )
    assert parse_cron("0 3 * * 5-7").weekdays == {5, 6, 0}
    assert parse_cron("0 3 * jan,Dec mon-fri").months == {1, 12}


def test_cron_reads_lists_ranges_and_steps():
    """`*/15`, `1-5`, `0,30` and `10-40/10` are the minutes they are for cron."""
    assert parse_cron("*/15 * * * *").minutes == {0, 15, 30, 45}
    assert parse_cron("0,30 1-5 * * *").hours == {1, 2, 3, 4, 5}
    assert parse_cron("10-40/10,59 * * * *").minutes == {10, 20, 30, 40, 59}
    assert parse_cron("* * * * *").weekdays == set(range(7))


@pytest.mark.parametrize(
    ("text", "either"), [("0 0 1 * 1", True), ("0 0 1 * *", False), ("0 0 * * 1", False), ("0 0 */2 * 1", False)]
)
def test_cron_asks_for_either_day_only_when_both_are_restricted(text, either):
    """Day of month and day of week are OR-ed when neither begins with `*`."""
    assert parse_cron(text).either_day is either


def test_a_day_that_never_comes_is_refused_unless_a_weekday_can_come():
    """`30 February` never comes; `30 February or a Monday` does, and so does `29 February`."""
    with pytest.raises(ValueError, match="never comes"):
        parse_cron("0 0 30 2 *")
    assert parse_cron("0 0 30 2 1").either_day
    assert parse_cron("0 0 29 2 *").days == {29}
    assert parse_cron("0 0 31 2,3 *").days == {31}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/x", "http://localhost/x", "http://[::1]/x", "https://a.example:8443/x?y=z"]
)
def test_plain_http_is_for_this_machine_only(url):
    """`http` is accepted for loopback addresses, `https` for any host."""
    assert web_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1.evil.example/",
        "http://localhost.example/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://a.localhost/",
    ],
)
def test_what_only_looks_like_this_machine_is_not(url):
    """A host is loopback by being it, never by its looks."""
    with pytest.raises(ValueError, match="must be https"):
        web_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "//a.example",
        "ftp://a.example",
        "https:///x",
        "https://a.example:x/",
        "https://[::1",
        "https://a.example/#b",
        "https://u@a.example/",
        "https://a.example/\tb",
        "https://a.example\\@evil.example/",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_plain_url_is_refused(url):
    """No user, no fragment, no tab or backslash another parser might read otherwise."""
    with pytest.raises(ValueError, match="must"):
        web_url(url)


def test_an_origin_is_a_scheme_and_a_host():
    """`base_url` has no path of its own; a closing slash is nothing."""
    assert origin_url("https://a.example/") == "https://a.example"
    with pytest.raises(ValueError, match="scheme and a host only"):
        origin_url("https://a.example/?x")


def test_urls_are_the_same_however_they_are_written():
    """Case of the host, the default port and a closing slash make no other place."""
    assert same_url("https://A.example:443/x/", "https://a.example/x")
    assert not same_url("https://a.example/x", "https://a.example/y")
    assert not same_url("https://a.example/x", "http://a.example/x")


def test_a_relative_sqlite_path_starts_at_the_folder_of_the_file():
    """The ledger is the same one wherever the command is run."""
    folder = Path("/srv/app")
    assert ledger_url("sqlite:///data/ledger.db", folder) == "sqlite:////srv/app/data/ledger.db"
    assert ledger_url("sqlite:////var/ledger.db?timeout=5", folder) == "sqlite:////var/ledger.db?timeout=5"
    assert ledger_url("postgresql://me:pw@db/app", folder) == "postgresql://me:pw@db/app"


@pytest.mark.parametrize(
    "url", ["smtp://u:p@mail.example:587", "smtps://mail.example:465", "smtp://127.0.0.1:1025?tls=off"]
)
def test_a_mail_server_is_named_by_its_url(url):
    """STARTTLS, TLS from the start, and none where that is said outright."""
    assert smtp_url(url) == url


@pytest.mark.parametrize(
    "url", ["mail.example", "smtp://", "smtp://h:99999", "smtp://h/x", "smtp://h?tls=maybe", "smtp://h\n"]
)
def test_anything_else_is_no_mail_server(url):
    """A path, another option or a line break is refused."""
    with pytest.raises(ValueError, match=r"must be smtp|may end with"):
        smtp_url(url)
