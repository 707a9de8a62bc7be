"""What a status means: which error, and whether asking again can help."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from reconcile.errors import BadAnswer, CredentialsRefused, NotFound, ProviderError, Rejected, Retriable
from reconcile.http.answer import Answer
from reconcile.http.faults import NotDone
from reconcile.http.text import safe

RETRY_AFTER_CAP = 60.0  # seconds; what is asked beyond it is waited for by the next run
UNSAID_PAUSE = 1.0  # seconds a source rests after a 429 that names no time
_CREDENTIALS = {
    401: "the credentials are not accepted; renew them",
    403: "the credentials lack a permission for this; grant it",
}


def http_date(text: str | None) -> datetime | None:
    """The instant of a `Date` or `Retry-After` header, UTC; None if it is none."""
    try:
        found = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def retry_after(headers: httpx.Headers, now: datetime) -> float | None:
    """Seconds the provider asks us to wait, from 0 to `RETRY_AFTER_CAP`; None if it says nothing readable.

    Seconds come as `2` or `2.0` (Shopify), or as an HTTP date, which is compared with the answer's own `Date`.
    """
    text = headers.get("retry-after")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        until = http_date(text)
        if until is None:
            return None
        seconds = (until - (http_date(headers.get("date")) or now)).total_seconds()
    return None if math.isnan(seconds) else min(max(seconds, 0.0), RETRY_AFTER_CAP)


def verdict(answer: Answer, what: str, now: datetime) -> ProviderError | None:
    """The error `answer` stands for, None if it is a 2xx. `what` is the source, method and path."""
    status = answer.status
    if 200 <= status < 300:
        return None
    said = f"{what} answered {status}"
    if status in (401, 403):
        return CredentialsRefused(f"{said}{_quote(answer)}: {_CREDENTIALS[status]}, then run `reconcile check`")
    if status in (404, 410):
        return NotFound(f"{said}: it is not there; check base_url and the API version if it should be", status=status)
    if _passing(answer):
        return _retriable(answer, said, now)
    if 300 <= status < 400:
        return _redirect(answer, said)
    return Rejected(f"{said}{_quote(answer)}: the request is not accepted; it is not sent again", status=status)


def _passing(answer: Answer) -> bool:
    status = answer.status
    return status in (408, 425, 429) or status >= 500 or (status == 409 and _told_to_retry(answer.headers))


def _told_to_retry(headers: httpx.Headers) -> bool:
    """A 409 is a lock that timed out only where the provider says so: `<Provider>-Should-Retry: true`."""
    return any(name.endswith("should-retry") and value == "true" for name, value in headers.items())


def _retriable(answer: Answer, said: str, now: datetime) -> Retriable:
    wait = retry_after(answer.headers, now)
    if answer.status == 429:
        wait = UNSAID_PAUSE if wait is None else wait
        advice = "the rate limit is reached; lower `http.rate` or run again later"
        return NotDone(f"{said}: {advice}", retry_after=wait)
    if answer.status == 425:  # RFC 8470: it was not looked at, as it might have been a replay of what TLS sent early
        return NotDone(
            f"{said}: it came too early for what stands before the provider; run again later", retry_after=wait
        )
    return Retriable(f"{said}: the provider has trouble; run again later", retry_after=wait)


def _redirect(answer: Answer, said: str) -> BadAnswer:
    try:
        host = safe(httpx.URL(answer.headers.get("location", "")).host) or "the same host"
    except (httpx.InvalidURL, UnicodeError):
        host = "an address that is no URL"
    return BadAnswer(
        f"{said}: it redirects to {host}, which may leave the configured origin and was not followed; "
        "set base_url to the provider's final address",
        status=answer.status,
    )


def _quote(answer: Answer) -> str:
    excerpt = answer.excerpt()
    return f" ({excerpt})" if excerpt else ""
