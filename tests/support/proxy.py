"""A proxy on loopback in front of a PostgreSQL, which can fall silent: it takes what comes and passes nothing on."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict


class Proxy:
    """`url` leads through it; while `open` is not set, nothing passes in either direction."""

    def __init__(self, url: str) -> None:
        self._server = conninfo_to_dict(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self.open = threading.Event()
        self.open.set()
        who = quote(str(self._server["user"]))
        if password := self._server.get("password"):
            who += f":{quote(str(password))}"
        port = self._listener.getsockname()[1]
        self.url = f"postgresql://{who}@127.0.0.1:{port}/{self._server['dbname']}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                self._sockets += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = str(self._server["host"]), self._server.get("port") or 5432
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        local = socket.socket(socket.AF_UNIX)
        local.connect(f"{host}/.s.PGSQL.{port}")
        return local

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.open.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let go of every connection."""
        self.open.set()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextlib.contextmanager
def proxied(url: str) -> Iterator[Proxy]:
    """A proxy in front of the server that `url` names, until the block ends."""
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
