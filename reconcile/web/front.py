"""Everything of this process that answers over HTTP: deliveries on one port, and on request health and metrics on
another.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import msgspec

from reconcile.receiver import Receiver
from reconcile.web.asgi import Message, Receive, ReceiverApp, Send
from reconcile.web.health import JSON, Health, Page, from_here
from reconcile.web.listener import Listener

Address = tuple[str, int]

_ABSENT = Page(404, JSON, msgspec.json.encode({"status": "there is nothing here"}))
_NOT_GET = Page(405, JSON, msgspec.json.encode({"status": "this is for GET"}))


class HealthApp:
    """The pages of `health`. `everyone`: whoever reaches it may see them all; else `/readyz` and `/metrics` are for
    this machine alone.
    """

    def __init__(self, health: Health, *, everyone: bool) -> None:
        self._health = health
        self._everyone = everyone

    async def __call__(self, scope: Message, _receive: Receive, send: Send) -> None:
        """One request."""
        page = await self._page(scope)
        head = scope["method"] == "HEAD"
        headers = [
            (b"content-type", page.content_type.encode()),
            (b"content-length", str(len(page.body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": page.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if head else page.body})

    async def _page(self, scope: Message) -> Page:
        if scope["method"] not in ("GET", "HEAD"):
            return _NOT_GET
        path = scope["path"]
        if path != "/healthz" and not (self._everyone or from_here(scope)):
            return _ABSENT
        return await self._health.page(path) or _ABSENT


class Front:
    """Listens from `start` to `stop`. The ports are taken at once; `ConfigError` says what to do if one cannot be.

    Of `health`, the port for deliveries shows `/healthz` to everyone and the rest to this machine; `inside` is the
    address of a port that shows all of it to whoever reaches it.
    """

    def __init__(self, receiver: Receiver, health: Health, at: Address, inside: Address | None = None) -> None:
        self._deliveries = ReceiverApp(receiver)
        self._pages = HealthApp(health, everyone=False)
        self._listeners = [Listener(self._route, *at)]
        if inside is not None:
            own = HealthApp(health, everyone=True)
            self._listeners.append(Listener(own, *inside, options=("--metrics", "--metrics")))
        #: Where deliveries go, `http://host:port/webhooks/`.
        self.url = f"http://{self._listeners[0].address}/webhooks/"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Return as soon as connections are accepted."""
        for listener in self._listeners:
            listener.start()

    @property
    def listening(self) -> bool:
        """Whether every port is still listened on."""
        return all(listener.listening for listener in self._listeners)

    def end(self) -> None:
        """Begin to stop, and return at once."""
        for listener in self._listeners:
            listener.end()

    def stop(self) -> None:
        """Accept nothing more, store and answer what came, and return."""
        for listener in self._listeners:
            listener.stop()
        self._deliveries.close()

    async def _route(self, scope: Message, receive: Receive, send: Send) -> None:
        path: Any = scope.get("path", "")
        app = self._pages if path in ("/healthz", "/readyz", "/metrics") else self._deliveries
        await app(scope, receive, send)
