"""What a broken exchange means: our error for it, in words that hold neither header values nor queries.

httpx quotes the header it chokes on, ours or theirs, so its own texts never reach a message or a traceback.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

import httpx

from reconcile.errors import BadAnswer, ProviderError, Rejected, Retriable


class NotDone(Retriable):
    """A passing fault after which the provider surely did nothing: no connection, or a rate limit."""


class BodyFault(Exception):
    """A body that cannot be used; raised while it streams."""


class TooLarge(BodyFault):
    """More decoded bytes than allowed."""


class CutShort(BodyFault):
    """Compressed data that ends early or is corrupt."""


class UnknownEncoding(BodyFault):
    """A `Content-Encoding` that was not asked for."""


class DeadlinePassed(BodyFault):
    """The attempt's time is used up."""


EXCHANGE_FAULTS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, BodyFault, UnicodeError)

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_OLD_TLS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION")
_NO_TLS = "WRONG_VERSION_NUMBER"
_WORDS: dict[type[Exception], str] = {
    httpx.ConnectError: "cannot connect to {at} ({why})",
    httpx.ConnectTimeout: "took too long to connect",
    httpx.PoolTimeout: "found no free connection in time",
    httpx.TimeoutException: "did not answer in time",
    httpx.RemoteProtocolError: "broke off its answer, or does not speak HTTP",
    httpx.NetworkError: "lost the connection",
    CutShort: "sent compressed data that is cut short",
    DeadlinePassed: "did not finish its answer in time",
}


def explain(fault: Exception, what: str, max_body: int, at: str) -> ProviderError:
    """Our error for `fault`, one of `EXCHANGE_FAULTS`, while doing `what` (source, method and path) at an origin."""
    if (refused := _tls_refusal(fault)) is not None:
        return Rejected(
            f"{what}: the TLS connection is not trustworthy ({refused}); nothing was sent: "
            "check base_url and the machine's date; only certificates of public authorities are trusted"
        )
    if (final := _final(fault, max_body)) is not None:
        return type(final)(f"{what}: {final}")
    words = next((text for kind, text in _WORDS.items() if isinstance(fault, kind)), "failed on the network")
    said = words.format(at=at, why=_why(fault))
    kind = NotDone if isinstance(fault, _NOT_SENT) else Retriable
    return kind(f"{what}: {said}; if it lasts, check the network and the provider's status page, then run again")


def _final(fault: Exception, max_body: int) -> Rejected | None:
    if isinstance(fault, TooLarge):
        return BadAnswer(f"the answer is larger than {max_body} bytes; raise `http.max_body` if that is right")
    if isinstance(fault, UnknownEncoding):
        return BadAnswer("the answer is in an encoding that was not asked for; check for a proxy in between")
    if isinstance(fault, (httpx.LocalProtocolError, UnicodeError, httpx.InvalidURL)):
        return Rejected("the request is not valid HTTP; look for line breaks or stray characters in the credentials")
    return None


def _tls_refusal(fault: BaseException) -> str | None:
    for cause in _causes(fault):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError) and cause.reason in _OLD_TLS:
            return "a TLS version older than 1.2"
    return None


def _why(fault: BaseException) -> str:
    """What the system says of it, else where to look."""
    for cause in _causes(fault):
        if isinstance(cause, socket.gaierror):
            return "its name is not known here"
        if isinstance(cause, ssl.SSLError):
            return "what answers there speaks no TLS" if cause.reason == _NO_TLS else f"TLS failed: {cause.reason}"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
    return "name, network or proxy"


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    while fault is not None:
        yield fault
        fault = fault.__cause__ or fault.__context__
