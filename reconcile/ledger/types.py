"""Column types of the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer
from sqlalchemy.types import TypeDecorator

from reconcile.model import instant, micros

#: 64-bit everywhere; SQLite only auto-increments a column declared INTEGER, which is 64-bit there.
Key = BigInteger().with_variant(Integer, "sqlite")


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime kept as microseconds since 1970: both engines compare, index and return it alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Aware datetime to microseconds; a naive one raises `TypeError`."""
        return None if value is None else micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - its signature
        """Microseconds to an aware UTC datetime."""
        return None if value is None else instant(value)
