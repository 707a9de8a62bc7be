"""What a covered window proves: for which topics, from when on, and whether it was read late enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconcile.ledger.coverage import Covered
from reconcile.model import Window, micros
from reconcile.reading.question import Ask
from reconcile.windows import final_part, merge

#: Behind the name of a topic that a window was judged for by a source without a handler.
DETECTED = " detected"


def proven(covered: Iterable[Covered], floors: Mapping[str, int], ask: Ask, *, log: bool) -> list[Window]:
    """What needs no further reading: judged for all these topics from these times on, and read late enough."""
    met = (one for one in covered if satisfies(one, floors, log=log, detect_only=ask.detect_only))
    finals = (final_part(one.window, one.read_at, ask.overlap) for one in met)
    return merge(window for window in finals if window is not None)


def satisfies(covered: Covered, floors: Mapping[str, int], *, log: bool, detect_only: bool = False) -> bool:
    """Whether a covered window was judged for every topic of `floors`, from as early on. What was judged without a
    handler is enough only where there is none now (`detect_only`).

    An entry of a log happens in its own window, so what was judged from before the window on is judged in full,
    and what is asked from its end on only is not asked of it at all. A list shows facts older than its window, so there
    the floors themselves are compared.
    """
    start, end = micros(covered.window.start), micros(covered.window.end)
    for topic, floor in floors.items():
        if log and floor >= end:
            continue
        least = max(floor, start) if log else floor
        names = (topic, f"{topic}{DETECTED}") if detect_only else (topic,)
        if not any(covered.floors.get(name, least + 1) <= least for name in names):
            return False
    return True
