"""`reconcile serve` as a process of its own, and signed deliveries to it."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from support.cli import Project

_RECEIVING = re.compile(r"receiving at (http://\S+/webhooks/)SOURCE")


@dataclass
class Serving:
    """A running receiver; `url` ends in `/webhooks/`."""

    process: subprocess.Popen[str]
    url: str

    def stop(self, number: int = signal.SIGTERM, patience: float = 15.0) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        self.process.communicate(timeout=patience)
        return self.process.returncode


@contextmanager
def serving(project: Project, *words: str, **environment: str) -> Iterator[Serving]:
    """Start it on a free port and wait until it says where it receives; killed at the end if it still runs."""
    process = project.start("serve", "--port", "0", *words, **environment)
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if found := _RECEIVING.search(line):
                break
        else:
            raise AssertionError("".join(said))
        yield Serving(process, found[1])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=15)
