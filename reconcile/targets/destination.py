"""Where a POST really goes: the name is resolved here, judged, and connected to by address.

Checking the name, or resolving it twice, would leave it to whoever runs the name server what we connect to.
"""

from __future__ import annotations

import socket
import threading
from ipaddress import ip_address
from queue import Empty, SimpleQueue

import httpx

from reconcile.clock import Clock
from reconcile.targets.addresses import forbidden

_REMEMBER = 30.0  # seconds an answer of the resolver is used


class Destination(httpx.BaseTransport):
    """A transport that lets `inner` connect only to addresses that are none of a cloud's metadata service."""

    def __init__(self, inner: httpx.BaseTransport, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` to the first of its host's addresses that can be connected to."""
        host, deadline = request.url.raw_host.decode("ascii"), request.extensions["deadline"]
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        addresses = self._addresses(host, port, deadline)
        for place, address in enumerate(addresses):
            try:
                return self._inner.handle_request(self._to(request, host, address, len(addresses) - place))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                self._known.pop((host, port), None)
                if address == addresses[-1] or self._clock.monotonic() >= deadline:
                    raise
        raise httpx.ConnectError(f"{host} has no address", request=request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()

    def _to(self, request: httpx.Request, host: str, address: str, tries: int) -> httpx.Request:
        """The same request to `address`; its `Host` header and the name its certificate must have stay."""
        left = max(0.001, request.extensions["deadline"] - self._clock.monotonic())
        timeout = httpx.Timeout(left, connect=left / tries).as_dict()
        extensions = {**request.extensions, "timeout": timeout, "sni_hostname": host}
        return httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions=extensions,
        )

    def _addresses(self, host: str, port: int, deadline: float) -> list[str]:
        now = self._clock.monotonic()
        until, addresses = self._known.get((host, port), (0.0, []))
        if until < now:
            addresses = _resolve(host, port, deadline - now)
            if any(map(forbidden, addresses)):
                raise httpx.ConnectError(f"{host} leads to a cloud's metadata address, to which nothing is sent")
            self._known[host, port] = now + _REMEMBER, addresses
        return addresses


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of `host`, in the resolver's order. The resolver knows no deadline, so a thread waits for it."""
    try:
        return [str(ip_address(host))]
    except ValueError:
        answer: SimpleQueue[list[str] | OSError] = SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answer), daemon=True).start()
    try:
        found = answer.get(timeout=max(0.0, seconds))
    except Empty:
        raise httpx.ConnectTimeout(f"the name server did not say where {host} is") from None
    if isinstance(found, OSError):
        raise httpx.ConnectError(f"the name server does not know {host}") from found
    return found


def _look_up(host: str, port: int, answer: SimpleQueue[list[str] | OSError]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answer.put(list(dict.fromkeys(str(one[4][0]) for one in found)))
    except OSError as error:
        answer.put(error)
    except UnicodeError:
        answer.put(OSError("not a host name"))
