"""The few statements the two databases spell alike but SQLAlchemy does not."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from sqlalchemy import Table

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def insert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    # Loaded with the engine already: the other dialect would cost every start a tenth of a second.
    made = import_module(f"sqlalchemy.dialects.{dialect}").insert(table)
    return cast("postgresql.Insert | sqlite.Insert", made)
