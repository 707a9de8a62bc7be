"""What a run asks of a source, and the name of the question that each stream of it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconcile.connector import StreamFacts, StreamRef
from reconcile.model import micros
from reconcile.topics import Topics


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a whole source. `now` is provider time; `settle` and `overlap` as configured.

    `horizons` has every configured topic, wildcards as they are written. `limits` is how far back a stream
    can be read at all with these credentials. `detect_only`: there is no handler that could be given what was missed.
    Keys of what happened before `kept_from` were purged when the run began.
    """

    topics: Topics
    horizons: Mapping[str, datetime]
    now: datetime
    settle: timedelta
    overlap: timedelta
    since: datetime | None = None
    until: datetime | None = None
    recheck: bool = False
    streams: tuple[str, ...] | None = None
    account: str = ""
    limits: Mapping[str, datetime] | None = None
    detect_only: bool = False
    kept_from: datetime | None = None

    @property
    def start(self) -> datetime:
        """The earliest instant anything is asked about."""
        return self.since if self.since is not None else min(self.horizons.values(), default=self.now)

    @property
    def end(self) -> datetime:
        """The latest: what happened since may not be listed yet."""
        settled = self.now - self.settle
        return max(self.start, min(self.until, settled) if self.until is not None else settled)

    def floor(self, topic: str) -> int | None:
        """From when on facts of a topic count, microseconds: min(horizon, since). None if it is not subscribed.

        A topic that several configured names mean is promised from the earliest of their horizons on.
        """
        horizon = self.topics.promised_from(topic, self.horizons)
        if horizon is None:
            return None
        return micros(horizon if self.since is None else min(horizon, self.since))


def fingerprint(account: str, ref: StreamRef, facts: StreamFacts) -> str:
    """The question that coverage answers: (account, stream, filter). Another question starts anew (C12)."""
    asked = f"{account}\n{ref.account}\n{ref.name}\n{facts.filter_by}\n{facts.resource}"
    return hashlib.sha256(asked.encode()).hexdigest()[:16]
