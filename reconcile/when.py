"""Instants and ages as people write and read them: `2024-01-01`, `2024-01-01T10:00:00Z`, `7d`. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from reconcile.model import iso

_AGE = re.compile(r"([0-9]{1,9})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
_WANTED = "must be a date (2024-01-01), a timestamp (2024-01-01T10:00:00Z) or an age (30m, 12h, 7d)"


def parse(text: str, now: datetime) -> datetime:
    """The UTC instant that `text` names: a date (its midnight), a timestamp, or an age before `now`.

    What carries no offset is UTC, whatever zone this machine is in. Raises `ValueError`.
    """
    if age := _AGE.fullmatch(text):
        return _before(now, int(age[1]) * _SECONDS[age[2]])
    if _DATE.fullmatch(text):
        return datetime.combine(_date(text), datetime.min.time(), UTC)
    if stamp := _TIMESTAMP.fullmatch(text):
        return _timestamp(stamp[1], stamp[2], stamp[3])
    raise ValueError(_WANTED)


def _before(now: datetime, seconds: int) -> datetime:
    try:
        return now.astimezone(UTC) - timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError("is longer ago than the calendar goes") from None


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"is no day of the calendar; it {_WANTED}") from None


def _timestamp(day: str, time: str, offset: str | None) -> datetime:
    try:
        found = datetime.fromisoformat(f"{day}T{time}{(offset or 'Z').upper()}")
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"is no instant of the calendar; it {_WANTED}") from None


def stamp(when: datetime | None) -> str:
    """`2024-01-01T10:00:00Z`, to the second, for people; `-` for none."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if when else "-"


def exact(when: datetime) -> str:
    """`2024-01-01T10:00:00Z`, and with the digits of its microseconds only if it has any."""
    return iso(when) if when.microsecond else stamp(when)


def times(number: int, what: str) -> str:
    """A number of things, in the singular if it is one: `1 attempt`, `2 attempts`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def span(length: timedelta) -> str:
    """A length in its two largest units: `45s`, `12m 5s`, `3h 20m`, `7d 2h`; never negative."""
    seconds = max(0, int(length.total_seconds()))
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    parts = [f"{number}{unit}" for number, unit in ((day, "d"), (hour, "h"), (minute, "m"), (second, "s"))]
    first = next((place for place, part in enumerate(parts) if part[0] != "0"), 3)
    return " ".join(part for part in parts[first : first + 2] if part[0] != "0") or "0s"


def off(skew: timedelta) -> str:
    """How far a clock is `ahead of` or `behind` another: `1d behind`."""
    return f"{span(abs(skew))} {'ahead of' if skew > timedelta(0) else 'behind'}"
