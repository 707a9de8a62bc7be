"""Stopping a pool, and workers whose parent was killed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys

import pytest
from support.effects import APP, claimed, effects
from support.pools import PATIENCE, jobs, pool, run, write_app
from support.rows import states

from reconcile.clock import SystemClock
from reconcile.targets.model import Verdict


@pytest.fixture
def gate(tmp_path):
    """A pipe that a handler opens as soon as it runs: opening the other end waits for that."""
    os.mkfifo(tmp_path / "gate")
    return tmp_path / "gate"


def waits(gate, then="threading.Event().wait()") -> str:
    """Handlers: `waits` says at the gate that it runs, reads it to the end, then does `then`; all others do nothing."""
    return f"""
    @handlers.on("waits")
    def waits(event):
        open({str(gate)!r}).read()
        {then}
    @handlers.on("*")
    def ok(event): ...
    """


def test_a_stop_lets_running_calls_finish(tmp_path, gate):
    """L2: what runs may finish within the grace, what waits is given back untried."""
    target = pool(tmp_path, waits(gate, "pass"))
    target.submit(jobs("waits", "ok.1", "ok.2"))
    with gate.open("w"):  # it runs now
        pass
    found = {outcome.job.event.topic: outcome for outcome in target.stop(PATIENCE)}
    assert found["waits"].verdict is Verdict.HANDLED
    rest = [found[topic] for topic in ("ok.1", "ok.2")]
    assert all(o.error == "" and o.verdict in (Verdict.RELEASED, Verdict.HANDLED) for o in rest)
    assert target.in_flight() == 0


def test_a_stop_kills_what_does_not_finish(tmp_path, gate):
    """L2: after the grace the worker is killed and the claim given back, marked as cut off; nothing waits for ever."""
    target = pool(tmp_path, waits(gate))
    target.submit(jobs("waits", "ok.1", "ok.2"))
    gate.open("w").close()
    clock = SystemClock()
    began = clock.monotonic()
    found = {outcome.job.event.topic: outcome for outcome in target.stop(0.3)}
    assert 0.3 <= clock.monotonic() - began < 10
    assert {outcome.verdict for outcome in found.values()} == {Verdict.RELEASED}
    assert found["waits"].error == "stopped while it was running; whether it had its effect is not known"
    assert found["ok.1"].error == found["ok.2"].error == ""
    assert target.stop(0.0) == []


def test_jobs_after_a_stop_are_given_back(tmp_path):
    """Nothing is begun after a stop, and nothing is forgotten."""
    target = pool(tmp_path, "@handlers.on('*')\ndef ok(event): ...")
    target.stop(PATIENCE)
    target.submit(jobs("a", "b"))
    assert [outcome.verdict for outcome in target.outcomes(0.0)] == [Verdict.RELEASED] * 2
    target.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_every_process_is_the_parents_to_judge(tmp_path, gate, number):
    """L2: a service manager signals workers too; the running call still gets its grace."""
    target = pool(tmp_path, waits(gate, "pass"))
    target.submit(jobs("waits"))
    with gate.open("w"):
        for child in target._crew._children:
            os.kill(child._process.pid, number)
    (outcome,) = target.stop(PATIENCE)
    assert outcome.verdict is Verdict.HANDLED


def test_a_handler_may_end_its_own_subprocesses(tmp_path):
    """The worker's way with signals is not inherited by what a handler starts."""
    code = """
    import subprocess
    @handlers.on("*")
    def starts(event):
        child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        child.terminate()
        raise ValueError(child.wait())
    """
    target = pool(tmp_path, code)
    assert run(target, jobs("a"))["a"].error.startswith("ValueError: -15")
    target.close()


