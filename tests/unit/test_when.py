"""Instants as people write and read them."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile import when

NOW = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001 - hypothesis wants naive bounds


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2024-01-01", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T10:00:00Z", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("2024-01-01t10:00:00z", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("2024-01-01 10:00", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("2024-01-01T10:00:00", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("2024-01-01T10:00:00+02:00", datetime(2024, 1, 1, 8, tzinfo=UTC)),
        ("2024-01-01T10:00:00-0530", datetime(2024, 1, 1, 15, 30, tzinfo=UTC)),
        ("2024-01-01T10:00:00.25Z", datetime(2024, 1, 1, 10, 0, 0, 250_000, tzinfo=UTC)),
        ("7d", NOW - timedelta(days=7)),
        ("90m", NOW - timedelta(minutes=90)),
        ("0s", NOW),
        ("2w", NOW - timedelta(weeks=2)),
    ],
)
def test_a_date_a_timestamp_and_an_age_are_understood(text, meant):
    """What carries no offset is UTC (C14)."""
    assert when.parse(text, NOW) == meant


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2024-13-01", "2024-02-30", "2024-01-01T25:00", "7", "d7", "-7d", "7 d", "7y", "2024", "20240101",
     "2024-01-01T10", "12:30", "\u0667d", "2024-01-01T10:00:00+99:00", "999999999w", "0001-01-01T00:00+14:00"],
)  # fmt: skip
def test_anything_else_is_refused_with_what_is_wanted(text):
    """No guess is made of a text that is not one of the three."""
    with pytest.raises(ValueError, match=r"must be a date|longer ago"):
        when.parse(text, NOW)


@given(MOMENTS, OFFSETS)
def test_a_timestamp_with_an_offset_is_that_instant(moment, offset):
    """Every aware timestamp comes back as the same instant in UTC (C14)."""
    aware = moment.replace(tzinfo=offset)
    assert when.parse(aware.isoformat(), NOW) == aware
    assert when.parse(aware.isoformat(), NOW).tzinfo is UTC


@given(MOMENTS)
def test_a_date_or_naive_timestamp_means_utc_in_every_zone(moment):
    """The zone of this machine changes nothing (C14)."""
    before = os.environ.get("TZ")
    try:
        for zone in ("UTC", "Asia/Kathmandu", "America/New_York"):
            os.environ["TZ"] = zone
            time.tzset()
            assert when.parse(moment.isoformat(), NOW) == moment.replace(tzinfo=UTC)
            midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
            assert when.parse(moment.date().isoformat(), NOW) == midnight
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


@given(st.integers(0, 10**6), st.sampled_from("smhd"))
def test_an_age_counts_back_from_now(number, unit):
    """An age is so many of its unit before the clock."""
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    try:
        meant = NOW - timedelta(seconds=number * seconds)
    except OverflowError:
        with pytest.raises(ValueError, match="longer ago"):
            when.parse(f"{number}{unit}", NOW)
    else:
        assert when.parse(f"{number}{unit}", NOW) == meant


@given(st.text())
def test_no_text_breaks_the_parser(text):
    """It gives an aware instant or a ValueError, never anything else."""
    try:
        found = when.parse(text, NOW)
    except ValueError:
        return
    assert found.tzinfo is UTC


def test_what_is_shown_can_be_read_again():
    """A printed instant, pasted back as an option, is the same instant to the second."""
    assert when.parse(when.stamp(NOW), NOW) == NOW
    assert when.stamp(None) == "-"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-5, "0s"), (45, "45s"), (60, "1m"), (725, "12m 5s"), (3600, "1h"), (12000, "3h 20m"),
     (604_800, "7d"), (612_000, "7d 2h"), (86_460, "1d")],
)  # fmt: skip
def test_a_length_is_told_in_its_two_largest_units(seconds, text):
    """People read `3h 20m`, not 12000."""
    assert when.span(timedelta(seconds=seconds)) == text


def test_an_exact_instant_is_as_short_as_it_can_be():
    """Digits after the second are shown only where there are any."""
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert when.exact(noon) == "2024-01-01T12:00:00Z"
    assert when.exact(noon + timedelta(microseconds=5)) == "2024-01-01T12:00:00.000005Z"
