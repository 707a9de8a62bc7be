"""The daemon as a process: it keeps time, delivers, reads its configuration anew, and ends when asked to."""

from __future__ import annotations

import hmac
import re
import signal
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from support.cli import Project, shop

SCHEDULES = """\
schedules:
  - {job: backfill, every: 1s}
  - {job: dispatch, every: 1s}
"""


def schedule(project: Project, text: str = SCHEDULES) -> None:
    path = project.folder / "schedules.yaml"
    path.write_text(path.read_text() + text)


class Daemon:
    """A running daemon and what it said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []

    def until(self, words: str) -> str:
        """Read its log until a line holds `words`."""
        for line in self.process.stderr:
            self.said.append(line)
            if words in line:
                return line
        raise AssertionError(f"never said {words!r}: " + "".join(self.said))

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; the exit code, and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        self.said.append(err)
        assert out == ""
        return self.process.returncode, time.monotonic() - began


@contextmanager
def daemon(project: Project, *words: str) -> Iterator[Daemon]:
    """Start it, wait until it watches; killed at the end if it still runs."""
    process = project.start("daemon", *words)
    try:
        running = Daemon(process)
        running.until("watching")
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=15)


def wait_for(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for what another process does."""
    until = time.monotonic() + seconds
    poll = threading.Event()
    while not true():
        assert time.monotonic() < until, "it never came true"
        poll.wait(0.05)


def test_missed_deliveries_are_found_and_handled_while_it_runs(project):
    """Orders that nobody was told of reach the handler, once each, without anyone asking; SIGTERM ends with 143."""
    with shop(project, orders=0) as fake:
        schedule(project, SCHEDULES)
        with daemon(project) as running:
            wait_for(lambda: len(fake.requests) >= 2)  # from the first look on, completeness is promised
            fake.clock.advance(600)
            created = [fake.create_order() for _ in range(3)]
            fake.clock.advance(600)
            wait_for(lambda: len(project.effects()) >= 3)
            code, seconds = running.end()
    assert sorted(project.effects()) == sorted(f"orders/create {order}" for order in created)
    assert (code, seconds < 10) == (143, True), running.said


def test_a_broken_configuration_is_refused_and_the_old_one_goes_on(project):
    """SIGHUP with an error in the file: it is said by its place, and what ran before still delivers."""
    with shop(project, orders=0) as fake:
        schedule(project)
        with daemon(project) as running:
            wait_for(lambda: len(fake.requests) >= 2)
            good = (project.folder / "schedules.yaml").read_text()
            (project.folder / "schedules.yaml").write_text(good + "  - {job: nonsense, every: 1s}\n")
            running.process.send_signal(signal.SIGHUP)
            running.until("the new configuration is refused, the one in force goes on")
            assert "schedules[2].job: must be a job" in running.until("schedules[2]")
            fake.clock.advance(600)
            order = fake.create_order()
            fake.clock.advance(600)
            wait_for(lambda: project.effects() == [f"orders/create {order}"])
            assert running.end()[0] == 143


def test_a_new_configuration_is_in_force_without_a_restart(project):
    """SIGHUP after a change: the schedules of the new file run, in the same process."""
    with shop(project, orders=0) as fake:
        schedule(project, "schedules:\n  - {job: dispatch, every: 1s}\n")
        with daemon(project) as running:
            schedule(project, "  - {job: backfill, every: 1s}\n")
            assert fake.requests == []
            running.process.send_signal(signal.SIGHUP)
            running.until("the new configuration is in force; watching 1 source by 2 schedules")
            wait_for(lambda: len(fake.requests) >= 2)
            assert running.end(signal.SIGINT)[0] == 130


def test_two_daemons_on_one_ledger_share_the_work(project):
    """Both keep time and both deliver; every order is handled once, and no turn is run by both."""
    with shop(project, orders=0) as fake:
        schedule(project)
        with daemon(project) as one, daemon(project) as two:
            wait_for(lambda: len(fake.requests) >= 2)
            fake.clock.advance(600)
            created = [fake.create_order() for _ in range(9)]
            fake.clock.advance(600)
            wait_for(lambda: len(project.effects()) >= len(created))
            assert [one.end()[0], two.end()[0]] == [143, 143]
    assert sorted(project.effects()) == sorted(f"orders/create {order}" for order in created)


def test_a_killed_daemon_loses_nothing(project):
    """L3: kill -9, and what happened while nobody looked is found by the next one at its start."""
    with shop(project, orders=0) as fake:
        schedule(project)
        with daemon(project) as running:
            wait_for(lambda: len(fake.requests) >= 2)
            running.process.kill()
            running.process.communicate(timeout=15)
        fake.clock.advance(3600)
        created = [fake.create_order() for _ in range(5)]
        fake.clock.advance(3600)
        with daemon(project) as running:
            wait_for(lambda: len(project.effects()) >= len(created))
            assert running.end()[0] == 143
    assert sorted(project.effects()) == sorted(f"orders/create {order}" for order in created)


def test_without_schedules_there_is_nothing_to_watch(project):
    """A file without schedules is an error that says what to add, for the daemon and for cron."""
    with shop(project, orders=0):
        for command in ("daemon", "cron"):
            done = project.run(command)
            assert done.returncode == 2
            assert "there are no schedules; add some under `schedules:`" in done.stderr


@pytest.mark.parametrize("command", ["daemon", "cron"])
def test_a_handler_that_cannot_be_called_is_said_at_the_start(project, command):
    """Nothing is started, nothing is asked of the provider, and the source is named."""
    with shop(project) as fake:
        schedule(project)
        (project.folder / "acme.py").write_text("from nowhere import handlers\n")
        done = project.run(command)
    assert (done.returncode, fake.requests) == (2, [])
    assert "acme-shop" in done.stderr


def test_cron_runs_what_is_due_and_says_nothing_when_nothing_is(project):
    """The first call runs every schedule, the second none and prints nothing, so that cron sends no mail."""
    with shop(project, orders=0):
        schedule(project, "schedules:\n  - {job: backfill, every: 1h}\n")
        first, second = project.run("cron"), project.run("cron")
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.startswith("backfill every 1h:\n")
    assert (second.stdout, second.stderr) == ("", "")


def test_it_receives_too_when_told_so(project):
    """`--serve`: one process answers for its health, refuses what is forged, and stores and handles what is genuine."""
    with shop(project, orders=0) as fake:
        schedule(project)
        with daemon(project, "--serve", "--port", "0") as running:
            url = re.search(r"receiving at (\S+)/webhooks/", "".join(running.said))[1]
            assert httpx.get(f"{url}/healthz").json() == {"status": "alive"}
            assert httpx.get(f"{url}/readyz").json()["status"] == "ready"
            assert "reconcile_build_info" in httpx.get(f"{url}/metrics").text
            body = b'{"id": 77, "updated_at": "2026-01-01T00:00:00Z", "created_at": "2026-01-01T00:00:00Z"}'
            assert httpx.post(f"{url}/webhooks/acme-shop", content=body).status_code == 401
            signed = b64encode(hmac.digest(b"whsec_dummy_hush", body, "sha256")).decode()
            headers = {
                "X-Shopify-Topic": "orders/create",
                "X-Shopify-Hmac-SHA256": signed,
                "X-Shopify-Webhook-Id": "one",
                "X-Shopify-Event-Id": "one",
                "X-Shopify-Shop-Domain": fake.shop,
            }
            answer = httpx.post(f"{url}/webhooks/acme-shop", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
            wait_for(lambda: project.effects() == ["orders/create 77"])
            assert running.end()[0] == 143
