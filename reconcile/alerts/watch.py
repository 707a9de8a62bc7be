"""What the ledger's own state says people should know: incidents opened and closed by looking, never by being told.

What happened is committed with the state it changed: a gap, a pause, a closed valve, coverage. Looking at that state
always gives the same incidents, so a crash between the change and the look loses none (A1). Incidents that no state
shows (a repaired subscription) are opened where they happen and left alone here, but for one: a transaction that waits
for a person has an open incident, also after its source was not configured for a while.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from reconcile.alerts import matters, missed
from reconcile.alerts.keys import is_over
from reconcile.config import AlertsConfig, Config, SourceConfig
from reconcile.ledger import Ledger, Tx, incidents, leases, watching
from reconcile.ledger.incidents import Opening
from reconcile.ledger.leases import Lease
from reconcile.ledger.rowset import chunks
from reconcile.model import GapKind, Subject
from reconcile.safe import safe
from reconcile.transactions import hearing
from reconcile.transactions.transaction import LEFT

#: Told of by whoever asks for statuses, who knows the amounts.
_OTHERS = (GapKind.STATUS_MISMATCH,)
#: The limits where nobody is mailed, and `alerts:` says nothing.
_DEFAULTS = AlertsConfig.model_construct()
#: Incidents opened in one commit.
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Seen:
    """What the state says: incidents to open or to refresh, the numbers of those that are over, by their note, and
    transactions of each source that wait for a person nobody tells of them.
    """

    openings: list[Opening]
    over: dict[str, list[int]]
    untold: dict[str, list[Subject]]


def look(tx: Tx, config: Config, sources: Sequence[SourceConfig], limits: AlertsConfig | None) -> Seen:
    """What is the matter with `sources` now. Reads only: `write` puts it down, in as many commits as it likes."""
    known = incidents.open_keys(tx)
    limits = limits or _DEFAULTS
    found: list[Opening] = []
    gaps: dict[str, set[int]] = {}
    for source in sources:
        gaps[source.name] = watching.open_gap_ids(tx, source.name, _OTHERS)
        found += matters.of_gaps(tx, source.name, gaps[source.name], known)
        found += matters.of_source(tx, config, source, limits)
    found += missed.runs(tx, config, limits)
    keys = {(one.source, one.key) for one in found}
    over = [id_ for (name, key), id_ in known.items() if name in {"", *gaps} and is_over(name, key, keys, gaps)]
    gone = [id_ for (name, _), id_ in known.items() if name and name not in config.sources]
    untold = {source.name: _untold(tx, source.name, known) for source in sources}
    return Seen(found, {"": over, "the source is not configured any more": gone}, untold)


def write(ledger: Ledger, lease: Lease, seen: Seen) -> None:
    """Open and close what was seen. A thousand at a time: on SQLite others wait for whoever writes."""
    for openings in chunks(seen.openings, _AT_ONCE):
        with ledger.write() as tx:
            leases.check(tx, lease)
            incidents.open_all(tx, openings)
    for source, untold in seen.untold.items():
        for subjects in chunks(untold, _AT_ONCE):
            with ledger.write() as tx:
                leases.check(tx, lease)
                hearing.tell_again(tx, source, subjects)
    if any(seen.over.values()):
        with ledger.write() as tx:
            leases.check(tx, lease)
            for note, ids in seen.over.items():
                incidents.close_ids(tx, ids, note)


def _untold(tx: Tx, source: str, known: Container[tuple[str, str]]) -> list[Subject]:
    return [one for one in watching.left(tx, source, LEFT) if (source, safe(str(one))) not in known]
