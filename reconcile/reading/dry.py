"""Counting what a page comes to, for a dry run: nothing is written."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconcile.diff import Standing
from reconcile.ledger.coverage import Covered
from reconcile.model import Window
from reconcile.reading.judge import Judgement
from reconcile.reading.recall import Recall
from reconcile.reading.recorder import Counts, OpenWindow


@dataclass(slots=True)
class DryRecorder:
    """Counts what would be, and writes nothing. `detect_only`: what is missing would be a gap, not an event."""

    counts: Counts = field(default_factory=Counts)
    covered: list[Covered] = field(default_factory=list)
    incomplete: list[Window] = field(default_factory=list)
    floors: Mapping[str, int] = field(default_factory=dict)
    detect_only: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def page(self, opened: OpenWindow, judged: Judgement, cursor: str | None, recalled: Recall | None) -> None:
        """Count one page."""
        del cursor
        with self._lock:
            self.counts.add(judged)
            self.counts.events += 0 if self.detect_only else len(judged.findings.missing)
            for standing in judged.findings.classes().values():
                self._count(standing)
            if recalled is not None:
                self.counts.unlisted_gaps += len(recalled.deleted) + len(recalled.unlisted)
                if recalled.complete:
                    self.covered.append(Covered(opened.window, opened.read_at, dict(self.floors)))
                else:
                    self.incomplete.append(opened.window)

    def leave(self, opened: OpenWindow) -> None:
        """Nothing is kept of a dry run."""

    def _count(self, standing: Standing) -> None:
        if standing is Standing.GAP or (standing is Standing.MISSING and self.detect_only):
            self.counts.gap += 1
        elif standing is Standing.MISSING:
            self.counts.backfilled += 1
        elif standing is Standing.OPEN:
            self.counts.pending += 1
        elif standing is Standing.SUPERSEDED:
            self.counts.superseded += 1
