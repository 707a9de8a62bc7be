"""Loading a handler on trial: whatever its module does while it is imported, it does not do to us."""

from __future__ import annotations

import pytest

from reconcile.clock import Stop, SystemClock
from reconcile.errors import Stopped
from reconcile.targets import child, trial, wire

GOOD = """\
import os
from reconcile import Handlers
os.write(1, b"a module may print\\n")
handlers = Handlers()
@handlers.on("orders/*")
def take(event, session): ...
"""
BAD = {
    "exits": "import sys; sys.exit(0)",
    "vanishes": "import os; os._exit(0)",
    "crashes": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
}
WAITS = "import threading; threading.Event().wait()"


@pytest.fixture
def loaded(tmp_path):
    """Loads `handlers` of every module given by name and text."""

    def load(**modules):
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
        found = trial.load([f"{name}:handlers" for name in modules], tmp_path, SystemClock(), Stop())
        return {reference.partition(":")[0]: verdict for reference, verdict in found.items()}

    return load


def test_each_is_loaded_in_a_process_of_its_own(loaded, capfd):
    """What ends or kills its process while it is imported is named with how; the others are loaded all the same,
    without a ledger, and nothing they print is on our stdout.
    """
    found = loaded(good=GOOD, **BAD)
    assert found.pop("good") == wire.Ready(takes_session=True, topics=["orders/*"])
    assert "SystemExit: 0" in found.pop("exits").error
    assert {name: one.error.removeprefix(f"handler {name}:handlers: ") for name, one in found.items()} == {
        "vanishes": "importing vanishes failed: the worker ended with status 0",
        "crashes": "importing crashes failed: the worker was killed by SIGKILL",
    }
    assert all(isinstance(one, trial.Ended) for one in found.values())
    assert capfd.readouterr().out == ""


def test_one_that_never_ends_is_given_up(loaded, monkeypatch):
    """L2: a module that waits while it is imported costs a minute, not the run."""
    monkeypatch.setattr(trial, "PATIENCE", 0.0)
    (verdict,) = loaded(waits=WAITS).values()
    assert verdict == trial.Ended("handler waits:handlers: importing waits failed: it takes longer than 0 s")


def test_a_module_is_read_as_it_is_now(loaded):
    """A daemon that reads its configuration anew must not judge by the module it imported long ago."""
    assert isinstance(loaded(app=GOOD)["app"], wire.Ready)
    assert isinstance(loaded(app="broken")["app"], wire.Broken)


def test_a_stop_ends_a_trial_and_its_processes(tmp_path, monkeypatch):
    """L2: nobody waits a minute for a module that hangs, and nothing is left running."""
    (tmp_path / "waits.py").write_text(WAITS)
    buried = []
    bury = child.Child.bury
    monkeypatch.setattr(child.Child, "bury", lambda one: buried.append(bury(one)))
    stop = Stop()
    stop.set()
    with pytest.raises(Stopped):
        trial.load(["waits:handlers"], tmp_path, SystemClock(), stop)
    assert buried == ["the worker was killed by SIGKILL"]
