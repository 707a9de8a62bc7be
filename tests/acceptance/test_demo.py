"""`reconcile demo`, as a person runs it: the installed executable, to its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import uuid
from dataclasses import dataclass

import pytest
from support.cli import EXECUTABLE
from support.processes import MARK, marked


@dataclass
class Demo:
    process: subprocess.Popen[str]
    mark: str
    folder: object

    def finish(self):
        out, err = self.process.communicate(timeout=100)
        return self.process.returncode, out, err


@pytest.fixture
def demo(tmp_path):
    """The demo, started, with a temporary folder of its own."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [EXECUTABLE, "demo"],
        env={"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Demo(process, mark, tmp_path)
        process.kill()


def numbers(out, title):
    """The table below `title`: what → (happened, handled, missing, twice)."""
    part = out.split(f"\n{title}\n")[1]
    rows = re.findall(r"^ +acme-\w+ +(\S.*?) {2,}(\d+) +(\d+) +(\d+) +(\d+) ", part, re.MULTILINE)
    return {what: tuple(map(int, counts)) for what, *counts in rows[:7]}


def test_the_demo_shows_the_damage_the_repair_and_the_proof(demo):
    """What was lost is handled, everything once, a second run does nothing, nothing is left behind (C1, H2, H12)."""
    code, out, err = demo.finish()
    assert code == 0, out + err
    damage, proof = numbers(out, "The damage"), numbers(out, "The proof")
    assert len(damage) == len(proof) == 7
    assert sum(missing for _, _, missing, _ in damage.values()) >= 20
    assert all(
        happened == handled and not missing and not twice for happened, handled, missing, twice in proof.values()
    )
    assert {what: row[0] for what, row in damage.items()} == {what: row[0] for what, row in proof.items()}
    assert "everything asked for is covered, nothing is unresolved (exit 0)" in out
    said = " ".join(out.split())
    assert "Handler calls: 0. Requests that change something at a provider: 0." in said
    assert "newest state of every order was seen" in said
    assert "\nProven: everything that happened was handled, each once" in out
    assert "\x1b" not in out
    assert [line for line in out.splitlines() if line != line.rstrip()] == []
    assert marked(demo.mark) == []
    assert list(demo.folder.iterdir()) == []


def test_a_stopped_demo_leaves_nothing_behind(demo):
    """SIGTERM in mid-run ends what it started and removes its folder; the exit code is the signal's."""
    assert any("$ reconcile run" in line for line in demo.process.stdout)
    demo.process.send_signal(signal.SIGTERM)
    code, _, _ = demo.finish()
    assert code == 143
    assert marked(demo.mark) == []
    assert list(demo.folder.iterdir()) == []
