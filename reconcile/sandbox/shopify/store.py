"""The resources of a fake shop: as they are, and as its lists show them a little later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from reconcile.sandbox.fake import Json

TIMES = ("created_at", "updated_at", "processed_at", "published_at")


@dataclass(frozen=True, slots=True)
class Version:
    """One state of one resource. `times` are unix seconds; `encoded` is the exact JSON; None `body` means deleted."""

    id: int
    visible_at: datetime
    body: Json | None
    encoded: bytes
    times: dict[str, int]

    @property
    def created(self) -> int:
        """When the resource was created, unix seconds."""
        return self.times.get("created_at", 0)


def seconds(text: str) -> int:
    """Unix seconds of an ISO 8601 instant with an offset."""
    return int(datetime.fromisoformat(text).timestamp())


def _version(body: Json, visible_at: datetime) -> Version:
    times = {name: seconds(body[name]) for name in TIMES if body.get(name)}
    return Version(body["id"], visible_at, body, msgspec.json.encode(body), times)


class Table:
    """All resources of one kind. A body, once put, is never changed in place."""

    def __init__(self) -> None:
        self._versions: dict[int, list[Version]] = {}

    def put(self, body: Json, visible_at: datetime) -> bytes:
        """Make `body` the current state of its id; returns its JSON."""
        version = _version(body, visible_at)
        self._versions.setdefault(version.id, []).append(version)
        return version.encoded

    def remove(self, resource_id: int, visible_at: datetime) -> None:
        """Delete for good; lists go on showing it until `visible_at`."""
        self._versions[resource_id].append(Version(resource_id, visible_at, None, b"", {}))

    def current(self, resource_id: int) -> Version | None:
        """The resource as a read by id shows it now; None if there is none."""
        versions = self._versions.get(resource_id)
        return versions[-1] if versions and versions[-1].body is not None else None

    def body(self, resource_id: int) -> Json:
        """The current body; KeyError if there is none."""
        version = self.current(resource_id)
        if version is None or version.body is None:
            raise KeyError(resource_id)
        return version.body

    def listed(self, now: datetime) -> Iterator[Version]:
        """Every resource in the state its lists show at `now`."""
        for versions in self._versions.values():
            self._forget_hidden_history(versions, now)
            if versions[0].visible_at <= now and versions[0].body is not None:
                yield versions[0]

    def ids(self) -> list[int]:
        """Ids of what exists now, oldest first."""
        return [resource_id for resource_id in self._versions if self.current(resource_id)]

    @staticmethod
    def _forget_hidden_history(versions: list[Version], now: datetime) -> None:
        for position in range(len(versions) - 1, 0, -1):
            if versions[position].visible_at <= now:
                del versions[:position]
                return
