"""`ProviderClient`: everything that is sent to a provider is sent here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from reconcile.clock import Clock, Stop
from reconcile.errors import BadAnswer, Retriable
from reconcile.http.answer import Answer, NotJson
from reconcile.http.body import read_body
from reconcile.http.budget import RateBudget
from reconcile.http.faults import EXCHANGE_FAULTS, DeadlinePassed, NotDone, explain
from reconcile.http.origin import Origin, Params
from reconcile.http.renewal import Renewal
from reconcile.http.retries import Garbled, full_jitter, retrying
from reconcile.http.text import hide, safe, secrets_of
from reconcile.http.transport import DeadlineTransport
from reconcile.http.verdict import RETRY_AFTER_CAP, http_date, verdict
from reconcile.metrics import Metrics, Unmeasured

log = logging.getLogger("reconcile.records.http")

T = TypeVar("T")

_CONNECT = 5.0  # seconds; a connection that takes longer is better tried again
_OURS = {
    "accept": "application/json",
    "accept-encoding": "gzip",  # only what `body` can inflate within a limit
    "user-agent": f"reconcile/{version('reconcile')}",
}


@dataclass(frozen=True)
class HttpLimits:
    """What one request may cost: `deadline` in seconds for each attempt, `max_body` in decoded bytes."""

    deadline: float = 30.0
    attempts: int = 5
    max_body: int = 20_000_000


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: httpx.URL
    headers: Mapping[str, str] | None
    mutates: bool = False
    form: Mapping[str, Any] | None = None
    json: object = None


class ProviderClient:
    """One source's connections to its provider, for all threads of it.

    Credentials from `headers()` go to `origin` only (X2). Every attempt waits for `budget`, then has
    `limits.deadline` seconds. `Retriable` faults are tried again with full jitter, the rest is raised at once:
    `CredentialsRefused`, `NotFound`, `Rejected`, `BadAnswer`, or `Stopped` when `stop` is set.

    `pace(answer)` is how many seconds the provider's headers want everyone to wait. `refresh(client)` renews the
    credentials that `headers()` gives after a 401 and says whether it did; it may use the client.
    `requests` and `mutations` count what was sent, every attempt; `waited` is seconds slept for rate limits.
    """

    def __init__(
        self,
        *,
        source: str,
        origin: str,
        headers: Callable[[], Mapping[str, str]],
        clock: Clock,
        budget: RateBudget,
        limits: HttpLimits | None = None,
        stop: Stop | None = None,
        transport: httpx.BaseTransport | None = None,
        pace: Callable[[Answer], float] | None = None,
        refresh: Callable[[ProviderClient], bool] | None = None,
        ca_file: Path | None = None,
        jitter: Callable[[float], float] = full_jitter,
        metrics: Metrics | None = None,
    ) -> None:
        self.source = source
        self.origin = Origin(origin, source)
        self.limits = limits or HttpLimits()
        self.requests = 0
        self.mutations = 0
        self.waited = 0.0
        self._headers = headers
        self._clock = clock
        self._budget = budget
        self._stop = stop
        self._pace = pace
        self._metrics = metrics or Unmeasured()
        self._date: str | None = None
        self._lock = threading.Lock()
        self._renewal = Renewal(None if refresh is None else lambda: refresh(self))
        self._transport = transport or DeadlineTransport(clock, stop, ca_file)
        self._timeouts = httpx.Timeout(self.limits.deadline, connect=min(_CONNECT, self.limits.deadline)).as_dict()
        self._again = retrying(Retriable, self.limits.attempts, self._sleep, jitter, self._retried)
        self._unless_done = retrying(NotDone, self.limits.attempts, self._sleep, jitter, self._retried)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    @property
    def provider_date(self) -> datetime | None:
        """The provider's time, UTC: the `Date` header of the newest answer that had one."""
        return http_date(self._date)

    def now(self) -> datetime:
        """The provider's time where it has said it, else our clock's, UTC."""
        return self.provider_date or self._clock.now()

    def get(self, url_or_path: str, params: Params | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET of a path, or of a `next` link, which is taken verbatim."""
        return self._again(self._attempt, _Call("GET", self.origin.resolve(url_or_path, params), headers))

    def get_page(
        self,
        url_or_path: str,
        decoder: type[T] | msgspec.json.Decoder[T],
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[T, Answer]:
        """The decoded body and the answer it came in, for lists that name their next page in a header.

        A body cut short or garbled is fetched again; HTML and JSON of another shape are `BadAnswer` at once.
        """
        return self._again(self._page, _Call("GET", self.origin.resolve(url_or_path, params), headers), decoder)

    def get_json(
        self,
        url_or_path: str,
        decoder: type[T] | msgspec.json.Decoder[T],
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """The decoded body alone; as `get_page`."""
        return self.get_page(url_or_path, decoder, params, headers)[0]

    def post(
        self,
        url_or_path: str,
        *,
        form: Mapping[str, Any] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = False,
        mutates: bool = True,
    ) -> Answer:
        """The answer to a POST; sent again only if `idempotent`, or if the provider surely did nothing.

        `mutates=False` is for a POST that only asks: a query, a token.
        """
        call = _Call("POST", self.origin.resolve(url_or_path), headers, mutates, form, json)
        return (self._again if idempotent else self._unless_done)(self._attempt, call)

    def put(
        self,
        url_or_path: str,
        *,
        form: Mapping[str, Any] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = False,
    ) -> Answer:
        """The answer to a PUT; sent again as a POST is."""
        call = _Call("PUT", self.origin.resolve(url_or_path), headers, mutates=True, form=form, json=json)
        return (self._again if idempotent else self._unless_done)(self._attempt, call)

    def delete(self, url_or_path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a DELETE; sent again on passing faults, so that the second may find nothing (`NotFound`)."""
        return self._again(self._attempt, _Call("DELETE", self.origin.resolve(url_or_path), headers, mutates=True))

    def _attempt(self, call: _Call) -> Answer:
        known = self._renewal.count
        answer = self._send(call)
        if answer.status == 401 and self._renewal.since(known):
            answer = self._send(call)
        if 200 <= answer.status < 300:
            return answer
        fault = verdict(answer, self._what(call), self._clock.now())
        if isinstance(fault, Retriable) and fault.retry_after:
            self._budget.pause(fault.retry_after)
        raise fault or BadAnswer(f"{self._what(call)} answered {answer.status}", status=answer.status)

    def _page(self, call: _Call, decoder: type[T] | msgspec.json.Decoder[T]) -> tuple[T, Answer]:
        answer = self._attempt(call)
        try:
            return answer.decode(decoder), answer
        except NotJson as fault:
            raise Garbled(str(fault)) from None

    def _send(self, call: _Call) -> Answer:
        if self._stop is not None:
            self._stop.check()
        waited = self._budget.acquire(self._stop)
        with self._lock:
            self.requests += 1
            self.mutations += call.mutates
            self.waited += waited
        answer = self._measured(call, waited)
        self._date = answer.headers.get("date", self._date)
        if self._pace is not None:
            self._budget.pause(min(self._pace(answer), RETRY_AFTER_CAP))
        return answer

    def _measured(self, call: _Call, waited: float) -> Answer:
        if waited:
            self._metrics.waited(self.source, waited)
        code = "error"
        try:
            answer = self._exchange(call)
            code = str(answer.status)
            return answer
        finally:
            self._metrics.requested(self.source, code)

    def _exchange(self, call: _Call) -> Answer:
        deadline = self._clock.monotonic() + self.limits.deadline
        try:
            response = self._transport.handle_request(self._request(call, deadline))
            try:
                content = read_body(response, self.limits.max_body, lambda: self._check(deadline))
            finally:
                response.close()
        except EXCHANGE_FAULTS as fault:
            # Without its cause: httpx quotes the header it chokes on, and a traceback would show it.
            raise explain(fault, self._what(call), self.limits.max_body, str(self.origin)) from None
        return Answer(response.status_code, response.headers, content, str(call.url), self.source, self._hide)

    def _request(self, call: _Call, deadline: float) -> httpx.Request:
        return httpx.Request(
            call.method,
            call.url,
            headers={**_OURS, **self._headers(), **(call.headers or {})},
            data=call.form,
            json=call.json,
            extensions={"timeout": self._timeouts, "deadline": deadline},
        )

    def _check(self, deadline: float) -> None:
        if self._stop is not None:
            self._stop.check()
        if self._clock.monotonic() > deadline:
            raise DeadlinePassed

    def _hide(self, text: str) -> str:
        return hide(text, secrets_of(self._headers().values()))

    def _what(self, call: _Call) -> str:
        return f"{self.source}: {call.method} {safe(call.url.path)}"

    def _retried(self, attempt: int, fault: Retriable, seconds: float) -> None:
        """For logs with fields, as `reconcile.records` writes them."""
        extra = {"source": self.source, "attempt": attempt, "wait_ms": round(seconds * 1000), "error": str(fault)}
        log.info("request.retried", extra=extra | {"error_class": type(fault).__name__})

    def _sleep(self, asked: float, backoff: float) -> None:
        self._clock.wait(asked + backoff, self._stop)
        if asked:
            self._metrics.waited(self.source, asked + backoff)
            with self._lock:
                self.waited += asked + backoff
