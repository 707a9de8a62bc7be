"""A page of values as a table inside one statement: `json_each` on SQLite, `unnest` on PostgreSQL.

One statement per page is what makes the diff cheap: it assumes no sort order and keeps memory flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_POSTGRES_TYPES = {"text": "text", "int": "bigint", "blob": "bytea"}


class Rowset:
    """Columns of a page, in order, such as `Rowset("q", id="text", version="int")`; `n` is a row's place.

    Rows are sequences of their columns; where there is just one column, its values.
    """

    def __init__(self, name: str, **columns: str) -> None:
        self.name = name
        self.columns = columns

    def sql(self, dialect: str) -> str:
        """The FROM item, aliased to the rowset's name."""
        return self._sqlite() if dialect == "sqlite" else self._postgresql()

    def bind(self, dialect: str, rows: Iterable[Any]) -> dict[str, Any]:
        """The bound parameters that carry `rows`."""
        if dialect == "sqlite":
            return {self.name: msgspec.json.encode(list(rows)).decode()}
        alone = len(self.columns) == 1
        turned = [tuple(rows)] if alone else list(zip(*rows, strict=True)) or [()] * len(self.columns)
        return {f"{self.name}_{column}": list(values) for column, values in zip(self.columns, turned, strict=True)}

    def _sqlite(self) -> str:
        if len(self.columns) == 1:
            picks = f"value as {next(iter(self.columns))}"
        else:
            picks = ", ".join(f"json_extract(value, '$[{i}]') as {column}" for i, column in enumerate(self.columns))
        return f"(select key as n, {picks} from json_each(:{self.name})) {self.name}"

    def _postgresql(self) -> str:
        arrays = ", ".join(
            f"cast(:{self.name}_{column} as {_POSTGRES_TYPES[kind]}[])" for column, kind in self.columns.items()
        )
        names = ", ".join(self.columns)
        return (
            f"(select ordinality - 1 as n, {names} from "
            f"unnest({arrays}) with ordinality as page({names}, ordinality)) {self.name}"
        )


def chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`values` in order, at most `size` at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
