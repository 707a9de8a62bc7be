"""A dispatcher with real workers, killed wherever it may be: the next one ends the work, effects exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from support.effects import APP, effects
from support.pools import pool, write_app
from support.rows import add_event, event, states
from support.targets import a_source

from reconcile.clock import Stop, SystemClock
from reconcile.dispatch import Dispatcher
from reconcile.ledger import gaps
from reconcile.ledger.process import Holder
from reconcile.model import EventState

HANDLER = (
    APP
    + """
@handlers.on("orders/updated")
def save(event, session):
    write(session, event)
    if event.id == "evt_bad":
        raise ValueError("poison")
"""
)

CHILD = textwrap.dedent(
    """
    import sys
    sys.path.insert(0, sys.argv[1])
    from datetime import timedelta
    from pathlib import Path
    from support.targets import a_source
    from reconcile.clock import Stop, SystemClock
    from reconcile.dispatch import Dispatcher
    from reconcile.ledger import Ledger
    from reconcile.ledger.process import Holder
    from reconcile.targets.pool import PythonTarget

    url, reference, folder = sys.argv[2:]
    clock = SystemClock()
    ledger = Ledger.open(url, clock)
    target = PythonTarget(reference, Path(folder), clock, ledger_url=url, timeout=30.0, workers=2)
    dispatcher = Dispatcher(ledger=ledger, source=a_source(), target=target, clock=clock, stop=Stop(),
                            owner=Holder.me().name)
    dispatcher.drain(ledger.now())
    target.close()
    """
)


@pytest.fixture
def filled(ledger):
    """Twelve events about four subjects, and the table their handler writes to."""
    with ledger.write() as tx:
        tx.connection.execute(text("create table app_effect (note text)"))
        return [add_event(tx, subject_id=str(n % 4), id=f"evt_{n:02}") for n in range(12)]


def drain(ledger, ledger_url, folder, wait=timedelta()):
    clock = SystemClock()
    target = pool(folder, HANDLER, url=ledger_url, workers=2)
    try:
        source = a_source(retry=(timedelta(milliseconds=200),))
        return Dispatcher(
            ledger=ledger, source=source, target=target, clock=clock, stop=Stop(), owner=Holder.me().name
        ).drain(ledger.now() + wait)
    finally:
        target.close()


def test_effects_and_marks(ledger, ledger_url, filled, tmp_path):
    """H2, H8: every effect once, together with its mark; a failing handler leaves none and stops nobody else."""
    with ledger.write() as tx:
        bad = add_event(tx, subject_id="9", id="evt_bad")
    tally = drain(ledger, ledger_url, tmp_path)
    assert (tally.handled, tally.failed, tally.pending) == (12, 1, 1)
    assert effects(ledger) == [f"evt_{n:02}" for n in range(12)]
    assert "poison" in event(ledger, bad).error
    assert [event(ledger, seq).attempts for seq in filled] == [1] * 12


@pytest.mark.parametrize(
    "place",
    [
        "dispatch.claimed=kill@1",
        "dispatch.before_mark=kill@2",
        "dispatch.marked=kill@1",
    ],
)
def test_killed_anywhere(ledger, ledger_url, filled, tmp_path, place):
    """H2, L3: a dispatcher killed at any place, and the next one; effects are exactly one per event, none is lost."""
    reference = write_app(tmp_path, HANDLER)
    support = str(Path(__file__).parents[1])
    killed = subprocess.run(
        [sys.executable, "-c", CHILD, support, ledger_url, reference, str(tmp_path)],
        env=os.environ | {"RECONCILE_FAILPOINTS": place},
        check=False,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    # An event that was alone when its dispatcher died counts it as a failed attempt, and waits for its retry.
    drain(ledger, ledger_url, tmp_path, wait=timedelta(seconds=20))
    assert set(states(ledger, *filled)) == {EventState.HANDLED}
    assert set(Counter(effects(ledger)).values()) == {1}
    with ledger.read() as tx:
        assert gaps.find(tx) == []
