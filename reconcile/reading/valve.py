"""The valve: what a stream found is held until its run ends, then let go together, unless it is suspiciously much.

A first contact, a wrong filter or an emptied ledger makes everything look missed; running a year of orders
through a handler is worse than asking first.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconcile import failpoints
from reconcile.ledger import Ledger, events, findings, streams
from reconcile.ledger.leases import Lease, check
from reconcile.ledger.streams import StreamState

#: From how many held events on "more than half of what was listed" closes the valve.
RATIO_FROM = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a stream's held events. `reason` says why they are still held."""

    released: int = 0
    held: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a dry run would have recorded: events, about how many of the items it listed of what it asked for."""

    events: int
    items: int
    listed: int


def settle(ledger: Ledger, lease: Lease, stream: str, *, is_log: bool, limit: int, force: bool) -> Verdict:
    """Release what `stream` holds, or say why not. Held events of crashed runs are counted too.

    Listed items are compared with missed ones: events of a log, but subjects of a list, where one order may
    prove several events. What a run listed again because another had been killed is one item all the same.
    """
    failpoints.reach("valve.before_release")
    with ledger.write() as tx:
        check(tx, lease)
        held = events.held_of(tx, lease.source, stream)
        state = streams.get(tx, lease.source, stream)
        listed = streams.asked_by_runs(tx, lease.source, stream, held.run_ids)
        if held.events <= limit and not state.trusted:
            listed -= findings.held_again(tx, lease.source, stream, held.run_ids)
        items = held.events if is_log else held.subjects
        reason = "" if force else _reason(held.events, items, listed, limit, trusted=state.trusted)
        if not (reason or force):
            reason = _undecided(state, held.events)
        streams.save(tx, lease.source, stream, valve_closed=bool(reason), trusted=state.trusted or force)
        released = 0 if reason else events.release(tx, lease.source, stream)
    failpoints.reach("valve.released")
    return Verdict(released=released, held=held.events if reason else 0, reason=reason)


def foretell(ledger: Ledger, source: str, stream: str, found: Found, *, limit: int) -> str:
    """Why the valve would close on what a dry run found beside what is held already, "" if it would not."""
    with ledger.read() as tx:
        held = events.held_of(tx, source, stream)
        state = streams.get(tx, source, stream)
        listed = streams.asked_by_runs(tx, source, stream, held.run_ids) + found.listed
    number, items = held.events + found.events, held.subjects + found.items
    return _reason(number, items, listed, limit, trusted=state.trusted) or _undecided(state, held.events)


def _reason(held: int, items: int, listed: int, limit: int, *, trusted: bool) -> str:
    if held > limit:
        return f"{held} missed events are more than the valve lets through ({limit})"
    if not trusted and items >= RATIO_FROM and items * 2 > listed:
        return f"{items} of {listed} listed items look missed, which is more than half"
    return ""


def _undecided(state: StreamState, held: int) -> str:
    """A valve that was closed waits for somebody's word: what later runs list beside does not open it."""
    if not (state.valve_closed and held):
        return ""
    return f"an earlier run closed it, nobody has decided since, and {held} missed events are held"
