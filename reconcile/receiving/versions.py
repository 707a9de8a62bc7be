"""Deliveries in an API version that the handler is not known to understand: stored and handled, and people are told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from reconcile.ledger import incidents
from reconcile.ledger.ledger import Tx
from reconcile.model import Description, IncidentKind
from reconcile.safe import safe

log = logging.getLogger(__name__)

#: Seconds without such a delivery after which it is over: two endpoints may deliver in two versions side by side.
QUIET = 3600.0
_KIND = IncidentKind.API_VERSION


class Versions:
    """Looks at the version of each delivery of one source, in the delivery's own commit.

    `accepted` are those of the configuration; none, and any will do.
    """

    def __init__(self, accepted: Sequence[str], monotonic: Callable[[], float]) -> None:
        self._accepted = tuple(accepted)
        self._monotonic = monotonic
        self._look_at: float | None = None
        self._said: set[str] = set()

    def unexpected(self, described: Description) -> bool:
        """Whether it names a version that is not among the accepted ones."""
        version = described.api_version
        return bool(self._accepted and version) and version not in self._accepted

    def see(self, tx: Tx, source: str, described: Description) -> None:
        """Open an incident for an unexpected version; close what is over."""
        now = self._monotonic()
        if self.unexpected(described):
            self._look_at = now + QUIET
            self._tell(tx, source, described)
        elif self._look_at is None:
            self._look_at = now + QUIET
            self._forgive(tx, source)
        elif now >= self._look_at:
            self._look_at = now + QUIET
            incidents.close_kind(tx, source=source, kind=_KIND, note="no delivery in another version for an hour")

    def _tell(self, tx: Tx, source: str, described: Description) -> None:
        version = described.api_version
        summary = (
            f"Deliveries come in API version {version}, such as {described.topic}; this source expects "
            f"{' or '.join(self._accepted)}. They are stored and handled all the same."
        )
        resolve = incidents.command("subscriptions", "apply", "--source", source)
        incidents.open_(tx, source=source, kind=_KIND, key=version, summary=summary, command=resolve)
        if version not in self._said and len(self._said) < 100:
            self._said.add(version)
            log.warning("%s: a delivery in API version %s, which is not expected", source, safe(version))

    def _forgive(self, tx: Tx, source: str) -> None:
        """What the configuration has come to accept since is no incident any more."""
        if not self._accepted:
            incidents.close_kind(tx, source=source, kind=_KIND, note="any version is accepted now")
        for version in self._accepted:
            incidents.close(tx, source=source, kind=_KIND, key=version, note="it is accepted now")
