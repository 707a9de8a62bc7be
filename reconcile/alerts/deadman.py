"""A dead-man's switch: another service that is pinged by every run that reads, and tells people when pings stay away.

It speaks as healthchecks does (https://healthchecks.io/docs/http_api/): `/start` when a run begins to read, the plain
URL when it ended well, `/fail` or `/{exit code}` when not, `rid` to tell runs apart. Of a run that is not the one that
reads it hears nothing: whoever is at work tells of it. A ping carries nothing else, has a short deadline, and changes
nothing about the run.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx

from reconcile.context import Context, Options
from reconcile.errors import ENDED_WELL, Busy
from reconcile.report import RunReport

#: Seconds for a ping.
DEADLINE = 5.0
#: Seconds of it that are left once a stop was asked for.
HURRY = 1.0
_READS = "backfill"
_BUSY = Busy.exit_code
_RUNS = uuid.UUID("1b0a2c0e-6d5e-5f0b-8a41-3c9be9d1f7aa")


class Switch:
    """What the switch hears of one run."""

    def __init__(self, context: Context, options: Options, jobs: Sequence[str]) -> None:
        self._context = context
        self._told = _is_told(context, options, jobs)
        self._lock = threading.Lock()
        self._began: Ping | None = None

    def begin(self) -> None:
        """Say once, beside the run's work, that it has a source to read: before, it might find others at all of them,
        and would leave a beginning without an end.
        """
        with self._lock:
            if self._told and self._began is None:
                self._began = _start(self._context, "/start")

    def end(self, report: RunReport) -> None:
        """Say how a run ended. It ended well only if it proved all it was asked to, or others are at work on the rest:
        one can be alive and stuck.

        A beginning that is still on its way goes first: heard after the end, it would begin a run that never ends.
        """
        nothing = report.exit_code == _BUSY and not any(stream.covered for stream in report.streams)
        if not self._told or (nothing and self._began is None):
            return
        patience = HURRY if self._context.stop.is_set() else DEADLINE
        if self._began is not None:
            self._began.join(patience)
        failed = f"/{report.exit_code}" if report.exit_code not in ENDED_WELL else "/fail"
        ping = _start(self._context, failed if nothing or not _proven(report) else "")
        ping.join(patience)
        if ping.trouble or ping.is_alive():
            report.notes.append(f"alerts: the dead-man's switch was not reached: {ping.trouble or 'no answer in time'}")


def _proven(report: RunReport) -> bool:
    """Whether all is proven that nobody else is at work on: what a busy run has no other error of is theirs."""
    busy = report.exit_code == _BUSY
    well = busy or report.exit_code in ENDED_WELL
    return well and all(one.covered or (busy and one.error) for one in report.streams)


def _is_told(context: Context, options: Options, jobs: Sequence[str]) -> bool:
    alerts = context.config.alerts
    asked = alerts is not None and alerts.ping is not None and _READS in jobs
    return asked and not (options.dry_run or options.baseline)


class Ping(threading.Thread):
    """One request, beside the run. `trouble` says why it failed, without the URL: who knows it can ping too."""

    def __init__(self, url: str, end: str, rid: str) -> None:
        super().__init__(name="ping", daemon=True)
        self._url, self._end, self._rid = url, end, rid
        self.trouble = ""

    def run(self) -> None:
        """Send it."""
        try:
            url = httpx.URL(self._url)
            self._send(url.copy_with(path=url.path.rstrip("/") + self._end).copy_merge_params({"rid": self._rid}))
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            self.trouble = f"{urlsplit(self._url).hostname}: {type(error).__name__}"

    def _send(self, url: httpx.URL) -> None:
        with httpx.Client(timeout=DEADLINE, trust_env=False) as client, client.stream("POST", url) as answer:
            if not answer.is_success:
                self.trouble = f"{url.host} answered {answer.status_code}"


def _start(context: Context, end: str) -> Ping:
    alerts = context.config.alerts
    assert alerts is not None  # noqa: S101 - narrows for mypy; `_is_told` has asked
    assert alerts.ping is not None  # noqa: S101 - likewise
    ping = Ping(alerts.ping.get_secret_value(), end, str(uuid.uuid5(_RUNS, context.run_id)))
    ping.start()
    return ping
