"""What the status of a handler's URL means. Pure."""

from __future__ import annotations

from reconcile.targets.model import Verdict

#: The event itself is refused; sending it again cannot help, so it is dead at once.
_REFUSED = frozenset({400, 410, 413, 422})
#: Not about this event: the endpoint is not there, does not know us, or has no time.
_UNREACHABLE = frozenset({401, 403, 404, 405, 429})
_REMEDIES = {
    401: "the handler does not accept our signature; compare webhook.secret with its own",
    403: "the handler does not accept our signature; compare webhook.secret with its own",
    404: "check the path of `handler`",
    405: "check the path of `handler`: it must take POST",
    421: "the handler URL leads back to our own receiver; name the application's own endpoint",
}


def verdict_of(status: int) -> tuple[Verdict, str]:
    """The verdict for an HTTP status, and what to say of it: "" when handled. Only 2xx is."""
    if 200 <= status < 300:
        return Verdict.HANDLED, ""
    error = f"the handler answered {status}"
    if 300 <= status < 400:
        error += ", a redirect, which is not followed; put the final URL into `handler`"
    elif status in _REMEDIES:
        error += f"; {_REMEDIES[status]}"
    return _verdict(status), error


def _verdict(status: int) -> Verdict:
    if status in _REFUSED:
        return Verdict.REJECTED
    if status in _UNREACHABLE or status >= 500:
        return Verdict.UNREACHABLE
    return Verdict.FAILED
