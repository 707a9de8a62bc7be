"""A fake behind real loopback HTTP: keep-alive, and faults that really happen on the wire."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx

from reconcile.sandbox.fake import Handle
from reconcile.sandbox.faults import Answers

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_OWN = {"content-length", "transfer-encoding", "connection"}


class _Handler(BaseHTTPRequestHandler):
    """Passes requests to `answer`. A `httpx.TransportError` it raises becomes that fault on the wire."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    answer: ClassVar[Handle]
    origin: ClassVar[str]
    closing: ClassVar[threading.Event]

    def _serve(self) -> None:
        try:
            self._send(type(self).answer(self._request()))
        except httpx.TimeoutException:
            self.closing.wait()  # silence: the client's own deadline ends it, or the end of the server
            self.close_connection = True
        except (httpx.RemoteProtocolError, ConnectionError):
            self.close_connection = True  # cut off in the middle
        except httpx.TransportError:
            self._reset()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815 - the base class asks for these names

    def _request(self) -> httpx.Request:
        length = int(self.headers.get("Content-Length") or 0)
        host = self.headers.get("Host") or self.origin.partition("//")[2]
        scheme = self.origin.partition(":")[0]
        url = f"{scheme}://{host}{self.path}"
        return httpx.Request(self.command, url, headers=self.headers.items(), content=self.rfile.read(length))

    def _send(self, response: httpx.Response) -> None:
        length = response.headers.get("Content-Length")
        self.send_response_only(response.status_code)
        for name, value in response.headers.multi_items():
            if name.lower() not in _OWN:
                self.send_header(name, value)
        until_closed = "close" in response.headers.get("Connection", "")
        if length is not None:
            self.send_header("Content-Length", length)
        elif not until_closed:
            self.send_header("Transfer-Encoding", "chunked")
        if until_closed:
            self.send_header("Connection", "close")
        self.end_headers()
        self._send_body(response, chunked=length is None and not until_closed)

    def _send_body(self, response: httpx.Response, *, chunked: bool) -> None:
        stream = response.stream
        if not isinstance(stream, httpx.SyncByteStream):
            raise TypeError("a fake answers with a synchronous stream")
        for chunk in stream:
            framed = f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" if chunked and chunk else chunk
            self.wfile.write(framed)
            self.wfile.flush()
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        with contextlib.suppress(OSError):
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing on stderr; `Fake.requests` is the log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection while it lives."""
        self._open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self._open.discard(request)

    def hang_up(self) -> None:
        """End connections that a client keeps alive."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away in the middle is no news."""


class Served:
    """A running server. `url` is its origin, such as `http://127.0.0.1:40123`."""

    def __init__(self, url: str) -> None:
        self.url = url


@contextlib.contextmanager
def serve(fake: Answers | Handle, *, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Served]:
    """Serve `fake` on 127.0.0.1 until the block ends, or the process does; `port` 0 takes a free one."""
    handle: Handle = fake if callable(fake) else fake.handle
    closing = threading.Event()
    server = _Server(("127.0.0.1", port), _Handler)
    url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    space = {"answer": staticmethod(handle), "origin": url, "closing": closing}
    server.RequestHandlerClass = type("Handler", (_Handler,), space)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="sandbox", daemon=True)
    thread.start()
    try:
        yield Served(url)
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        server.hang_up()
        thread.join()
