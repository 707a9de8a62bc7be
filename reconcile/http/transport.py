"""How long an attempt may take: one deadline over connecting, headers and body.

httpx has a timeout for each read only: a server that sends a byte now and then keeps it waiting for ever, in the
headers as well as in the body. Here each read gets what is left of the attempt, and a stop ends it within a second.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpcore
import httpx

from reconcile.clock import Clock, Stop
from reconcile.errors import ConfigError

_SLICE = 0.5  # seconds a read may last before the stop flag is looked at
_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=15.0)


class _Attempt(threading.local):
    """The deadline of the attempt this thread is in, on the clock's monotonic scale."""

    deadline = 0.0


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, clock: Clock, stop: Stop | None, attempt: _Attempt) -> None:
        self._inner = inner
        self._clock = clock
        self._stop = stop
        self._attempt = attempt

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 # the deadline replaces it
        while True:
            left = self._left()
            try:
                return self._inner.read(max_bytes, min(left, _SLICE))
            except httpcore.ReadTimeout:
                if self._stop is not None:
                    self._stop.check()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 # as in `read`
        self._inner.write(buffer, self._left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        if self._stop is not None:
            self._stop.check()
        left = self._left() if timeout is None else min(timeout, self._left())
        wrapped = self._inner.start_tls(ssl_context, server_hostname, left)
        return _Stream(wrapped, self._clock, self._stop, self._attempt)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)

    def _left(self) -> float:
        left = self._attempt.deadline - self._clock.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left


class _Backend(httpcore.NetworkBackend):
    def __init__(self, clock: Clock, stop: Stop | None, attempt: _Attempt) -> None:
        self._inner = httpcore.SyncBackend()
        self._clock = clock
        self._stop = stop
        self._attempt = attempt

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(inner, self._clock, self._stop, self._attempt)


class DeadlineTransport(httpx.HTTPTransport):
    """httpx's own transport on sockets that know the attempt's deadline.

    A request's extension `deadline` is a monotonic instant of `clock`. TLS is always verified, against the public
    authorities and those in `ca_file`. Proxies and certificates named by the environment are not looked at.
    """

    def __init__(self, clock: Clock, stop: Stop | None = None, ca_file: Path | None = None) -> None:
        context = _trust(ca_file)
        super().__init__(verify=context, trust_env=False, limits=_LIMITS)
        self._attempt = _Attempt()
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=_LIMITS.max_connections,
            max_keepalive_connections=_LIMITS.max_keepalive_connections,
            keepalive_expiry=_LIMITS.keepalive_expiry,
            network_backend=_Backend(clock, stop, self._attempt),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; whatever this thread reads until its next request counts against its deadline."""
        self._attempt.deadline = request.extensions["deadline"]
        return super().handle_request(request)


@lru_cache(maxsize=8)
def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """Read once a process: it takes 20 ms of CPU, and a daemon makes clients every minute."""
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # a distribution's Python may leave it to the system's settings
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as fault:
            raise ConfigError(f"{ca_file}: no certificate authority can be read from it ({fault.strerror})") from None
    return context
