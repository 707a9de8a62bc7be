"""Problems as lines an operator can act on: `schedules.yaml:14:9 sources.acme-shop.webhook.url: must be https`.

All of them at once, in the order of the file. What was given is shown, unless it is secret or came from the
environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from reconcile.config.node import Node, Path, Place
from reconcile.errors import ConfigError
from reconcile.safe import safe

SHOWN = 60
LONGEST_PATH = 4096
LONGEST_MESSAGE = 1000

_SECRET_KEY = re.compile(r"secret|token|passw|key|credential|auth|smtp|\bping\b|ledger|database", re.IGNORECASE)


def names_a_secret(key: str) -> bool:
    """Whether a key by this name is never shown, whatever its type says."""
    return bool(_SECRET_KEY.search(key))


def clean(text: str) -> str:
    """`text` fit for one line of a terminal: short, and of a URL neither password nor query."""
    if "://" in text:
        text = re.sub(r"//.*@", "//…@", text, flags=re.DOTALL).partition("?")[0]
    return safe(text, SHOWN)


def dotted(path: Path) -> str:
    """`sources.acme-shop.webhook.topics[0]`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{clean(key)}" for key in path).removeprefix(".")


@dataclass(frozen=True, slots=True)
class _Problem:
    message: str
    place: Place | None
    path: Path
    given: Node | None


class Problems:
    """What is wrong with one file. `is_private` says of a path whether its value must not be shown."""

    def __init__(self, file: str) -> None:
        self._file = safe(file, LONGEST_PATH)
        self._found: list[_Problem] = []
        self.is_private: Callable[[Path], bool] = lambda _: True

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, node: Node, message: str, *, at_key: bool = False, show: bool = True) -> None:
        """`node` is wrong; its value is shown if it may be and `show` is set. Said once about a broken node."""
        if not node.broken:
            self.mark(node, message, at_key=at_key, show=show)

    def mark(self, node: Node, message: str, *, at_key: bool = False, show: bool = True) -> None:
        """As `add`, for a node that is broken by just this."""
        place = node.key_at if at_key and node.key_at else node.place
        self._found.append(_Problem(message, place, node.path, node if show else None))

    def missing(self, node: Node, key: str | int) -> None:
        """The mapping `node` lacks `key`."""
        if not node.broken:
            self._found.append(_Problem("is required", node.place, (*node.path, key), None))

    def unreadable(self, place: Place | None, message: str) -> ConfigError:
        """The error for a file in which nothing can be looked at, to be raised."""
        self._found.append(_Problem(message, place, (), None))
        return self.error()

    def error(self) -> ConfigError:
        """Everything found, in the order of the file."""
        ordered = sorted(self._found, key=lambda problem: problem.place or Place(0, 0))
        return ConfigError(*dict.fromkeys(self._line(problem) for problem in ordered))

    def _line(self, problem: _Problem) -> str:
        where = f":{problem.place.line}:{problem.place.column}" if problem.place else ""
        path = f" {dotted(problem.path)}" if problem.path else ""
        # a connector's message may repeat what it was given, line breaks and all
        message = safe(problem.message, LONGEST_MESSAGE)
        return f"{self._file}{where}{path}: {message}{self._given(problem.given)}"

    def _given(self, node: Node | None) -> str:
        if node is None or node.value in ("", None):
            return ""
        if isinstance(node.value, dict | tuple):
            return f" (got a {'mapping' if isinstance(node.value, dict) else 'list'})"
        if node.from_env:
            return " (from the environment)"
        if self.is_private(node.path):
            return ""
        text = str(node.value).lower() if isinstance(node.value, bool) else str(node.value)
        return f" (got {clean(text)})"
