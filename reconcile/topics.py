"""The topics a source subscribes to, wildcards included. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime


class Topics:
    """A set of topic names in which `*` is every topic and `charge.*` every one below `charge.`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self.exact = frozenset(name for name in self._names if not name.endswith("*"))
        self._prefixes = tuple(name[:-1] for name in self._names if name.endswith("*"))

    def __contains__(self, topic: object) -> bool:
        return topic in self.exact or (isinstance(topic, str) and topic.startswith(self._prefixes))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def patterns(self, topic: str) -> list[str]:
        """Every configured name that `topic` falls under, its own first: what its horizons are kept by."""
        wild = [f"{prefix}*" for prefix in self._prefixes if topic.startswith(prefix)]
        return [topic, *wild] if topic in self.exact else wild

    def promised_from(self, topic: str, horizons: Mapping[str, datetime]) -> datetime | None:
        """The earliest horizon of the configured names that `topic` falls under, None if none of them has one."""
        return min((horizons[name] for name in self.patterns(topic) if name in horizons), default=None)
