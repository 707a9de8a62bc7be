"""When schedules are due: cron as cron means it, daylight saving both ways, and the instants every daemon finds."""

from __future__ import annotations

import bisect
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from reconcile.config import ScheduleConfig
from reconcile.rhythm import following, latest, name_of

BERLIN, HOWE, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")


def cron(text: str) -> ScheduleConfig:
    return ScheduleConfig(job="backfill", cron=text)


def times(text: str, zone: ZoneInfo, start: str, end: str) -> list[str]:
    """Every turn in [start, end), in the zone's own time."""
    at, found = datetime.fromisoformat(start) - timedelta(seconds=1), []
    while (at := following(cron(text), zone, at)) < datetime.fromisoformat(end):
        found.append(at.astimezone(zone).strftime("%a %d %H:%M%z"))
    return found


# What Debian's cron does, by its manual cron(8): a day's jobs that fall into a skipped hour run right after it, those
# of a repeated hour run once, and jobs that run every so often follow the real time.
TABLE = [
    ("0 3 * * 1", UTC_ZONE, "2026-01-05T00:00Z", "2026-01-13T00:00Z", ["Mon 05 03:00+0000", "Mon 12 03:00+0000"]),
    ("0 3 * * mon", UTC_ZONE, "2026-01-05T00:00Z", "2026-01-06T00:00Z", ["Mon 05 03:00+0000"]),
    ("0 3 * * 0", UTC_ZONE, "2026-01-05T00:00Z", "2026-01-12T00:00Z", ["Sun 11 03:00+0000"]),
    ("0 3 * * 7", UTC_ZONE, "2026-01-05T00:00Z", "2026-01-12T00:00Z", ["Sun 11 03:00+0000"]),
    # Day of month or day of week, when both are given ...
    ("0 3 13 * 5", UTC_ZONE, "2026-01-09T00:00Z", "2026-01-17T00:00Z", [
        "Fri 09 03:00+0000", "Tue 13 03:00+0000", "Fri 16 03:00+0000",
    ]),
    # ... and both, when one of them is a star.
    ("0 3 13 * *", UTC_ZONE, "2026-01-09T00:00Z", "2026-01-17T00:00Z", ["Tue 13 03:00+0000"]),
    ("*/20 9-10 * * *", UTC_ZONE, "2026-01-09T09:30Z", "2026-01-09T12:00Z", [
        "Fri 09 09:40+0000", "Fri 09 10:00+0000", "Fri 09 10:20+0000", "Fri 09 10:40+0000",
    ]),
    ("0 0 29 2 *", UTC_ZONE, "2026-01-01T00:00Z", "2029-01-01T00:00Z", ["Tue 29 00:00+0000"]),
    # The clock skips from 02:00 to 03:00.
    ("30 2 * * *", BERLIN, "2026-03-28T00:00Z", "2026-03-31T00:00Z", [
        "Sat 28 02:30+0100", "Sun 29 03:00+0200", "Mon 30 02:30+0200",
    ]),
    ("*/30 * * * *", BERLIN, "2026-03-29T00:00Z", "2026-03-29T02:00Z", [
        "Sun 29 01:00+0100", "Sun 29 01:30+0100", "Sun 29 03:00+0200", "Sun 29 03:30+0200",
    ]),
    # The clock repeats 02:00 to 03:00.
    ("30 2 * * *", BERLIN, "2026-10-24T00:00Z", "2026-10-27T00:00Z", [
        "Sat 24 02:30+0200", "Sun 25 02:30+0200", "Mon 26 02:30+0100",
    ]),
    ("*/30 * * * *", BERLIN, "2026-10-25T00:00Z", "2026-10-25T02:00Z", [
        "Sun 25 02:00+0200", "Sun 25 02:30+0200", "Sun 25 02:00+0100", "Sun 25 02:30+0100",
    ]),
    # Half an hour, on Lord Howe Island.
    ("45 1 * * *", HOWE, "2026-04-03T00:00Z", "2026-04-06T00:00Z", [
        "Sat 04 01:45+1100", "Sun 05 01:45+1100", "Mon 06 01:45+1030",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "zone", "start", "end", "wanted"), TABLE)
def test_cron_means_what_cron_means(text, zone, start, end, wanted):
    """Monday is 1, either day field counts, and a daily job runs once on a day of 23 or 25 hours."""
    assert times(text, zone, start, end) == wanted


@pytest.mark.parametrize("zone", [BERLIN, HOWE], ids=str)
@pytest.mark.parametrize("text", ["30 2 * * *", "*/30 * * * *", "*/7 2 * * *"])
@pytest.mark.parametrize("day", ["2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25"])
def test_looking_back_and_ahead_agree_around_a_change_of_the_clock(zone, text, day):
    """C14: at every instant around a change, the turns before and after are neighbours in one sequence."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=1)
    turns = []
    for at in CronSim(text, (start - timedelta(days=3)).astimezone(zone)):
        turns.append(at.astimezone(UTC))
        if turns[-1] > start + timedelta(days=6):
            break
    assert turns == sorted(set(turns))
    for step in range(11 * 60, 40 * 60, 41):
        now = start + timedelta(minutes=step, seconds=step % 60)
        place = bisect.bisect_right(turns, now)
        assert (latest(cron(text), zone, now), following(cron(text), zone, now)) == (turns[place - 1], turns[place])


@given(st.integers(1, 10_000_000), st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001 - made aware below
def test_intervals_are_the_same_instants_for_everyone(seconds, moment):
    """Two daemons that started at different times find the same turns due: they are counted from 1970."""
    schedule, now = ScheduleConfig(job="alerts", every=timedelta(seconds=seconds)), moment.replace(tzinfo=UTC)
    last, coming = latest(schedule, UTC_ZONE, now), following(schedule, UTC_ZONE, now)
    assert last <= now < coming
    assert coming - last == timedelta(seconds=seconds)
    assert latest(schedule, UTC_ZONE, last) == last
    assert (last - datetime(1970, 1, 1, tzinfo=UTC)) % timedelta(seconds=seconds) == timedelta()


def test_schedules_of_one_job_are_told_apart():
    """Two entries of one job, at different times or for different sources, each have turns of their own."""
    one = [cron("0 3 * * 1-5"), cron("0 9 * * 0,6"), ScheduleConfig(job="backfill", every=timedelta(hours=1))]
    two = [ScheduleConfig(job="backfill", cron="0 3 * * 1-5", sources=names) for names in (("a",), ("b", "a"))]
    assert len({name_of(schedule) for schedule in (*one, *two)}) == 5
    assert name_of(two[1]) == name_of(ScheduleConfig(job="backfill", cron="0 3 * * 1-5", sources=("a", "b")))
