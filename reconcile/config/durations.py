"""Durations, sizes and rates as an operator writes them: `30s`, `20MB`, `10/s`.

The messages never repeat the text they are about: it may have come from the environment.
"""

from __future__ import annotations

import re
from datetime import timedelta

LONGEST = timedelta(days=3650)

_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"([0-9]{1,9})(B|KB|MB|GB)")
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/([smh])")


def parse_duration(text: str) -> timedelta:
    """`30s`, `5m`, `3h` or `7d`; zero is one too. Raises `ValueError`, also over ten years."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError("must be a duration such as 30s, 5m, 3h or 7d")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"must be at most {LONGEST.days}d")
    return timedelta(seconds=seconds)


def parse_size(text: str) -> int:
    """Bytes of `500KB`, `20MB` or `1GB` (powers of ten). Raises `ValueError`."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError("must be a size such as 500KB, 20MB or 1GB")
    return int(found[1]) * _BYTES[found[2]]


def parse_rate(text: str) -> float:
    """Per second, of `10/s`, `0.5/s`, `100/m` or `1000/h`. Raises `ValueError`."""
    found = _RATE.fullmatch(text)
    if not found:
        raise ValueError("must be a rate such as 10/s or 100/m")
    return float(found[1]) / _SECONDS[found[2]]
