"""What happens, as log records with fields, for `--log-format json`; unheard until `logs.setup` asks for it.

Every record may have `run_id`, `provider`, `source`, `account`, `stream`, `window`, counts, `duration_ms`, `attempt`
and `error_class`, wherever it makes sense. No body and no secret is among them.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconcile.clock import Clock
from reconcile.config import SourceConfig
from reconcile.model import Window, iso
from reconcile.report import RunReport
from reconcile.targets.model import Outcome

log = logging.getLogger(__name__)
log.setLevel(logging.CRITICAL)  # people get progress and the report instead
#: An error's type, where it stands in front of its text.
_TYPE = re.compile(r"[A-Z]\w+(?=$|: | \()")


@dataclass(slots=True)
class StreamRecords:
    """One stream in one run, read by several threads. `who` is what all of its records have in common."""

    clock: Clock
    who: Mapping[str, str]
    began: float = 0.0
    pages: int = 0
    listed: int = 0
    missing: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, seconds: float) -> None:
        """It starts; `seconds` of provider time are to be read."""
        self.began = self.clock.monotonic()
        log.info("stream.begin", extra={**self.who, "seconds": seconds})

    def page(self, window: Window, listed: int, missing: int) -> None:
        """A page of `window` was judged and committed."""
        with self._lock:
            self.pages += 1
            self.listed += listed
            self.missing += missing
        extra = {**self.who, "window": _shown(window), "listed": listed, "missing": missing}
        log.info("stream.page", extra=extra)

    def window(self, window: Window, pages: int, listed: int, began: float) -> None:
        """`window` was covered, after so many pages; reading it began at `began` by the monotonic clock."""
        extra = {**self.who, "window": _shown(window), "pages": pages, "listed": listed, **self._took(began)}
        log.info("stream.window", extra=extra)

    def end(self, error: str | None, error_class: str) -> None:
        """It ended; why, if it was not well."""
        counts = {"pages": self.pages, "listed": self.listed, "missing": self.missing}
        failed = {"error": error, "error_class": error_class} if error else {}
        level = logging.ERROR if error else logging.INFO
        log.log(level, "stream.end", extra={**self.who, **counts, **self._took(self.began), **failed})

    def _took(self, began: float) -> dict[str, int]:
        return {"duration_ms": round((self.clock.monotonic() - began) * 1000)}


def called(run_id: str, source: SourceConfig, outcome: Outcome) -> None:
    """A handler's attempt at one event ended."""
    if not log.isEnabledFor(logging.WARNING):
        return
    event = outcome.job.event
    extra = {
        "run_id": run_id,
        "provider": source.connector,
        "source": source.name,
        "topic": event.topic,
        "id": event.id,
        "seq": outcome.job.seq,
        "attempt": outcome.job.number,
        "verdict": outcome.verdict,
        "duration_ms": round((outcome.finished_at - outcome.started_at).total_seconds() * 1000),
    }
    if outcome.error:
        kind = _TYPE.match(outcome.error)
        extra |= {"error": outcome.error, "error_class": kind[0] if kind else ""}
    log.log(logging.WARNING if outcome.error else logging.INFO, "event.handled", extra=extra)


def finished(report: RunReport) -> None:
    """The one record of a run that has all of its counts: the report itself."""
    took = (report.finished_at - report.started_at).total_seconds() if report.finished_at else 0.0
    bug = {"error_class": type(report.bug).__name__} if report.bug else {}
    extra = {"run_id": report.run, "duration_ms": round(took * 1000), **report.as_json(), **bug}
    log.info("run.finished", extra=extra)


def _shown(window: Window) -> str:
    """As ISO 8601 writes an interval."""
    return f"{iso(window.start)}/{iso(window.end)}"
