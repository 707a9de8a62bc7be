"""Interrupting the installed executable while a provider or a handler keeps it waiting."""

from __future__ import annotations

import json
import signal
import threading
import time

import httpx
import pytest
from support.cli import shop

from reconcile.dispatch.loops import GRACE
from reconcile.ledger.process import process_started
from reconcile.sandbox.server import serve

HANGING = """\
import os, threading
from pathlib import Path
from reconcile import Handlers

handlers = Handlers()

@handlers.on("*")
def take(event):
    called = Path(__file__).with_name("called")
    called.with_suffix(".new").write_text(str(os.getpid()))
    called.with_suffix(".new").rename(called)
    threading.Event().wait()
"""


class Throttling:
    """A provider that asks everyone to wait an hour."""

    def __init__(self):
        self.asked = threading.Event()

    def handle(self, _request):
        self.asked.set()
        return httpx.Response(429, headers={"Retry-After": "3600"}, content=b"{}")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_wait_with_its_code_and_the_report(project, number, code):
    """A run asked to stop says so, prints its document and exits with the signal's code (L2)."""
    provider = Throttling()
    with serve(provider) as served:
        project.write(served.url)
        process = project.start("run", "--since", "1d", "--json")
        assert provider.asked.wait(30)
        process.send_signal(number)
        out, err = process.communicate(timeout=15)
    assert process.returncode == code
    assert json.loads(out)["exit_code"] == code
    assert "stopping where it is safe" in err
    assert "Traceback" not in err


def test_a_second_signal_ends_it_at_once(project):
    """After the first a hung handler has eight seconds to end; whoever asks twice waits for nobody, workers neither."""
    with shop(project, orders=1):
        (project.folder / "acme.py").write_text(HANGING)
        process = project.start("run", "--since", "1d")
        while not (called := project.folder / "called").exists():
            assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        while "stopping" not in process.stderr.readline():
            assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - began < GRACE / 2
    worker = int(called.read_text())
    while process_started(worker).rpartition("/")[2] not in ("", "gone"):  # its parent is gone, and so is it at once
        assert time.monotonic() - began < GRACE / 2
