"""A port on which an ASGI application answers: uvicorn, with its signals, logs and proxy headers left to us."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import uvicorn

from reconcile.errors import ConfigError
from reconcile.web.protocol import Protocol

#: Seconds that answers on their way get when a stop was asked for; a sender that never finishes gets no more.
GRACE = 5
#: Connections at once; what comes beyond is answered 503.
CONNECTIONS = 1000


class _Server(uvicorn.Server):
    """Leaves the signals to us: one stop for everything. `listening` is called as soon as connections are accepted."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._listening()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The command line has its own handlers."""
        yield


class Listener:
    """`app` on `host:port`, in a thread of its own between `start` and `stop`.

    The port is taken at once, before anything is started: `ConfigError` says what to do if it cannot be. `options`
    are what chooses host and port on the command line, for that message.
    """

    def __init__(self, app: Any, host: str, port: int, *, options: tuple[str, str] = ("--host", "--port")) -> None:
        self._socket = _bound(host, port, *options)
        self.address = _address(*self._socket.getsockname()[:2])
        self._started = threading.Event()
        self._server = _Server(_config(app), self._started.set)
        self._thread = threading.Thread(target=self._run, name=f"listen on {self.address}", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Return as soon as connections are accepted."""
        self._thread.start()
        self._started.wait()

    @property
    def listening(self) -> bool:
        """Whether its thread is at work."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Begin to stop, and return at once."""
        self._server.should_exit = True

    def stop(self) -> None:
        """Accept nothing more, give answers on their way their grace, and return. May be called again, or unstarted."""
        self.end()
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._started.set()


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,  # whose word on the sender counts is the configuration's to say, source by source
        limit_concurrency=CONNECTIONS,
        log_config=None,  # its warnings go where ours go, in the format asked for
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )


def _bound(host: str, port: int, host_option: str, port_option: str) -> socket.socket:
    """A socket that has the port. Raises `ConfigError` that says what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        where = f"cannot listen on {_address(host, port)}"
        if error.errno == errno.EADDRINUSE:
            remedy = f"the port is taken; end what has it, or choose another with {port_option}"
            raise ConfigError(f"{where}: {remedy}") from None
        why = str(error.strerror or error).partition(" (while")[0]
        remedy = f"choose an address of this machine with {host_option}, or a port with {port_option}"
        raise ConfigError(f"{where}: {why}; {remedy}") from None
    # What is accepted inherits it. Without, the second packet of an answer waits 40 ms for the first's receipt:
    # asyncio sees to that only for sockets that name their protocol.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
