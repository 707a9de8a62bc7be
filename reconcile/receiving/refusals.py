"""What the operator hears of refused deliveries: their sender is answered, and nobody reads what it is answered."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable

from reconcile.receiving.answer import NOT_STORED, Answer
from reconcile.safe import safe

log = logging.getLogger(__name__)

#: Seconds for which the same refusal is only counted: anybody may send what is refused, as often as they like.
QUIET = 600.0
UNKNOWN = "unknown_source"
#: Said where it happens, with the reason that a sender is not told.
_SAID_ALREADY = frozenset({NOT_STORED.reason})
_HINTS = {
    "signature": "; if its provider sent it, `webhook.secret` is not what that signs with",
    "address": "; if its provider sent it, see `allow_from` and `trusted_proxies`",
    UNKNOWN: "; if a provider sent it, its address does not end in the name of a source that has a `webhook:`",
}


class Refusals:
    """Warns of each kind of refusal of each source, and of the same again no sooner than `QUIET` later."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._next: dict[tuple[str, str], float] = {}
        self._number: Counter[tuple[str, str]] = Counter()

    def tell(self, source: str, answer: Answer) -> None:
        """One was refused; of requests that are meant for no source nobody needs to hear."""
        if answer.reason in _SAID_ALREADY or not (source or answer.reason == UNKNOWN):
            return
        number = self._due((source, answer.reason))
        if number:
            which = "a delivery was" if number == 1 else f"since the last warning {number} deliveries were"
            whose = f"{source}: " if source else ""
            why = f"{safe(answer.text)}{_HINTS.get(answer.reason, '')}"
            log.warning("%s%s refused (%d): %s", whose, which, answer.status, why)

    def _due(self, key: tuple[str, str]) -> int:
        """How many of the kind to tell of now; 0 while it is too soon."""
        with self._lock:
            self._number[key] += 1
            now = self._monotonic()
            if now < self._next.get(key, now):
                return 0
            self._next[key] = now + QUIET
            return self._number.pop(key)
