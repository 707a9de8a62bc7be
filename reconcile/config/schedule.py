"""Cron expressions as cron reads them: five fields, Sunday is 0 or 7, Monday is 1, names allowed.

Only the reading is here. The messages never repeat the text: it may have come from the environment.
"""

from __future__ import annotations

from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTH = dict.fromkeys(range(1, 13), 31) | {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"the {self.name} must lie within {self.first}-{self.last}{words}"


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """The values each field takes; `weekdays` counts from Sunday = 0 to Saturday = 6.

    Cron asks for either day field when both are restricted, for both when one of them begins with `*`:
    `either_day` says which.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool


def parse_cron(text: str) -> Cron:
    """Read `minute hour day-of-month month day-of-week`. Raises `ValueError` with what is wrong."""
    words = text.split()
    if len(words) != len(_FIELDS):
        raise ValueError("must be the five fields of cron: minute, hour, day of month, month, day of week")
    minutes, hours, days, months, weekdays = map(_values, words, _FIELDS)
    either_day = not (words[2].startswith("*") or words[4].startswith("*"))
    if not either_day and min(days) > max(_LONGEST_MONTH[month] for month in months):
        raise ValueError("never comes: no such month has that day")
    return Cron(minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either_day)


def _values(word: str, field: _Field) -> frozenset[int]:
    return frozenset(value for part in word.split(",") for value in _part(part, field))


def _part(part: str, field: _Field) -> range:
    """One of `*`, `5`, `1-5`, `*/15`, `0-30/10`."""
    span, slash, step = part.partition("/")
    low, dash, high = span.partition("-")
    if slash and not (span == "*" or dash):
        raise ValueError(f"the {field.name} may have a step only after * or a range, such as */15")
    if span == "*":
        return range(field.first, field.last + 1, _step(step, field) if slash else 1)
    first = _number(low, field)
    last = _number(high, field) if dash else first
    if last < first:
        raise ValueError(f"the {field.name} has a range that runs backwards")
    return range(first, last + 1, _step(step, field) if slash else 1)


def _number(text: str, field: _Field) -> int:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + (field.first if field.names is _MONTHS else 0)
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and field.first <= int(text) <= field.last):
        raise ValueError(str(field))
    return int(text)


def _step(text: str, field: _Field) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and int(text) > 0):
        raise ValueError(f"the {field.name} has a step that is not a number from 1 to 99")
    return int(text)
