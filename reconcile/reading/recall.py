"""The recall check: what we know of a window is an independent sample of it, so a listing that lacks it is suspect.

A subject whose newest known version lies in a window and which the listing lacks is read by id: a newer version
means it moved on, gone means deleted, the same version means that the listing is incomplete (C10).
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from reconcile.clock import Stop
from reconcile.connector import ReadsItems, StreamRef
from reconcile.http import ProviderClient
from reconcile.ledger import Ledger, subjects
from reconcile.model import Subject, Window, micros

#: More reads by id than this for one window would be a listing of their own: the window is not proven.
MOST_READS = 200


@dataclass(slots=True)
class Recall:
    """What reading the absent subjects by id came to. `unproven` is why the window cannot be covered."""

    moved: list[tuple[Subject, int]] = field(default_factory=list)
    deleted: list[Subject] = field(default_factory=list)
    unlisted: list[Subject] = field(default_factory=list)
    unproven: str = ""

    @property
    def complete(self) -> bool:
        """Whether the listing stands."""
        return not self.unlisted and not self.unproven


@dataclass(slots=True)
class Absent:
    """Known subjects that a listing lacks: how many there are, and (id, known version) of as many as may be read."""

    number: int = 0
    first: list[tuple[str, int]] = field(default_factory=list)


def absent(ledger: Ledger, source: str, resource: str, window: Window, listed: AbstractSet[str]) -> Absent:
    """Known subjects of `window` that a listing lacks."""
    found = Absent()
    with ledger.read() as tx:
        for id_, version in subjects.in_window(tx, source, resource, micros(window.start), micros(window.end)):
            if id_ not in listed:
                found.number += 1
                found.first += [(id_, version)] if found.number <= MOST_READS else []
    return found


def recall(
    connector: ReadsItems,
    client: ProviderClient,
    stream: StreamRef,
    resource: str,
    lacking: Absent,
    stop: Stop,
    *,
    sees_all: bool = True,
) -> Recall:
    """Read each absent subject by id and say what that means; of too many the first, so that later runs have fewer.

    Credentials that do not see all of a stream are told "gone" of what they may not see: that means nothing.
    """
    found = Recall()
    if lacking.number > len(lacking.first):
        found.unproven = (
            f"{lacking.number} known {resource} records are absent from the listing; {len(lacking.first)} of them were "
            "asked for by id, and each later run asks for as many"
        )
    for id_, version in lacking.first:
        stop.check()
        subject = Subject(resource, id_)
        now = connector.read(client, stream, id_)
        if now is None:
            found.deleted += [subject] if sees_all else []
        elif now.version > version:
            found.moved.append((subject, now.version))
        else:
            found.unlisted.append(subject)
    return found
