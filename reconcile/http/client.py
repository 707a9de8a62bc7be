"""`ProviderClient`: everything that is sent to a provider is sent here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from reconcile.clock import Clock, Stop
from reconcile.errors import BadAnswer, Retriable
from reconcile.http.answer import Answer, NotJson
from reconcile.http.budget import RateBudget
from reconcile.http.exchange import Call, Exchange, HttpLimits
from reconcile.http.faults import NotDone
from reconcile.http.origin import Origin, Params
from reconcile.http.renewal import Renewal
from reconcile.http.retries import Garbled, full_jitter, retrying
from reconcile.http.transport import DeadlineTransport
from reconcile.http.verdict import RETRY_AFTER_CAP, http_date, verdict
from reconcile.metrics import Metrics, Unmeasured

log = logging.getLogger("reconcile.records.http")

T = TypeVar("T")


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
        self._clock = clock
        self._budget = budget
        self._stop = stop
        self._pace = pace
        self._metrics = metrics or Unmeasured()
        self._date: str | None = None
        self._lock = threading.Lock()
        self._renewal = Renewal(None if refresh is None else lambda: refresh(self))
        self._exchange = Exchange(
            source=source,
            origin=self.origin,
            headers=headers,
            clock=clock,
            limits=self.limits,
            stop=stop,
            transport=transport or DeadlineTransport(clock, stop, ca_file),
        )
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
        self._exchange.close()

    @property
    def provider_date(self) -> datetime | None:
        """The provider's time, UTC: the `Date` header of the newest answer that had one."""
        return http_date(self._date)

    def now(self) -> datetime:
        """The provider's time where it has said it, else our clock's, UTC."""
        return self.provider_date or self._clock.now()

    def get(self, url_or_path: str, params: Params | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET of a path, or of a `next` link, which is taken verbatim."""
        return self._again(self._attempt, Call("GET", self.origin.resolve(url_or_path, params), headers))

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
        return self._again(self._page, Call("GET", self.origin.resolve(url_or_path, params), headers), decoder)

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
        call = Call("POST", self.origin.resolve(url_or_path), headers, mutates, form, json)
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
        call = Call("PUT", self.origin.resolve(url_or_path), headers, mutates=True, form=form, json=json)
        return (self._again if idempotent else self._unless_done)(self._attempt, call)

    def delete(self, url_or_path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a DELETE; sent again on passing faults, so that the second may find nothing (`NotFound`)."""
        return self._again(self._attempt, Call("DELETE", self.origin.resolve(url_or_path), headers, mutates=True))

    def _attempt(self, call: Call) -> Answer:
        known = self._renewal.count
        answer = self._send(call)
        if answer.status == 401 and self._renewal.since(known):
            answer = self._send(call)
        if 200 <= answer.status < 300:
            return answer
        fault = verdict(answer, self._exchange.what(call), self._clock.now())
        if isinstance(fault, Retriable) and fault.retry_after:
            self._budget.pause(fault.retry_after)
        raise fault or BadAnswer(f"{self._exchange.what(call)} answered {answer.status}", status=answer.status)

    def _page(self, call: Call, decoder: type[T] | msgspec.json.Decoder[T]) -> tuple[T, Answer]:
        answer = self._attempt(call)
        try:
            return answer.decode(decoder), answer
        except NotJson as fault:
            raise Garbled(str(fault)) from None

    def _send(self, call: Call) -> Answer:
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

    def _measured(self, call: Call, waited: float) -> Answer:
        if waited:
            self._metrics.waited(self.source, waited)
        code = "error"
        try:
            answer = self._exchange.send(call)
            code = str(answer.status)
            return answer
        finally:
            self._metrics.requested(self.source, code)

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
