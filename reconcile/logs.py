"""Logs on stderr: plain lines, or one JSON object a line; never a secret's value.

Redaction is by value (every `SecretStr` of the configuration, and the passwords inside their URLs) and by key
(`authorization`, `access_token`, …), and runs on the finished text too, so that a traceback cannot leak one.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from pydantic import BaseModel, SecretStr

from reconcile.model import iso
from reconcile.safe import safe_block
from reconcile.spelling import HIDDEN, names_a_secret, spellings

Format = Literal["plain", "json"]

#: Shorter values are not looked for: hiding every "a" of a line would hide the line.
SHORTEST = 4
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
#: They log every request with its URL, queries included.
_CHATTY = ("httpx", "httpcore", "alembic")
#: Its listener in `reconcile.scheduling` says what matters; by itself it tells of every tick that finds one at work.
_MUTED = "apscheduler"
#: It speaks to machines only.
_FIELDED = "reconcile.records"


class Redactor:
    """Hides values in text. It starts empty and learns the configuration's secrets once it is loaded."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.learn(values)

    def learn(self, values: Iterable[str]) -> None:
        """Hide these too, however they are spelled."""
        spelled = {form for value in values for form in spellings(value) if len(form) >= SHORTEST}
        self._values |= spelled
        longest_first = sorted(self._values, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """`text` without a secret's value."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def mapping(self, mapping: Mapping[Any, object]) -> dict[str, object]:
        """A mapping with what stands under a secret's name hidden whole, and all else looked through."""
        return {self.text(str(name)): self.value(item, str(name)) for name, item in mapping.items()}

    def value(self, value: object, key: str = "") -> object:
        """The same through mappings and sequences; `key` is the name it stands under."""
        if isinstance(value, Mapping):
            return self.mapping(value)
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(item, key) for item in value]
        if names_a_secret(key) and value is not None:
            return HIDDEN
        return value if isinstance(value, (bool, int, float)) or value is None else self.text(_text(value))


def _text(value: object) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)


def secrets_of(config: object) -> Iterator[str]:
    """Every `SecretStr` inside a configuration, however deep."""
    if isinstance(config, SecretStr):
        yield config.get_secret_value()
    elif isinstance(config, BaseModel):
        for name in type(config).model_fields:
            yield from secrets_of(getattr(config, name))
    elif is_dataclass(config) and not isinstance(config, type):
        for field in fields(config):
            yield from secrets_of(getattr(config, field.name))
    elif isinstance(config, Mapping):
        for item in config.values():
            yield from secrets_of(item)
    elif isinstance(config, (list, tuple, set, frozenset)):
        for item in config:
            yield from secrets_of(item)


class Plain(logging.Formatter):
    """`warning: acme-shop: …`, its controls made visible; a traceback follows on its own lines.

    All further lines of a record are indented, so that a line feed in somebody's text begins no record of its own.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        lines = [f"{record.levelname.lower()}: {record.getMessage()}", *_trace(record)]
        return safe_block(self._redactor.text("\n".join(lines)).replace("\n", "\n    "))


class Json(logging.Formatter):
    """One object a line: `ts` (UTC), `level`, `logger`, `event`, and whatever the caller passed as `extra`."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        line = {
            "ts": iso(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in _STANDARD},
        }
        if record.exc_info and record.exc_info[0]:
            line |= {"error_class": record.exc_info[0].__name__, "traceback": "\n".join(_trace(record))}
        return json.dumps(self._redactor.value(line))


def _trace(record: logging.LogRecord) -> list[str]:
    return "".join(traceback.format_exception(*record.exc_info)).rstrip().splitlines() if record.exc_info else []


def setup(format_: Format, redactor: Redactor, stream: TextIO) -> None:
    """Send every log record to `stream`: warnings only when plain, what happened as well in JSON."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json(redactor) if format_ == "json" else Plain(redactor))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if format_ == "json" else logging.WARNING)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_MUTED).setLevel(logging.CRITICAL)
    logging.getLogger(_FIELDED).setLevel(logging.INFO if format_ == "json" else logging.CRITICAL)


@contextmanager
def unchanged() -> Iterator[None]:
    """Within the block code of an app runs that may set up logging, as it does in its own process: taken back after it,
    or records would be lost, or written with secrets in them.
    """
    manager = logging.getLogger().manager
    known = [one for one in manager.loggerDict.values() if isinstance(one, logging.Logger)]
    before = [(one, one.handlers[:], one.level, one.propagate, one.disabled) for one in (manager.root, *known)]
    try:
        yield
    finally:
        for one, handlers, level, propagate, disabled in before:
            one.handlers[:], one.propagate, one.disabled = handlers, propagate, disabled
            one.setLevel(level)
