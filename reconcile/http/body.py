"""How much an answer may bring, counted in decoded bytes while it streams.

httpx inflates each chunk whole before anyone can look at it; 48 KB of gzip can be 50 MB. Here zlib is told how
much it may produce, so memory is bounded by the limit whatever the provider sends.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Protocol

import httpx

from reconcile.http.faults import CutShort, TooLarge, UnknownEncoding

_DETECT = zlib.MAX_WBITS | 32  # gzip or zlib, by their first bytes
_MEMBER = b"\x1f"  # the first byte of a gzip member
_PLAIN = ("", "identity")
_ZIPPED = ("gzip", "x-gzip", "deflate")


class _Decoder(Protocol):
    def feed(self, chunk: bytes, room: int) -> bytes: ...

    def finish(self) -> None: ...


class _Identity:
    def feed(self, chunk: bytes, room: int) -> bytes:  # noqa: ARG002 # the caller counts what comes out
        return chunk

    def finish(self) -> None:
        return


class _Inflate:
    """A gzip body may be several in a row (RFC 1952, 2.2); what follows and is none is nobody's."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_DETECT)

    def feed(self, chunk: bytes, room: int) -> bytes:
        parts = []
        while room >= 0 and chunk:
            if self._zlib.eof:
                if not chunk.startswith(_MEMBER):
                    break
                self._zlib = zlib.decompressobj(_DETECT)
            parts.append(self._inflate(chunk, room))
            room -= len(parts[-1])
            chunk = self._zlib.unused_data
        return b"".join(parts)

    def _inflate(self, chunk: bytes, room: int) -> bytes:
        try:
            return self._zlib.decompress(chunk, room + 1)
        except zlib.error as fault:
            raise CutShort from fault

    def finish(self) -> None:
        if not self._zlib.eof:
            raise CutShort


def read_body(response: httpx.Response, limit: int, check: Callable[[], None]) -> bytes:
    """The decoded body, at most `limit` bytes of it; `check` is called between chunks and may raise.

    Reads the wire's bytes from `response.stream`. Raises `TooLarge`, `CutShort` or `UnknownEncoding`.
    """
    decoder = _decoder(response.headers.get("content-encoding", "").strip().lower())
    parts, room = [], limit
    for chunk in _stream(response):
        check()
        part = decoder.feed(chunk, room)
        room -= len(part)
        if room < 0:
            raise TooLarge
        parts.append(part)
    check()
    if parts:
        decoder.finish()
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _decoder(encoding: str) -> _Decoder:
    if encoding in _PLAIN:
        return _Identity()
    if encoding in _ZIPPED:
        return _Inflate()
    raise UnknownEncoding


def _stream(response: httpx.Response) -> Iterable[bytes]:
    if not isinstance(response.stream, httpx.SyncByteStream):
        raise TypeError("a transport must answer with a synchronous stream")
    return response.stream
