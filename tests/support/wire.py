"""A loopback server whose every byte a test decides."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import Self

Behaviour = Callable[["Wire"], None]


class Wire:
    """One connection, seen from the server, and the `request` it brought: head and body as they came."""

    def __init__(self, connection: socket.socket, request: bytes, over: threading.Event) -> None:
        self.request = request
        self._connection = connection
        self._over = over

    def send(self, data: bytes) -> None:
        """Send `data` at once."""
        self._connection.sendall(data)

    def answer(self, body: bytes, *headers: str, status: str = "200 OK") -> None:
        """A whole answer, of the right length."""
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        self.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def drip(self, data: bytes, every: float) -> None:
        """`data` byte by byte, `every` seconds one, until the test or the connection ends."""
        for start in range(len(data)):
            if self._over.wait(every):
                return
            self.send(data[start : start + 1])

    def hang(self) -> None:
        """Say nothing until the test ends."""
        self._over.wait()

    def reset(self) -> None:
        """Cut the connection with a TCP reset, not an orderly end."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()


class WireServer:
    """Gives each connection's request to the next behaviour, the last one again and again.

    `requests` is what reached it, head and body as they came. TLS if `tls` is given.
    """

    def __init__(self, *behaviours: Behaviour, tls: ssl.SSLContext | None = None, name: str = "127.0.0.1") -> None:
        self._behaviours = list(behaviours)
        self._tls = tls
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self.arrived = threading.Event()
        self.origin = f"{'https' if tls else 'http'}://{name}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=10)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, raw: socket.socket) -> None:
        raw.settimeout(10)
        with contextlib.suppress(OSError), raw:  # a client that hangs up is what many of these tests are about
            connection = self._tls.wrap_socket(raw, server_side=True) if self._tls else raw
            with connection:
                if request := _read_request(connection):
                    self.requests.append(request)
                    self.arrived.set()
                    self._next()(Wire(connection, request, self._over))

    def _next(self) -> Behaviour:
        return self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65_536)
        if not chunk:
            return b""
        received += chunk
    return received
