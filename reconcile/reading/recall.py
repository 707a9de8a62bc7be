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


def absent(
    ledger: Ledger, source: str, resource: str, window: Window, listed: AbstractSet[str]
) -> list[tuple[str, int]]:
    """Known subjects of `window` that a listing lacks, at most one more than may be read: (id, known version)."""
    found: list[tuple[str, int]] = []
    with ledger.read() as tx:
        for id_, version in subjects.in_window(tx, source, resource, micros(window.start), micros(window.end)):
            if id_ not in listed:
                found.append((id_, version))
                if len(found) > MOST_READS:
                    break
    return found


def recall(
    connector: ReadsItems,
    client: ProviderClient,
    stream: StreamRef,
    resource: str,
    lacking: list[tuple[str, int]],
    stop: Stop,
    *,
    sees_all: bool = True,
) -> Recall:
    """Read each absent subject by id and say what that means; of too many the first, so that later runs have fewer.

    Credentials that do not see all of a stream are told "gone" of what they may not see: that means nothing.
    """
    found = Recall()
    if len(lacking) > MOST_READS:
        found.unproven = f"more than {MOST_READS} known {resource} records are absent from the listing"
    for id_, version in lacking[:MOST_READS]:
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
