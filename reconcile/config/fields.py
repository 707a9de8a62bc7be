"""The kinds of value a key can have, shared by every section.

Each accepts what an operator writes and what Python code passes (`"2m"` or a `timedelta`), and refuses the
rest with a message that never repeats the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr
from pydantic_core import PydanticCustomError

from reconcile.config.durations import parse_duration, parse_rate, parse_size
from reconcile.config.interpolate import Substituted
from reconcile.config.urls import mail_address, origin_url, web_url

MOST = 10**12
_DIGITS = re.compile(r"[0-9]{1,18}")


def problem(message: str) -> PydanticCustomError:
    """An error whose message holds nothing of the value, so that it may be shown even of a secret."""
    return PydanticCustomError("told", "{reason}", {"reason": message})


def problem_at(place: str | int, message: str) -> PydanticCustomError:
    """As `problem`, about one entry of the value under validation, so that its own line is named."""
    return PydanticCustomError("told", "{reason}", {"reason": message, "place": place})


def _read(parse: Callable[[str], Any], written: type, example: str) -> Callable[[object], object]:
    """Let `parse` read text, let values of the type `written` pass, refuse the rest naming an `example`."""

    def read(value: object) -> object:
        if isinstance(value, str):
            return parse(value)
        if isinstance(value, bool) or not isinstance(value, written):
            raise ValueError(example)  # noqa: TRY004 - pydantic reports only ValueError as a problem of the value
        return value

    return read


def _number(value: object) -> object:
    """A variable has no type of its own, so one that holds digits may stand where a number is asked for."""
    return int(value) if isinstance(value, Substituted) and _DIGITS.fullmatch(value) else value


def _truth(value: object) -> object:
    return value == "true" if isinstance(value, Substituted) and value in {"true", "false"} else value


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be more than 0")
    return value


def _secret(value: SecretStr) -> SecretStr:
    secret_text(value.get_secret_value())
    return value


def secret_text(text: str) -> str:
    """A secret's text. Raises `ValueError` if it is empty, or holds what no header or key could carry."""
    if not text.strip():
        raise ValueError("must not be empty")
    if any(ord(character) < ord(" ") or "\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not hold line breaks or control characters")
    return text


def reference(text: str) -> str:
    """`module:attribute`, both perhaps dotted. Raises `ValueError`."""
    module, _, attribute = text.partition(":")
    if not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
        raise ValueError("must be module:attribute, such as acme.webhooks:handlers")
    return text


def network(value: object) -> IPv4Network | IPv6Network:
    """A network or a single address. Raises `ValueError`, also where bits beyond the network's are set."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(str(value) if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("must be a network or an address such as 203.0.113.0/24 or 2001:db8::1") from None


def timezone_name(text: str) -> str:
    """The name of a time zone this machine knows. Raises `ValueError`."""
    try:
        return text if text == "UTC" else ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as UTC or Europe/Berlin") from None


def unique(values: tuple[str, ...]) -> tuple[str, ...]:
    """Nothing twice; the error is about the repetition."""
    for place, value in enumerate(values):
        if value in values[:place]:
            raise problem_at(place, "must not be given twice")
    return values


def _filled(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("must not be empty")
    return values


def _name(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    if not text.isprintable() or " " in text:
        raise ValueError("must be a name without spaces")
    return text


def _entry_of_list(value: object) -> object:
    return (value,) if isinstance(value, str | SecretStr) else value


Count = Annotated[int, Field(strict=True, ge=1, le=MOST), BeforeValidator(_number)]
Flag = Annotated[bool, Field(strict=True), BeforeValidator(_truth)]
DurationOrZero = Annotated[
    timedelta,
    BeforeValidator(_read(parse_duration, timedelta, "must be a duration such as 30s, 5m, 3h or 7d")),
]
Duration = Annotated[DurationOrZero, AfterValidator(_positive)]
Durations = Annotated[tuple[Duration, ...], AfterValidator(_filled)]
Size = Annotated[
    int,
    Field(ge=1, le=MOST),
    BeforeValidator(_read(parse_size, int, "must be a size such as 500KB, 20MB or 1GB")),
]
Rate = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False),
    BeforeValidator(_read(parse_rate, float, "must be a rate such as 10/s or 100/m")),
]
Reference = Annotated[str, AfterValidator(reference)]
Timezone = Annotated[str, AfterValidator(timezone_name)]
Address = Annotated[str, AfterValidator(mail_address)]
Addresses = Annotated[tuple[Address, ...], AfterValidator(_filled), AfterValidator(unique)]
WebUrl = Annotated[str, AfterValidator(web_url)]
OriginUrl = Annotated[str, AfterValidator(origin_url)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
Secrets = Annotated[tuple[Secret, ...], AfterValidator(_filled), BeforeValidator(_entry_of_list)]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(network)]
Networks = Annotated[tuple[Network, ...], AfterValidator(_filled), BeforeValidator(_entry_of_list)]
Name = Annotated[str, AfterValidator(_name)]
Names = Annotated[tuple[Name, ...], AfterValidator(_filled), AfterValidator(unique)]
NamesOrNone = Annotated[tuple[Name, ...], AfterValidator(unique)]
