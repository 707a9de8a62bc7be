"""The receiver as an ASGI application: `POST /webhooks/{source}`, and nothing else.

It is `Receiver` with HTTP around it. The body is capped while it arrives, before anything looks at it; deliveries that
come together share a commit.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from reconcile.receiver import MAX_BODY, TOO_LARGE, Answer, Entry, Receiver
from reconcile.receiving.answer import BUSY, NOT_STORED
from reconcile.receiving.committer import Committer
from reconcile.receiving.parcel import Parcel
from reconcile.web.answers import Answers

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: Bytes of bodies that may be in memory at once.
ROOM = 256_000_000
#: Seconds in which a body has to arrive: no provider waits longer for its answer.
BODY_SECONDS = 20.0
#: Bytes from which on a body is verified and read in a thread, so that others are not kept waiting meanwhile.
LARGE = 200_000

_PATH = re.compile(r"/webhooks/([a-z0-9][a-z0-9-]*)/?")
_HIDDEN_SLASH = re.compile(rb"%2f|%5c", re.IGNORECASE)
_NO_PATH = Answer(404, "deliveries go to /webhooks/{source}", reason="path")
_NOT_POST = Answer(405, "deliveries are POSTs", reason="method")
_TOO_SLOW = Answer(408, "the body did not arrive in time", reason="too_slow")


class _Refused(Exception):
    """The body was not read to its end; `answer` is None when nobody is left to hear one."""

    def __init__(self, answer: Answer | None) -> None:
        self.answer = answer


class ReceiverApp:
    """An ASGI application that hands every delivery to `receiver`.

    Mounted below a prefix it looks at the rest of the path only. `close` ends its thread once all that waits is stored.
    """

    def __init__(self, receiver: Receiver, committer: Committer | None = None) -> None:
        self._receiver = receiver
        self._committer = committer or Committer(receiver.store, receiver.clock.monotonic)
        self._answers = Answers()
        self._held = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One connection's request, or the server's start and end."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            if answer is not None:
                await respond(send, answer)

    def close(self) -> None:
        """Store what waits, and end."""
        self._committer.close()

    async def _answer(self, scope: Message, receive: Receive) -> Answer | None:
        match = _PATH.fullmatch(scope["path"].removeprefix(scope.get("root_path", "")))
        if match is None or _HIDDEN_SLASH.search(scope.get("raw_path") or b""):
            return self._receiver.refuse("", _NO_PATH)
        if scope["method"] != "POST":
            return self._receiver.refuse("", _NOT_POST)
        headers = _headers(scope)
        entry = self._receiver.enter(match[1], headers, (scope.get("client") or ("",))[0])
        return entry if isinstance(entry, Answer) else await self._deliver(entry, headers, receive)

    async def _deliver(self, entry: Entry, headers: dict[str, str], receive: Receive) -> Answer | None:
        body = _Body(self)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                whole = await body.read(headers, receive)
            taken = await self._take(entry, headers, whole)
            if isinstance(taken, Parcel):
                return await self._store(entry, taken)
            return self._receiver.refuse(entry.source.name, taken)
        except TimeoutError:
            return self._receiver.refuse(entry.source.name, _TOO_SLOW)
        except _Refused as refused:
            return refused.answer and self._receiver.refuse(entry.source.name, refused.answer)
        finally:
            self._held -= body.size

    def hold(self, size: int) -> bool:
        """Whether so many bytes more may be kept in memory; they count until their delivery is answered."""
        self._held += size
        return self._held <= ROOM

    async def _take(self, entry: Entry, headers: dict[str, str], body: bytes) -> Parcel | Answer:
        receiver = self._receiver
        if len(body) < LARGE:
            taken = receiver.take(entry, headers, body)
        else:
            taken = await asyncio.to_thread(receiver.take, entry, headers, body)
        if receiver.due(entry, taken) and await asyncio.to_thread(receiver.renew, entry, taken):
            taken = await asyncio.to_thread(receiver.take, entry, headers, body)
        return taken

    async def _store(self, entry: Entry, parcel: Parcel) -> Answer:
        answer, tell = self._answers.expect()
        if not self._committer.submit(parcel, tell):
            return self._receiver.refuse(entry.source.name, BUSY, parcel)
        # Should it be stored after all, the provider's next try is a repeat and changes nothing.
        late = asyncio.get_running_loop().call_later(self._committer.patience, tell, NOT_STORED)
        try:
            said: Answer = await answer
        finally:
            late.cancel()
        return said if said.status == 200 else self._receiver.refuse(entry.source.name, said, parcel)


class _Body:
    """One body as it arrives. `size` is what it holds of the room for all of them."""

    def __init__(self, app: ReceiverApp) -> None:
        self._app = app
        self.size = 0

    async def read(self, headers: dict[str, str], receive: Receive) -> bytes:
        """All of it; raises `_Refused` as soon as it is too much, or its sender is gone."""
        said = headers.get("content-length", "")
        if said.isascii() and said.isdigit() and (len(said) > 18 or int(said) > MAX_BODY):
            raise _Refused(TOO_LARGE)
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Refused(None)
            parts.append(message.get("body", b""))
            self._count(len(parts[-1]))
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def _count(self, size: int) -> None:
        self.size += size
        fits = self._app.hold(size)
        if self.size > MAX_BODY:
            raise _Refused(TOO_LARGE)
        if not fits:
            raise _Refused(BUSY)


def receiver_app(receiver: Receiver) -> ReceiverApp:
    """An ASGI application that hands every delivery to `receiver`."""
    return ReceiverApp(receiver)


def _headers(scope: Message) -> dict[str, str]:
    """By lower-case name; one that came several times as RFC 9110 joins them, so that none hides another."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


async def respond(send: Send, answer: Answer) -> None:
    """Send `answer` as a small JSON document."""
    body = msgspec.json.encode({"status": answer.text})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if answer.retry_after:
        headers.append((b"retry-after", str(answer.retry_after).encode()))
    if answer.status == 405:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
