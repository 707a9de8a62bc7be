"""Interrupting the installed executable while a provider keeps it waiting."""

from __future__ import annotations

import json
import signal
import threading

import httpx
import pytest
from support.cli import Project

from reconcile.sandbox.server import serve


class Silent:
    """A provider that takes a request and never answers it."""

    def __init__(self):
        self.asked = threading.Event()

    def handle(self, request):
        self.asked.set()
        raise httpx.ReadTimeout("silence", request=request)


class Throttling(Silent):
    """A provider that asks everyone to wait an hour."""

    def handle(self, _request):
        self.asked.set()
        return httpx.Response(429, headers={"Retry-After": "3600"}, content=b"{}")


@pytest.fixture
def project(tmp_path):
    """An empty project folder."""
    return Project(tmp_path)


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
    """A request that hangs cannot keep a process from going."""
    provider = Silent()
    with serve(provider) as served:
        project.write(served.url)
        process = project.start("run", "--since", "1d")
        assert provider.asked.wait(30)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        while "stopping" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == 130
