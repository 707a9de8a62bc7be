"""One request and its answer: with our headers, within a deadline and a size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import httpx

from reconcile.clock import Clock, Stop
from reconcile.http.answer import Answer
from reconcile.http.body import read_body
from reconcile.http.faults import EXCHANGE_FAULTS, DeadlinePassed, explain
from reconcile.http.origin import Origin
from reconcile.http.text import hide, safe, secrets_of

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
class Call:
    """What is asked for. `headers` are this call's own; `mutates` says that it changes something at the provider."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str] | None
    mutates: bool = False
    form: Mapping[str, Any] | None = None
    json: object = None


class Exchange:
    """Sends calls to one origin with the credentials that `headers()` gives, each once."""

    def __init__(
        self,
        *,
        source: str,
        origin: Origin,
        headers: Callable[[], Mapping[str, str]],
        clock: Clock,
        limits: HttpLimits,
        stop: Stop | None,
        transport: httpx.BaseTransport,
    ) -> None:
        self._source = source
        self._origin = origin
        self._headers = headers
        self._clock = clock
        self._limits = limits
        self._stop = stop
        self._transport = transport
        self._timeouts = httpx.Timeout(limits.deadline, connect=min(_CONNECT, limits.deadline)).as_dict()

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def what(self, call: Call) -> str:
        """The call, for a message."""
        return f"{self._source}: {call.method} {safe(call.url.path)}"

    def send(self, call: Call) -> Answer:
        """The answer, whatever its status; raises what a broken, slow or oversized one means, or `Stopped`."""
        deadline = self._clock.monotonic() + self._limits.deadline
        try:
            response = self._transport.handle_request(self._request(call, deadline))
            try:
                content = read_body(response, self._limits.max_body, lambda: self._check(deadline))
            finally:
                response.close()
        except EXCHANGE_FAULTS as fault:
            # Without its cause: httpx quotes the header it chokes on, and a traceback would show it.
            raise explain(fault, self.what(call), self._limits.max_body, str(self._origin)) from None
        return Answer(response.status_code, response.headers, content, str(call.url), self._source, self._hide)

    def _request(self, call: Call, deadline: float) -> httpx.Request:
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
