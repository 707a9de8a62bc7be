"""What the ledger's tables are made of: their own metadata, and the few kinds of columns they have.

Instants are stored as microseconds since 1970 (`types.Instant`), so that both engines order and compare them alike.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from sqlalchemy import BigInteger, Column, MetaData, Table, Text
from sqlmodel import Field, SQLModel

from reconcile.ledger.types import Instant

metadata_of_ledger = MetaData()
_FLAG = "flag"


class Base(SQLModel):
    """Parent of every table; gives them the ledger's own metadata."""

    metadata = metadata_of_ledger


def string(*, default: str = "", primary_key: bool = False) -> Any:
    """Text, never null."""
    return Field(
        default=default, sa_column=Column(Text, nullable=False, primary_key=primary_key, server_default=default)
    )


def instant(*, nullable: bool = True, primary_key: bool = False) -> Any:
    """An instant, null where there may be none."""
    column = Column(Instant, nullable=nullable, primary_key=primary_key)
    return Field(default=None, sa_column=column) if nullable else Field(sa_column=column)


def count(default: int = 0) -> Any:
    """A whole number of something, never null."""
    return Field(default=default, sa_column=Column(BigInteger, nullable=False, server_default=str(default)))


def number() -> Any:
    """A whole number, null where there may be none."""
    return Field(default=None, sa_column=Column(BigInteger, nullable=True))


def flag() -> Any:
    """0 or 1, and a boolean to whoever is shown the row: `flags` names them."""
    return Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0", info={_FLAG: True}))


def flags(*tables: Table) -> frozenset[str]:
    """The names of those of their columns that are 0 or 1."""
    return frozenset(column.name for table in tables for column in table.c if column.info.get(_FLAG))


def table_of(model: type[SQLModel]) -> Table:
    """The table of a model, for statements."""
    table = model.__table__  # type: ignore[attr-defined]  # SQLModel adds it to table=True classes
    assert isinstance(table, Table)  # noqa: S101 - narrows for mypy; true by construction
    return table


def whole_metadata() -> MetaData:
    """The metadata once every module of tables has been loaded: for who looks at the schema as a whole."""
    package = __name__.rpartition(".")[0]
    for module in iter_modules(import_module(package).__path__):
        if module.name.startswith("tables"):
            import_module(f"{package}.{module.name}")
    return metadata_of_ledger