def test_a_killed_worker_takes_its_subprocesses_along(tmp_path, gate):
    """What a hung handler started does not outlive it."""
    code = f"""
    import subprocess
    @handlers.on("*")
    def starts(event):
        code = "import signal; open({str(gate)!r}, 'w'); kept = open({str(gate)!r} + '2'); signal.pause()"
        subprocess.Popen([sys.executable, "-c", code])
        threading.Event().wait()
    """
    os.mkfifo(f"{gate}2")
    target = pool(tmp_path, code)
    target.submit(jobs("a"))
    gate.open().close()  # the subprocess runs
    with open(f"{gate}2", "w") as other:  # noqa: PTH123 - it waits until the subprocess has opened its end
        target.stop(0.0)
        assert ended(other.fileno())
    target.close()


def ended(descriptor: int) -> bool:
    """Whether the reader of a pipe goes away."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return bool(poll.poll(PATIENCE * 1000))


PARENT = """
import json, sys
from pathlib import Path
from support.pools import jobs
from reconcile.clock import SystemClock
from reconcile.targets.pool import PythonTarget
reference, folder, url = sys.argv[1:4]
target = PythonTarget(reference, Path(folder), SystemClock(), ledger_url=url, timeout=600, workers=2)
given = [j for j in jobs(*json.loads(sys.argv[4]))]
from dataclasses import replace
fences = json.loads(sys.argv[5])
target.submit([replace(j, seq=s, fence=f) for j, (s, f) in zip(given, fences)])
for outcome in target.outcomes(600): pass
"""


def start_parent(reference, folder, url, topics, claims) -> subprocess.Popen:
    """A process with a pool, delivering."""
    here = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - for the environment
    arguments = [reference, str(folder), url, json.dumps(topics), json.dumps(claims)]
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments], env=os.environ | {"PYTHONPATH": here}, start_new_session=True
    )


@pytest.mark.parametrize(
    "busy", ["threading.Event().wait()", "__import__('re').match(r'(a+)+$', 'a' * 60 + 'b')"], ids=["waiting", "in C"]
)
def test_workers_end_with_their_parent(tmp_path, gate, busy):
    """L3: kill -9 of the parent ends its workers, also while a handler runs, also inside C code."""
    os.mkfifo(f"{gate}2")
    code = f"""
    @handlers.on("*")
    def busy(event):
        kept = open({str(gate)!r} + "2")
        {busy}
    """
    parent = start_parent(write_app(tmp_path, code), tmp_path, "", ["waits"], [[1, 1]])
    with open(f"{gate}2", "w") as other:  # noqa: PTH123 - it waits until the handler runs
        parent.kill()
        parent.wait()
        assert ended(other.fileno())


def test_a_worker_notices_by_its_lifeline_alone(tmp_path, gate):
    """L3: where the kernel sends no signal, the end of a pipe tells the worker that its parent is gone."""
    os.mkfifo(f"{gate}2")
    code = f"""
    import ctypes
    ctypes.CDLL(None).prctl(1, 0)
    @handlers.on("*")
    def busy(event):
        kept = open({str(gate)!r} + "2")
        threading.Event().wait()
    """
    parent = start_parent(write_app(tmp_path, code), tmp_path, "", ["waits"], [[1, 1]])
    with open(f"{gate}2", "w") as other:  # noqa: PTH123 - it waits until the handler runs
        parent.kill()
        parent.wait()
        assert ended(other.fileno())


def test_a_transaction_ends_with_the_parent(ledger, ledger_url, tmp_path, gate):
    """H2, L3: kill -9 of the parent in the middle of a handler's transaction undoes it and frees the ledger."""
    os.mkfifo(f"{gate}2")
    code = f"""
    @handlers.on("*")
    def busy(event, session):
        write(session, event)
        kept = open({str(gate)!r} + "2")
        threading.Event().wait()
    """
    (job,) = claimed(ledger, ["waits"])
    reference = write_app(tmp_path, APP.replace("\n", "\n    ") + code)
    parent = start_parent(reference, tmp_path, ledger_url, ["waits"], [[job.seq, job.fence]])
    with open(f"{gate}2", "w") as other:  # noqa: PTH123 - it waits until the handler runs
        parent.kill()
        parent.wait()
        assert ended(other.fileno())
    assert states(ledger, job.seq) == ["claimed"]
    assert effects(ledger) == []
    with ledger.write():
        pass
