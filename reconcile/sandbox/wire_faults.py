"""Faults of status, headers, body and transport. Each returns a `Fault` for `Faults.add`."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping

import httpx

from reconcile.clock import Clock
from reconcile.sandbox.fake import Handle
from reconcile.sandbox.faults import Fault

HTML = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please sign in</body></html>"


class _Chunks(httpx.SyncByteStream):
    """A body sent piece by piece."""

    def __init__(self, chunks: Callable[[], Iterator[bytes]]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks()


def answers(status: int, body: bytes | str = b"", headers: Mapping[str, str] | None = None) -> Fault:
    """This answer instead of the fake's, which never sees the request."""

    def fault(_: httpx.Request, __: Handle) -> httpx.Response:
        return httpx.Response(status, headers=dict(headers or {}), content=body)

    return fault


def rate_limited(retry_after: str | None = None, status: int = 429) -> Fault:
    """A 429 (or 503) with any `Retry-After`: seconds, decimals, a date, nonsense, or none."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return answers(status, b'{"errors":"Too many requests"}', headers)


def html(status: int = 200) -> Fault:
    """A page for people, as a proxy or captive portal sends it, with status 200."""
    return answers(status, HTML, {"Content-Type": "text/html; charset=utf-8"})


def redirect(location: str, status: int = 302) -> Fault:
    """A redirect, such as to another host."""
    return answers(status, b"", {"Location": location})


def huge(size: int, *, compressed: bool = False) -> Fault:
    """A JSON answer of `size` bytes; `compressed` makes a gzip bomb of it."""
    body = b'{"orders":[],"data":[],"padding":"' + b"x" * size + b'"}'
    headers = {"Content-Type": "application/json"} | ({"Content-Encoding": "gzip"} if compressed else {})
    return answers(200, gzip.compress(body) if compressed else body, headers)


def nested(depth: int) -> Fault:
    """A JSON answer of `depth` brackets within each other."""
    return answers(200, b"[" * depth + b"]" * depth, {"Content-Type": "application/json"})


def truncated(keep: float = 0.5) -> Fault:
    """The true answer, cut off after a part of the promised length: a protocol error for the client."""

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        true = handle(request)
        part = true.content[: int(len(true.content) * keep)]

        def chunks() -> Iterator[bytes]:
            yield part
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

        return httpx.Response(true.status_code, headers=true.headers, stream=_Chunks(chunks))

    return fault


def truncated_silently(keep: float = 0.5) -> Fault:
    """The true answer, cut off where no length was promised: only the JSON shows that something is missing."""

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        true = handle(request)
        part = true.content[: int(len(true.content) * keep)]
        headers = httpx.Headers([item for item in true.headers.multi_items() if item[0] != "content-length"])
        headers["Connection"] = "close"
        return httpx.Response(true.status_code, headers=headers, stream=_Chunks(lambda: iter([part])))

    return fault


def drip(clock: Clock, seconds: float, pieces: int = 20) -> Fault:
    """The true answer, in `pieces` over `seconds` of `clock`: every read is quick, the whole is not."""

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        true = handle(request)
        size = max(1, -(-len(true.content) // pieces))

        def chunks() -> Iterator[bytes]:
            for start in range(0, len(true.content), size):
                clock.wait(seconds / pieces)
                yield true.content[start : start + size]

        return httpx.Response(true.status_code, headers=true.headers, stream=_Chunks(chunks))

    return fault


def delayed(clock: Clock, seconds: float) -> Fault:
    """The true answer, `seconds` of `clock` late."""
    return before(lambda _: clock.wait(seconds))


def before(action: Callable[[httpx.Request], object]) -> Fault:
    """Do something, then answer truly: such as updating an order between two pages."""

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        action(request)
        return handle(request)

    return fault


def after(action: Callable[[httpx.Request, httpx.Response], object]) -> Fault:
    """Answer truly, having done something with the answer."""

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        answer = handle(request)
        action(request, answer)
        return answer

    return fault


def reset() -> Fault:
    """The connection is reset before an answer; the fake never sees the request."""
    return _raising(httpx.ReadError, "connection reset by peer")


def unreachable() -> Fault:
    """No connection at all. A real server cannot refuse what it accepted: there it is a reset."""
    return _raising(httpx.ConnectError, "connection refused")


def disconnected() -> Fault:
    """The connection is closed without an answer."""
    return _raising(httpx.RemoteProtocolError, "server disconnected without sending a response")


def silent() -> Fault:
    """No answer ever: a read timeout in one process, a hang until the client gives up on the wire."""
    return _raising(httpx.ReadTimeout, "timed out")


def answer_lost() -> Fault:
    """The fake does what was asked, and the client never hears of it."""

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        handle(request)
        raise httpx.ReadError("connection reset by peer", request=request)

    return fault


def done_then(status: int) -> Fault:
    """The fake does what was asked, and the client hears of trouble."""

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        handle(request)
        return httpx.Response(status, content=b"upstream error")

    return fault


def _raising(error: type[httpx.TransportError], text: str) -> Fault:
    def fault(request: httpx.Request, _: Handle) -> httpx.Response:
        raise error(text, request=request)

    return fault
