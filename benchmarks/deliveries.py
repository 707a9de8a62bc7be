"""A provider that delivers as fast as it is answered, from a process of its own: raw sockets, requests made beforehand.

Used by `receiver.py`; prints one JSON document: deliveries a second, and the 50th and 99th percentile in milliseconds.
Run: python benchmarks/deliveries.py PORT CLIENTS DELIVERIES FIRST
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from connectors.shopify.signature import digest

SECRET = "whsec_dummy_hush"  # noqa: S105 - an obvious dummy
AT = "2026-11-02T10:00:00Z"


def request(number: int) -> bytes:
    """A signed delivery of 2 KB about an order of its own."""
    body = f'{{"id": {number}, "created_at": "{AT}", "updated_at": "{AT}", "note": "{"x" * 1900}"}}'.encode()
    head = (
        "POST /webhooks/shop HTTP/1.1\r\nHost: hooks.acme.example\r\nContent-Type: application/json\r\n"
        f"X-Shopify-Topic: orders/create\r\nX-Shopify-Webhook-Id: delivery-{number}\r\n"
        f"X-Shopify-Hmac-Sha256: {digest(SECRET, body).decode()}\r\nX-Shopify-Shop-Domain: acme.myshopify.com\r\n"
        f"X-Shopify-API-Version: 2026-10\r\nUser-Agent: Shopify-Captain-Hook\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client(asyncio.Protocol):
    """Sends the next one as soon as the last is answered."""

    def __init__(self, left: list[bytes], took: list[float], done: asyncio.Future[None]) -> None:
        self._left = left
        self._took = took
        self._done = done
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.endswith(b"}"):
            return
        assert self._answer.startswith(b"HTTP/1.1 200"), self._answer
        self._took.append(time.perf_counter() - self._sent)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server hung up"))

    def _next(self) -> None:
        self._answer = b""
        if self._left:
            self._sent = time.perf_counter()
            self._transport.write(self._left.pop())
        elif not self._done.done():
            self._done.set_result(None)


async def deliver(port: int, clients: int, requests: list[bytes]) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    took: list[float] = []
    number = len(requests)
    ends = [loop.create_future() for _ in range(clients)]
    started = time.perf_counter()
    for end in ends:
        await loop.create_connection(lambda end=end: Client(requests, took, end), "127.0.0.1", port)
    await asyncio.gather(*ends)
    seconds = time.perf_counter() - started
    took.sort()
    assert len(took) == number
    return {
        "rate": number / seconds,
        "p50": took[number // 2] * 1000,
        "p99": took[min(number - 1, number * 99 // 100)] * 1000,
    }


def main() -> None:
    port, clients, deliveries, first = map(int, sys.argv[1:])
    requests = [request(first + number) for number in range(deliveries)]
    print(json.dumps(asyncio.run(deliver(port, clients, requests))))


if __name__ == "__main__":
    main()
