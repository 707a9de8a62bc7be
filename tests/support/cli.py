"""A project folder for tests of the command line: a configuration, a fake shop, the installed executable."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reconcile.cli import main
from reconcile.clock import SystemClock
from reconcile.ledger import Ledger
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.server import serve
from reconcile.sandbox.shopify import FakeShopify

EXECUTABLE = Path(sys.executable).with_name("reconcile")
SOURCE = "acme-shop"
CONFIG = """\
ledger: sqlite:///reconcile.db
sources:
  acme-shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: ${TOKEN:-shpat_dummy}
    base_url: BASE_URL
    retry: [1s]
    transactions: []
    webhook:
      url: https://hooks.acme.example/webhooks/acme-shop
      secret: whsec_dummy_hush
      topics: [orders/create, orders/updated]
"""
HANDLER = """\
from pathlib import Path
from reconcile import Handlers

handlers = Handlers()
print("a handler's module may print")

@handlers.on("orders/*")
def take(event):
    if Path(__file__).with_name("refuse").exists():
        raise ValueError("cannot take " + event.subject.id)
    with Path(__file__).with_name("effects").open("a") as effects:
        effects.write(f"{event.topic} {event.subject.id}\\n")
"""


@dataclass
class Project:
    """A folder with `schedules.yaml`; `run` is the executable in it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, base_url: str, *, handler: bool = True) -> None:
        """Write the configuration of one shop, with a handler beside it."""
        text = CONFIG.replace("BASE_URL", base_url) + ("    handler: acme:handlers\n" if handler else "")
        self.configure(text, HANDLER)

    def configure(self, text: str, app: str = "") -> None:
        """Write this configuration and, if there is one, the application whose handler it names."""
        (self.folder / "schedules.yaml").write_text(text)
        (self.folder / "schedules.yaml").chmod(0o600)
        if app:
            (self.folder / "acme.py").write_text(app)

    def environ(self, **more: str) -> dict[str, str]:
        """What the executable sees: nothing of this process's own configuration."""
        names = ("PATH", "HOME", "LANG", "PYTHONPATH", "COVERAGE_PROCESS_START")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        return {**kept, **self.environment, **more}

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """The executable, started."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [EXECUTABLE, *words], cwd=self.folder, env=self.environ(**more), stdout=pipe, stderr=pipe, text=True
        )

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """The executable, to its end."""
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=90)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def json(self, *words: str) -> dict[str, Any]:
        """The one document a command of the executable prints with `--json`, its exit code as `returned`."""
        return _document(self.run(*words, "--json"))

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same command line in this process, which saves its start: for commands that load no handler."""
        root, path = logging.getLogger(), sys.path[:]
        handlers, level = root.handlers[:], root.level
        out, err = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(["--config", str(self.folder / "schedules.yaml"), *words])
        finally:
            root.handlers[:], sys.path[:] = handlers, path
            root.setLevel(level)
            self._forget_modules()
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    def _forget_modules(self) -> None:
        """The next project has a module of the same name."""
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(f"{self.folder}{os.sep}"):
                del sys.modules[name]

    def call_json(self, *words: str) -> dict[str, Any]:
        """The one document of `call`."""
        return _document(self.call(*words, "--json"))

    def effects(self) -> list[str]:
        """What the handler did, in order."""
        path = self.folder / "effects"
        return path.read_text().splitlines() if path.exists() else []

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The project's ledger, opened from this process."""
        opened = Ledger.open(f"sqlite:///{self.folder / 'reconcile.db'}", SystemClock())
        yield opened
        opened.close()


def _document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    return document | {"returned": done.returncode}


@contextlib.contextmanager
def shop(project: Project, *, orders: int = 3, handler: bool = True) -> Iterator[FakeShopify]:
    """A fake shop on loopback with `orders` orders of the last two hours, and the project configured for it."""
    now = datetime.now(UTC)
    clock = SettableClock(now - timedelta(hours=2))
    fake = FakeShopify(clock=clock, throttle=False)
    for _ in range(orders):
        fake.create_order()
        clock.advance(60)
    clock.set(now)
    with serve(fake) as served:
        project.write(served.url, handler=handler)
        yield fake
