"""The quickstart, as somebody without an account follows it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys

from support.cli import Project
from support.docs import ROOT, marked


def free_ports(number):
    """Ports nobody has at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in sockets]


def test_the_quickstart_works_against_the_fakes(tmp_path):
    """Its fakes start, say what to export, and a dry run with the page's own configuration finds their week."""
    page = ROOT / "docs/quickstart.md"
    ports = free_ports(2)
    fakes, configuration = marked(page, "file fakes.py"), marked(page, "file schedules.yaml")
    for written, port, connector in zip(("8001", "8002"), ports, ("shopify", "stripe"), strict=True):
        assert f"`base_url: http://127.0.0.1:{written}`" in page.read_text()
        fakes = fakes.replace(f"port={written}", f"port={port}")
        beside = f"connector: {connector}"
        configuration = configuration.replace(beside, f"{beside}\n    base_url: http://127.0.0.1:{port}")
    project = Project(tmp_path)
    (tmp_path / "fakes.py").write_text(fakes)
    (tmp_path / "schedules.yaml").write_text(configuration)
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/webhooks.py").write_text(marked(page, "file acme/webhooks.py"))
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "fakes.py"], cwd=tmp_path, stdin=pipe, stdout=pipe, text=True) as process:
        exported = process.stdout.readline() + process.stdout.readline()
        project.environment |= dict(word.split("=") for word in exported.split() if word != "export")
        process.stdin.write("\n")
        report = project.json("run", "--since", "7d", "--dry-run")
        process.communicate("q\n", timeout=30)
    assert process.returncode == 0
    assert report["returned"] == 3, report
    assert {one["source"]: one["backfilled"] > 90 for one in report["streams"]} == {"acme-shop": True, "payments": True}
