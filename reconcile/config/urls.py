"""URLs and addresses an operator may write, and those refused. Messages never repeat the value."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from reconcile.http.origin import is_loopback

_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]\\]+@[^@\s<>,;:\"()\[\]\\]+")
_LEDGERS = "must be sqlite:///file.db or postgresql://user:password@host/database"


def split_url(url: str) -> SplitResult:
    """The parts of an `http` or `https` URL. Raises `ValueError`, also for a password or fragment."""
    # urlsplit drops tabs and line breaks without a word, so they are looked for first
    if not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("must be a URL without spaces, line breaks or backslashes")
    try:
        parts = urlsplit(url)
        usable = parts.port != 0 and bool(parts.hostname)
    except ValueError:
        raise ValueError("must be a URL such as https://host/path") from None
    if parts.scheme not in {"http", "https"} or not usable:
        raise ValueError("must be a URL such as https://host/path")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("must not carry a user, a password or a #fragment")
    return parts


def web_url(url: str) -> str:
    """An `https` URL, or `http` to this machine. Raises `ValueError`."""
    parts = split_url(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("must be https")
    return url


def origin_url(url: str) -> str:
    """`https://host[:port]` without anything after it, a closing slash taken off. Raises `ValueError`."""
    parts = urlsplit(web_url(url))
    if parts.path not in {"", "/"} or parts.query:
        raise ValueError("must be a scheme and a host only, such as https://host")
    return url.removesuffix("/")


def same_url(one: str, other: str) -> bool:
    """Whether two URLs reach one place: case of the host, default ports and a closing slash do not count."""
    return _normal(one) == _normal(other)


def shown(url: str) -> str:
    """A URL without its query, where some keep tokens."""
    return url.partition("?")[0]


def _normal(url: str) -> tuple[str, str, int, str, str]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return parts.scheme, parts.hostname or "", port, parts.path.rstrip("/"), parts.query


def ledger_url(url: str, folder: Path) -> str:
    """A ledger's database URL, a relative SQLite path made absolute from `folder`. Raises `ValueError`."""
    if not url.isprintable():
        raise ValueError(_LEDGERS)
    scheme, separator, rest = url.partition("://")
    if scheme in {"postgresql", "postgresql+psycopg"} and separator and rest:
        return url
    file, question, query = rest.removeprefix("/").partition("?")
    if scheme != "sqlite" or not rest.startswith("/") or file in {"", "/", ":memory:"}:
        raise ValueError(_LEDGERS)
    return f"sqlite:///{folder / file}{question}{query}"


def smtp_url(url: str) -> str:
    """`smtp://user:password@host:587`, `smtps://host:465`, or `?tls=off` after it. Raises `ValueError`."""
    example = "must be smtp://user:password@host:587 or smtps://user:password@host:465"
    try:
        parts = urlsplit(url)
        usable = parts.port != 0 and bool(parts.hostname)
    except ValueError:
        raise ValueError(example) from None
    if not url.isprintable() or parts.scheme not in {"smtp", "smtps"} or not usable or parts.path not in {"", "/"}:
        raise ValueError(example)
    if parts.query and (parts.query != "tls=off" or parts.scheme == "smtps"):
        raise ValueError("may end with ?tls=off after smtp://, and with nothing else")
    if parts.query and parts.username and not is_loopback(parts.hostname or ""):
        raise ValueError("must not send a password in the clear: leave out ?tls=off")
    return url


def mail_address(text: str) -> str:
    """A bare e-mail address, in ASCII. Raises `ValueError`, also for what could break out of a mail header."""
    if not (text.isascii() and text.isprintable() and _ADDRESS.fullmatch(text)):
        raise ValueError("must be an e-mail address such as ops@example.com")
    return text
