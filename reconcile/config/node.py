"""A parsed value that remembers where it stands and whether it came from the environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line and a column, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file, its key path, and where it and its key begin.

    `from_env`: some of its text came from the environment. `broken`: a problem with it was reported already, so
    whatever else it leads to is not worth saying.
    """

    value: Scalar | dict[str, Node] | tuple[Node, ...]
    path: Path
    at: Place
    key_at: Place | None = None
    from_env: bool = False
    broken: bool = False

    @property
    def items(self) -> dict[str, Node]:
        """The entries of a mapping; none if it is no mapping."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def place(self) -> Place:
        """Where to look: a mapping or list is found by its key, anything else by itself."""
        return self.key_at if self.key_at and isinstance(self.value, dict | tuple) else self.at

    def entry(self, key: str) -> Node:
        """The entry under `key`, or one that holds nothing."""
        return self.items.get(key) or Node(None, (*self.path, key), self.at)

    def plain(self) -> object:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return tuple(node.plain() for node in self.value)
        return self.value

    def find(self, keys: Sequence[str | int]) -> Node:
        """The deepest node on the way along `keys`; those that lead nowhere are passed over."""
        node = self
        for key in keys:
            node = node._child(key) or node
        return node

    def _child(self, key: str | int) -> Node | None:
        if isinstance(self.value, tuple) and isinstance(key, int):
            return self.value[key] if key < len(self.value) else None
        return self.items.get(str(key))

    def scalars(self) -> list[Node]:
        """Every value below that is neither a mapping nor a list."""
        below = self.value if isinstance(self.value, tuple) else tuple(self.items.values())
        if not isinstance(self.value, dict | tuple):
            return [self]
        return [scalar for node in below for scalar in node.scalars()]
