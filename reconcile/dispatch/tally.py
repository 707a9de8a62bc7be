"""What became of a source's events: the counts of one drain."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconcile.dispatch.marking import Marked


@dataclass(slots=True)
class Tally:
    """`handled`, `dead` and `superseded` count what happened since the dispatcher was made; `failed` are events whose
    last call failed and that will be tried again. `pending`, `held` and `paused` say what is left, when asked last.
    """

    handled: int = 0
    dead: int = 0
    superseded: int = 0
    lost: int = 0
    pending: int = 0
    held: int = 0
    paused: bool = False
    failing: set[int] = field(default_factory=set, repr=False)

    @property
    def failed(self) -> int:
        """Events whose last call failed and that will be tried again."""
        return len(self.failing)

    def add(self, marked: Marked) -> None:
        """Count what one commit marked."""
        self.handled += len(marked.handled)
        self.dead += len(marked.dead)
        self.lost += len(marked.lost)
        self.failing |= marked.failed
        self.failing -= marked.handled | marked.dead
