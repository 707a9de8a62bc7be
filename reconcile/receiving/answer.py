"""What a delivery comes to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer the provider: an HTTP status and a short text. `seq` is the ledger's number of the event.

    `retry_after` is when to come again, in whole seconds, 0 where that is not said. `reason` is what a refusal is
    counted as, and `topic` that of a genuine delivery which is refused all the same.
    """

    status: int
    text: str
    seq: int | None = None
    retry_after: int = 0
    reason: str = ""
    topic: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What goes beside it: when to come again, where that is said."""
        return {"Retry-After": str(self.retry_after)} if self.retry_after else {}


#: What anyone hears of whom the ledger could not store, whatever the cause: that is ours to know.
NOT_STORED = Answer(503, "the delivery could not be stored; send it again", retry_after=5, reason="ledger")
BUSY = Answer(503, "too much is waiting; send it again", retry_after=5, reason="busy")
