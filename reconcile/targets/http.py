"""A URL as target: each event is one POST, signed now, as the provider itself would have sent it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from queue import Empty, SimpleQueue
from urllib.parse import quote

import httpx

from reconcile import failpoints
from reconcile.clock import Clock, Stop
from reconcile.errors import ConfigError, Stopped
from reconcile.http import RateBudget
from reconcile.http.transport import DeadlineTransport
from reconcile.model import Event
from reconcile.targets.answers import verdict_of
from reconcile.targets.destination import Destination
from reconcile.targets.model import Job, Outcome, Verdict
from reconcile.targets.text import describe, one_paragraph

Sign = Callable[[Event, datetime], Mapping[str, str]]

CONCURRENCY = 4
_BODY = 1 << 16  # bytes of an answer that are read, to keep its connection; nobody looks at them
_BODY_SECONDS = 2.0
_SLACK = 2.0  # seconds the threads may need beyond the grace they get


class HttpTarget:
    """A `Target` that POSTs to `url`, from `concurrency` threads, each request within `timeout` seconds in all.

    `sign` gives the provider's headers for an event at an instant, None where they cannot be made. `budget` is an
    optional rate. `transport` replaces the network in tests and simulations. Raises `ConfigError` for a bad `url`.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        timeout: float,
        sign: Sign | None = None,
        concurrency: int = CONCURRENCY,
        budget: RateBudget | None = None,
        transport: httpx.BaseTransport | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        self.concurrency = concurrency
        self._url = _parse(url)
        self._clock = clock
        self._timeout = timeout
        self._sign = sign
        self._budget = budget
        self._secrets = tuple(secrets)
        self._stop = Stop()  # nothing more is begun
        self._cut = Stop()  # what runs is cut off
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._done: SimpleQueue[Outcome] = SimpleQueue()
        self._owed = 0
        self._client = httpx.Client(
            transport=transport or Destination(DeadlineTransport(clock, self._cut), clock),
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
        )
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(concurrency)]
        for thread in self._threads:
            thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue `jobs` for the threads."""
        self._owed += len(jobs)
        for job in jobs:
            self._jobs.put(job)

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        """What finished; waits up to `timeout` seconds for the first if something is in flight."""
        wait = timeout
        while self._owed:
            try:
                outcome = self._done.get(timeout=wait) if wait > 0 else self._done.get_nowait()
            except Empty:
                return
            wait = 0.0
            self._owed -= 1
            yield outcome

    def in_flight(self) -> int:
        """How many submitted jobs have not been answered yet."""
        return self._owed

    def stop(self, grace: float) -> list[Outcome]:
        """Begin nothing more, give running requests `grace` seconds, cut off the rest; every outcome still owed."""
        self._end()
        self._join(grace)
        self._cut.set()
        self._join(_SLACK)
        return list(self.outcomes(0.0))

    def close(self) -> None:
        """Cut off whatever runs and close the connections."""
        self._cut.set()
        self._end()
        self._join(_SLACK)
        self._client.close()

    def _end(self) -> None:
        if not self._stop.is_set():
            self._stop.set()
            for _ in self._threads:
                self._jobs.put(None)

    def _join(self, seconds: float) -> None:
        deadline = self._clock.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._done.put(self._deliver(job))

    def _deliver(self, job: Job) -> Outcome:
        started = self._clock.now()
        try:
            self._wait_for_turn()
        except Stopped:
            return Outcome(job, Verdict.RELEASED, "", started, started)
        started = self._clock.now()
        verdict, error = self._call(job.event, started)
        return Outcome(job, verdict, one_paragraph(error, self._secrets), started, self._clock.now())

    def _wait_for_turn(self) -> None:
        self._stop.check()
        if self._budget is not None:
            self._budget.acquire(self._stop)

    def _call(self, event: Event, now: datetime) -> tuple[Verdict, str]:
        try:
            return self._exchange(event, now)
        except Stopped:
            return Verdict.RELEASED, "stopped while it was running; whether it had its effect is not known"
        except httpx.TimeoutException:
            return Verdict.UNREACHABLE, f"no answer within {self._timeout:g} s"
        except httpx.LocalProtocolError as error:
            return Verdict.FAILED, f"the request cannot be written as HTTP: {describe(error)}"
        except httpx.HTTPError as error:
            return Verdict.UNREACHABLE, f"no connection, or a broken one: {type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001 - a connector's code, given a provider's text, must not end the thread
            return Verdict.FAILED, f"the request could not be made: {describe(error)}"

    def _exchange(self, event: Event, now: datetime) -> tuple[Verdict, str]:
        headers = self._headers(event, now)
        failpoints.reach("target.before_call")
        status = self._post(headers, event.body)
        failpoints.reach("target.called")
        return verdict_of(status)

    def _post(self, headers: Mapping[str, str], body: bytes) -> int:
        deadline = self._clock.monotonic() + self._timeout
        request = self._client.build_request(
            "POST", self._url, content=body, headers=headers, extensions={"deadline": deadline}
        )
        answer = self._client.send(request, stream=True)
        try:
            self._read_away(answer)
        finally:
            answer.close()
        return answer.status_code

    def _read_away(self, answer: httpx.Response) -> None:
        """A body that was read leaves the connection usable; one that is long or slow is not worth it."""
        until, size = self._clock.monotonic() + _BODY_SECONDS, 0
        try:
            for chunk in answer.iter_raw():
                size += len(chunk)
                if size > _BODY or self._clock.monotonic() > until:
                    return
        except (httpx.HTTPError, httpx.StreamError, Stopped):
            return  # the status was the answer

    def _headers(self, event: Event, now: datetime) -> httpx.Headers:
        """Ours win over the connector's; both over the default content type."""
        headers = httpx.Headers({"Content-Type": "application/json"})
        if self._sign is not None:
            headers.update(self._sign(event, now))
        headers.update({"Idempotency-Key": _plain(event.idempotency_key), "Reconcile-Event": _about(event)})
        return headers


def _about(event: Event) -> str:
    marks = {"reconstructed": event.reconstructed, "late": event.late}
    flags = "; ".join(f"{name}={'true' if value else 'false'}" for name, value in marks.items())
    return f"{_plain(event.id)}; origin={event.origin}; {flags}; attempt={event.attempt}"


def _plain(text: str) -> str:
    """Visible ASCII, the rest percent-encoded: an id is the provider's text."""
    return quote(text, safe="!#$&'()*+,/:=?@[]^_`{|}~")


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError):
        raise ConfigError("handler: the URL cannot be read") from None
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
        raise ConfigError("handler: the URL must be https://host/path (or http://), without a user")
    return parsed
