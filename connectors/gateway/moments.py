"""Times as providers write them, and time filters as they read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from connectors.gateway.settings_list import ListSettings
from reconcile.model import EPOCH, Window, micros

_NUMBER = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,9})?")
#: Larger numbers are milliseconds: as seconds they would lie beyond the year 5138.
_MILLISECONDS = 10**11
_MOST_DIGITS = 30
_LONGEST_DAY = len("2024-06-01")
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
#: No payment is older or lies further ahead. A date run together is: as seconds `20240101` would be in 1970, and as
#: milliseconds `20240101120000` in 2611.
_PLAUSIBLE = range(946_684_800_000_000, 7_258_118_400_000_000)  # microseconds: 2000 to 2200


def read(value: Any, zone: tzinfo) -> datetime:
    """An instant, UTC, of ISO 8601 text or a unix time; text without an offset is in `zone`.

    Raises `ValueError` if it is neither, or a number that is no unix time in seconds or milliseconds.
    """
    try:
        return _read(value, zone)
    except OverflowError:
        raise ValueError("a time beyond the years 1 to 9999") from None


def _read(value: Any, zone: tzinfo) -> datetime:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("a time is text or a number")  # noqa: TRY004 - the caller knows ValueError as unreadable
    number = Decimal(value)
    if number and abs(number.adjusted()) > _MOST_DIGITS:  # to write out such a number would take minutes
        raise ValueError("a time has fewer digits")
    scale = 1_000 if abs(number) >= _MILLISECONDS else 1_000_000
    moment = int(number * scale)
    if moment not in _PLAUSIBLE:
        raise ValueError("a time that is no unix time in seconds or milliseconds of this age")
    return EPOCH + timedelta(microseconds=moment)


def doubt(value: Any, zone: tzinfo) -> timedelta:
    """How much later than what `read` makes of it a time may be: by the hour that a clock shows twice in autumn, where
    no offset says which.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return timedelta(0)
    found = datetime.fromisoformat(value)
    if found.tzinfo is not None:
        return timedelta(0)
    return _twice(found, zone)


def _twice(wall: datetime, zone: tzinfo) -> timedelta:
    """How far apart the two instants are at which a clock on a wall shows `wall`, 0 if there is one."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return max(second - first, timedelta(0))


def is_a_day(value: Any) -> bool:
    """Whether a time that can be read is no moment but a whole day, as `2024-06-01` is."""
    return isinstance(value, str) and len(value) <= _LONGEST_DAY and not _NUMBER.fullmatch(value)


def resolution(listing: ListSettings) -> timedelta:
    """The step of its time filter. What is finer than a second may be cut off at the provider's."""
    return _DAY if listing.time == "date" else _SECOND


def question(listing: ListSettings, window: Window, zone: tzinfo) -> Mapping[str, str]:
    """The filter's parameters for at least `window`.

    Nobody says whether a provider's bounds are inclusive, so one step more is asked for at both ends. What happened in
    an hour that comes twice is read as of the first: a window that ends there asks for the second as well, or would
    lack what is known to lie in it (C10).
    """
    step = resolution(listing)
    begin, end = listing.filters.names
    last = (window.end - timedelta.resolution).astimezone(zone).replace(tzinfo=None)
    window = Window(window.start, window.end + _twice(last, zone))
    asked = {begin: _write(listing, window.start - step, zone)}
    if end is not None:
        asked[end] = _write(listing, window.end + step, zone, up=True)
    return asked


def _write(listing: ListSettings, when: datetime, zone: tzinfo, *, up: bool = False) -> str:
    if listing.time == "date":
        return when.astimezone(zone).date().isoformat()
    seconds = -(-micros(when) // 1_000_000) if up else micros(when) // 1_000_000
    if listing.time == "iso8601":
        return (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(seconds if listing.time == "epoch_s" else seconds * 1000)
