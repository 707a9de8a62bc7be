"""What came back, and reading it as JSON."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar, cast

import httpx
import msgspec

from reconcile import surrogates
from reconcile.errors import BadAnswer
from reconcile.http.text import hide, safe

T = TypeVar("T")

_LOOKED_AT = 4096  # bytes of a body that an error's excerpt is taken from


class NotJson(BadAnswer):
    """A body that ends early or is garbled: asking again may bring a whole one."""


@dataclass(frozen=True)
class Answer:
    """A complete answer: `content` is decoded bytes, `url` what was asked, its query included."""

    status: int
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)
    url: str = field(repr=False)
    source: str = ""
    hide: Callable[[str], str] = field(default=str, repr=False, compare=False)

    def decode(self, shape: type[T] | msgspec.json.Decoder[T]) -> T:
        """The body as `shape`. Raises `BadAnswer` for HTML, broken JSON, bad UTF-8 or another shape.

        A `msgspec.Raw` inside `shape` keeps its bytes unread, so the whole body is checked to be UTF-8 here.
        """
        decoder = shape if isinstance(shape, msgspec.json.Decoder) else _decoder(shape)  # type: ignore[arg-type] # a type hashes
        try:
            value = surrogates.decode(decoder, self.content)
            if not self.content.isascii():
                self.content.decode()
        except (msgspec.ValidationError, RecursionError) as fault:
            raise self._unexpected(BadAnswer, _reason(fault)) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            kind = BadAnswer if self._is_markup() else NotJson
            raise self._unexpected(kind, "not JSON") from None
        return cast("T", value)

    def excerpt(self) -> str:
        """The first 80 characters of the body that are safe to show: no controls, credentials or query values."""
        text = self.content[:_LOOKED_AT].decode(errors="replace")
        return safe(hide(self.hide(text), httpx.URL(self.url).params.values()))

    def _unexpected(self, kind: type[BadAnswer], why: str) -> BadAnswer:
        path = safe(httpx.URL(self.url).path)
        return kind(
            f"{self.source or 'the provider'}: the answer of {path} is not the expected list or object ({why}): "
            f"{self.excerpt()!r}; check base_url and the API version, then run again",
            status=self.status,
        )

    def _is_markup(self) -> bool:
        return self.content.lstrip()[:1] == b"<" or "html" in self.headers.get("content-type", "")


def _reason(fault: Exception) -> str:
    return "nested too deeply" if isinstance(fault, RecursionError) else safe(str(fault))


@lru_cache(maxsize=256)
def _decoder(shape: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast("type[Any]", shape))
