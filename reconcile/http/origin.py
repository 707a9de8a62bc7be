"""Where requests may go: one scheme, host and port, fixed when the client is made.

httpx sends its headers to wherever an absolute URL points, and a `next` link is the provider's text, so every
URL is compared with the *configured* origin and then rebuilt from it: what leaves us cannot name another host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

import httpx

from reconcile.errors import BadAnswer, ConfigError
from reconcile.http.text import safe

Params = Mapping[str, str | int | Sequence[str]] | Sequence[tuple[str, str | int]]

_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine: `localhost`, or an address in 127.0.0.0/8 or ::1; never by its looks."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Origin:
    """`https://host[:port]` of one source. Raises `ConfigError` if `text` is anything else.

    Plain `http` is accepted for loopback addresses only.
    """

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._base = _parse(text, source)
        self._place = _place(self._base)

    def __str__(self) -> str:
        return str(self._base).rstrip("/")

    def resolve(self, target: str, params: Params | None = None) -> httpx.URL:
        """The URL to ask: a path of this origin, or an absolute URL within it, its query kept as it is.

        Raises `BadAnswer` before a byte is sent when it is neither. `params` are added to its query.
        """
        try:
            asked = httpx.URL(target)
        except (httpx.InvalidURL, UnicodeError) as fault:
            raise BadAnswer(f"{self._source}: the provider gave a link that is no URL; report it") from fault
        if not target.startswith("/") or asked.host:
            self._pin(asked)
        url = self._base.copy_with(raw_path=asked.raw_path)
        return url.copy_merge_params(httpx.QueryParams(params)) if params else url  # type: ignore[arg-type] # httpx takes any Mapping, its annotation does not say so

    def _pin(self, asked: httpx.URL) -> None:
        if not asked.host or asked.userinfo or _place(asked) != self._place:
            where = safe(f"{asked.scheme or '?'}://{asked.host or '?'}", 80)
            raise BadAnswer(
                f"{self._source}: the next address ({where}) would leave configured origin {self}; nothing was "
                "sent there: set `base_url` if the provider has moved, else report it to the provider"
            )


def _parse(text: str, source: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError, TypeError):
        raise ConfigError(f"{source}: base_url is not a URL") from None
    if not url.host or url.scheme not in _PORTS:
        raise ConfigError(f"{source}: base_url must be https://host")
    if url.userinfo or url.query or url.fragment or url.path not in ("", "/"):
        raise ConfigError(f"{source}: base_url must be https://host[:port], with no user, path or query")
    if url.scheme == "http" and not is_loopback(url.host):
        raise ConfigError(f"{source}: base_url must be https (http is for loopback addresses only)")
    return url


def _place(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port or _PORTS.get(url.scheme)
