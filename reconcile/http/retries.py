"""Asking again: tenacity on exactly one kind of error, with full jitter, asleep only on the injected clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NoReturn

import tenacity

from reconcile.errors import BadAnswer, Retriable

FIRST_BACKOFF = 0.5  # seconds: the longest wait before the first retry; it doubles with each
LONGEST_BACKOFF = 30.0  # seconds


class Garbled(Retriable):
    """An answer whose body was not JSON; a `BadAnswer` once the attempts are used up."""


def full_jitter(longest: float) -> float:
    """Anything from 0 to `longest` seconds: clients that failed together do not come back together."""
    return random.uniform(0, longest)  # noqa: S311 # spreads load; nothing depends on it being secret


def retrying(
    kind: type[Retriable],
    attempts: int,
    sleep: Callable[[float, float], None],
    jitter: Callable[[float], float],
    again: Callable[[int, Retriable, float], None],
) -> tenacity.Retrying:
    """Calls again on `kind`, `attempts` times in all, and says in the last error how many they were.

    `sleep(asked, backoff)` gets the seconds the provider asked for and those of our own on top; `again(attempt, fault,
    seconds)` is told before it.
    """

    def before_sleep(state: tenacity.RetryCallState) -> None:
        backoff = jitter(min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** (state.attempt_number - 1)))
        fault = _fault(state)
        again(state.attempt_number, fault, (fault.retry_after or 0.0) + backoff)
        sleep(fault.retry_after or 0.0, backoff)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(kind),
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_none(),
        sleep=lambda _: None,  # `before_sleep` has slept: it knows the error, which `sleep` is not told
        before_sleep=before_sleep,
        retry_error_callback=_give_up,
    )


def _fault(state: tenacity.RetryCallState) -> Retriable:
    fault = state.outcome.exception() if state.outcome else None
    if not isinstance(fault, Retriable):
        raise TypeError("only a Retriable is tried again")
    return fault


def _give_up(state: tenacity.RetryCallState) -> NoReturn:
    fault = _fault(state)
    if isinstance(fault, Garbled):
        raise BadAnswer(f"{fault} (after {state.attempt_number} attempts)", status=200) from None
    raise type(fault)(f"{fault} (after {state.attempt_number} attempts)", retry_after=fault.retry_after) from None
