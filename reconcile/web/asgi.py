"""The receiver as an ASGI application: `POST /webhooks/{source}`, and nothing else.

It is `Receiver.receive` with HTTP around it. The body is capped while it arrives, before anything looks at it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from reconcile.receiver import MAX_BODY, Answer, Receiver

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

#: Seconds until a delivery that still waits for the ledger is given back: Shopify hangs up after five.
PATIENCE = 4.0
_PATH = re.compile(r"/webhooks/([a-z0-9][a-z0-9-]*)/?")


class _TooLarge(Exception):
    """The body passed the cap while it came."""


class _Gone(Exception):
    """The client left before its body was whole."""


def receiver_app(receiver: Receiver) -> App:
    """An ASGI application that hands every delivery to `receiver`, in a thread of its own.

    Mounted below a prefix it looks at the rest of the path only.
    """

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            answer = await _answer(receiver, scope, receive)
            if answer is not None:
                await _respond(send, answer)

    return app


async def _answer(receiver: Receiver, scope: Message, receive: Receive) -> Answer | None:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    match = _PATH.fullmatch(path)
    if match is None:
        return Answer(404, "deliveries go to /webhooks/{source}")
    if scope["method"] != "POST":
        return Answer(405, "deliveries are POSTs")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    try:
        body = await _body(headers, receive)
    except _TooLarge:
        return Answer(413, f"more than {MAX_BODY} bytes")
    except _Gone:
        return None
    try:
        return await asyncio.wait_for(asyncio.to_thread(receiver.receive, match[1], headers, body), PATIENCE)
    except TimeoutError:
        # Should it be stored after all, the provider's next try is a repeat and changes nothing.
        return Answer(503, "the ledger is busy; send it again")


async def _body(headers: MutableMapping[str, str], receive: Receive) -> bytes:
    said = headers.get("content-length", "")
    if said.isdigit() and int(said) > MAX_BODY:
        raise _TooLarge
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            raise _TooLarge
        if not message.get("more_body", False):
            return b"".join(parts)


async def _respond(send: Send, answer: Answer) -> None:
    body = msgspec.json.encode({"status": answer.text})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if answer.status == 503:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
