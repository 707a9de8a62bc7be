"""What an operator sets right by hand: an event sent to its handler again, a gap tried again."""

from __future__ import annotations

from enum import StrEnum

from reconcile.config import Config
from reconcile.errors import ConfigError
from reconcile.ledger import Tx, events, gaps
from reconcile.ledger.gaps import Gap
from reconcile.model import GapKind


class Retried(StrEnum):
    """What became of a gap that was to be tried again."""

    REVIVED = "revived"  # its event waits for its handler, from the first attempt
    BUSY = "busy"  # its event is with its handler right now
    NEEDS_RUN = "needs a run"  # there is no event: only reading the provider again can help
    NOT_SHOWN = "cannot be read"  # nor can that: the provider does not list it
    NOT_OPEN = "not open"


def replay(tx: Tx, config: Config, source: str, seq: int) -> bool:
    """Send an event to its handler again, from the first attempt; False while a handler has it.

    Its open gaps are closed: the attempts to come will open them again. Raises `ConfigError` if its source has no
    handler now, as it would wait for ever, or if there is nothing to send.
    """
    configured = config.sources.get(source)
    if configured is None or configured.handler is None:
        raise ConfigError(
            f"{source}: event {seq} cannot be sent again: the source has no handler in {config.path.name}; "
            "give it one first"
        )
    events.lock(tx, seq)
    row = events.get(tx, seq)
    if row is None:
        raise ConfigError(f"{source}: event {seq} cannot be sent again: it was purged at this moment")
    if not row.body:
        raise ConfigError(
            f"{source}: event {seq} cannot be sent again: it has no body; it was purged, or the application's own "
            "record named it"
        )
    if not events.replay(tx, seq):
        return False
    gaps.close_for_events(tx, [seq], "sent to its handler again by hand")
    return True


def retry(tx: Tx, config: Config, gap: Gap) -> Retried:
    """Try a gap again: revive its event if there is one. Raises `ConfigError` as `replay` does."""
    if gap.seq is not None:
        events.lock(tx, gap.seq)
    # Whoever handled or purged its event since it was chosen has closed it, or taken it along.
    now = gaps.get(tx, gap.id)
    if now is None or now.state != gaps.OPEN:
        return Retried.NOT_OPEN
    if gap.seq is None:
        return Retried.NOT_SHOWN if now.kind == GapKind.BEYOND_RETENTION else Retried.NEEDS_RUN
    return Retried.REVIVED if replay(tx, config, gap.source, gap.seq) else Retried.BUSY
