"""uvicorn's HTTP protocol over llhttp, which costs a third of the pure Python one, with what that one bounds and this
does not: how much comes before a body, and how long it takes.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Bytes of a request line with all its headers, as far as they arrive before the body.
MOST_HEAD = 65_536
#: Seconds in which they have to arrive, from the first byte on; a connection that never sends any gets as long.
HEAD_SECONDS = 20.0
#: Seconds that a sender gets to read an answer which came before its body was whole.
LINGER = 2.0

_TOO_MUCH = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Protocol(HttpToolsProtocol):
    """One connection. `_beyond` counts the bytes of a request that are not its body's: its head, and what frames it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._beyond = 0
        self._body = 0
        self._in_body = False
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._give_it(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what is no body."""
        if self._timer is None and not self._in_body:
            self._give_it(HEAD_SECONDS)
        self._beyond += len(data)
        super().data_received(data)
        # A body in tiny chunks has more frame than body; nobody who means well sends one.
        if self._beyond - self._body > MOST_HEAD:
            self._refuse()

    def on_headers_complete(self) -> None:
        """From here on the application bounds time."""
        self._in_body = True
        self._wait_no_more()
        # A large head may have come in one piece, its body with it.
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MOST_HEAD:
            self._refuse()
        if not self._refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The application bounds its size."""
        self._beyond -= len(body)
        self._body += len(body)
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The next request has a head of its own."""
        self._in_body = False
        self._beyond = self._body = 0
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """What was answered before its body was whole is not waited for; a moment, so that the answer is read."""
        super().on_response_complete()
        if self._in_body:
            self._give_it(LINGER)

    def _refuse(self) -> None:
        """Answer 431, once, and hang up; what the parser still finds in what came is nobody's."""
        if not self._refused and not self.transport.is_closing():
            self.logger.warning("A request's headers were too large.")
            self.transport.write(_TOO_MUCH)
            self.transport.close()
        self._refused = True

    def _give_it(self, seconds: float) -> None:
        self._wait_no_more()
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
