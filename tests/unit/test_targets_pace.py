"""How many jobs are kept ahead of a worker."""

from __future__ import annotations

from reconcile.targets.pace import Pace


def paced(seconds):
    """A pace that has seen only calls of `seconds`."""
    pace = Pace()
    pace.note(seconds)
    return pace


def test_an_unknown_handler_gets_one_job_at_a_time():
    """Until a call was timed, nothing waits behind another."""
    assert (Pace().window, Pace().ahead) == (1, 2)


def test_a_slow_handler_gets_one_job_at_a_time():
    """A job behind a slow one would wait although another worker is free."""
    assert (paced(1.0).window, paced(1.0).ahead) == (1, 2)


def test_a_fast_handler_gets_a_batch():
    """Work ahead hides the way to the worker and back, within bounds."""
    assert paced(0.005).window == 11
    assert paced(0.0).window == 17
    assert paced(0.0).ahead == 128


def test_it_follows_a_handler_that_becomes_slow():
    """A few slow calls end the batches."""
    pace = paced(0.0005)
    for _ in range(3):
        pace.note(1.0)
    assert pace.window == 1


def test_how_long_work_will_take():
    """Nothing is promised of a handler that was never timed."""
    assert (Pace().time_for(7), paced(0.5).time_for(4)) == (0.0, 2.0)
