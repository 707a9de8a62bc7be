"""The runner in our own process, for simulation and debugging."""

from __future__ import annotations

import pytest
from support.clock import ManualClock
from support.pools import jobs

from reconcile import Handlers
from reconcile.targets.inprocess import InProcessTarget
from reconcile.targets.loading import LoadedHandler
from reconcile.targets.model import Verdict


class Crash(BaseException):
    """What a simulation ends the process with."""


def target(**by_topic) -> InProcessTarget:
    """Handlers that run the given callables."""
    handlers = Handlers()
    for topic, function in by_topic.items():
        handlers.on(topic)(function)
    return InProcessTarget(LoadedHandler(handlers), ManualClock(), secrets=["sk_test_dummy"])


def raises(error):
    """A handler that raises `error`."""

    def handler(event):
        raise error

    return handler


def test_nothing_runs_before_outcomes_are_asked():
    """Submitting queues; asking handles one after the other, in order."""
    seen = []
    made = target(a=lambda event: seen.append(event.id), b=lambda event: seen.append(event.id))
    made.submit(jobs("a", "b"))
    assert (seen, made.in_flight()) == ([], 2)
    first = next(iter(made.outcomes(9.0)))
    assert (first.verdict, first.marked, seen, made.in_flight()) == (Verdict.HANDLED, False, ["evt_1"], 1)
    assert [outcome.job.seq for outcome in made.outcomes(9.0)] == [2]


@pytest.mark.parametrize("error", [ValueError("x sk_test_dummy\n y"), SystemExit("x *** y"), GeneratorExit("x *** y")])
def test_what_a_handler_raises_is_a_failure(error):
    """H8: an exception or an exit fails its event, with a clean text; the next one is handled."""
    made = target(a=raises(error), b=lambda event: None)
    made.submit(jobs("a", "b"))
    failed, handled = made.outcomes(0.0)
    assert (failed.verdict, handled.verdict) == (Verdict.FAILED, Verdict.HANDLED)
    assert failed.error.startswith(f"{type(error).__name__}: x *** y (unit/test_targets_inprocess.py:")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Crash()])
def test_what_is_meant_for_us_passes(error):
    """The operator's Ctrl-C, and a simulated crash, are not the handler's failure."""
    made = target(a=raises(error))
    made.submit(jobs("a"))
    with pytest.raises(type(error)):
        list(made.outcomes(0.0))


def test_a_stop_gives_back_what_was_not_begun():
    """L2: what nobody tried does not count as tried."""
    made = target(a=lambda event: None)
    made.submit(jobs("a", "a", "a"))
    next(iter(made.outcomes(0.0)))
    assert [(outcome.verdict, outcome.error) for outcome in made.stop(8.0)] == [(Verdict.RELEASED, "")] * 2
    assert (made.in_flight(), made.stop(8.0)) == (0, [])


def test_a_session_must_come_from_somewhere():
    """A handler that takes a session cannot run without a ledger."""
    with pytest.raises(ValueError, match="needs `sessions`"):
        target(a=lambda event, session: None)
