"""How far the streams and handlers of a run are, as numbers and as text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from reconcile.safe import safe

#: What of the listed items a run counts as it goes; a baseline calls nothing missed.
MISSING, RECORDED = "missing", "recorded"
HANDLED, ASKED = "handled", "asked about"
Key = tuple[str, str]


@dataclass(slots=True)
class StreamTally:
    """One stream. `seconds` and `done` are provider time; `found` says what the second of its counts is called."""

    seconds: float
    began: float
    found: str = MISSING
    done: float = 0.0
    listed: int = 0
    missing: int = 0

    @property
    def percent(self) -> int:
        """How much of its time was read."""
        return min(100, int(100 * self.done / self.seconds)) if self.seconds > 0 else 100

    def add(self, listed: int, missing: int) -> None:
        """Count a page."""
        self.listed += listed
        self.missing += missing

    def told(self, now: float) -> str:
        """The counts and the rate, by the monotonic clock."""
        return f"{self}, {_rate(self.listed, now - self.began)}"

    def __str__(self) -> str:
        return f"{self.listed} listed, {self.missing} {self.found}"


@dataclass(slots=True)
class WorkTally:
    """A source's handler, or the questions about its transactions. `waiting` is how many there were to be `word`, None
    if nobody said: then there is no end.
    """

    began: float
    waiting: int | None = None
    word: str = HANDLED
    verdicts: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many it is through with."""
        return self.verdicts[self.word]

    def told(self, now: float) -> str:
        """The counts, and the rate if there is an end to come to."""
        return str(self) if self.waiting is None else f"{self}, {_rate(self.verdicts.total(), now - self.began)}"

    def __str__(self) -> str:
        of = "" if self.waiting is None else f"/{max(self.waiting, self.done)}"
        others = sorted((name, number) for name, number in self.verdicts.items() if name != self.word)
        return f"{self.done}{of} {self.word}" + "".join(f", {number} {safe(name)}" for name, number in others)


def name_of(key: Key) -> str:
    """A stream, as people read it."""
    return safe(" ".join(key))


def handler_of(source: str) -> str:
    """A source's handler, as people read it."""
    return f"{safe(source)} handler"


def transactions_of(source: str) -> str:
    """What of a source is asked about, as people read it."""
    return f"{safe(source)} transactions"


def _rate(number: int, seconds: float) -> str:
    return f"{number / max(seconds, 1e-3):.0f}/s"
