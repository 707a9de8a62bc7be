"""What lies under `deploy/`: every command in it is one the executable takes, and the crontab's line runs as it stands.

No container engine and no cluster is at hand here: the Dockerfile and the manifest are held against what they name.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cronsim import CronSim
from support.cli import EXECUTABLE, Project, shop

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
INSTALLED = "/opt/reconcile/bin/reconcile"


def read(name: str) -> str:
    return (DEPLOY / name).read_text()


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # systemd's names have capitals
    parser.read_string(read("reconcile.service"))
    return parser


def instructions(name: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", "\n".join(line for line in read(name).splitlines() if not line.startswith("#")))
    return [(words[0], words[1]) for line in text.splitlines() if (words := line.strip().split(maxsplit=1))]


def last(name: str) -> str:
    return [value for key, value in instructions("Dockerfile") if key == name][-1]


def container() -> dict[str, Any]:
    job = yaml.safe_load(read("kubernetes-cronjob.yaml"))
    return job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]


COMMANDS = {
    "systemd": shlex.split(unit()["Service"]["ExecStart"])[1:],
    "Dockerfile": json.loads(last("ENTRYPOINT"))[1:] + json.loads(last("CMD")),
    "Kubernetes": json.loads(last("ENTRYPOINT"))[1:] + container()["args"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_is_one_the_executable_takes(tmp_path, command):
    """Its words are parsed as they stand: what is wrong is only that the configuration is not there."""
    words = [tmp_path / "none.yaml" if word.endswith(".yaml") else word for word in command]
    done = subprocess.run(
        [EXECUTABLE, *words], check=False, cwd=tmp_path, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 2
    assert "Usage" not in done.stderr
    assert "not found; write one with `reconcile init`" in done.stderr


def test_the_line_of_the_crontab_runs(tmp_path):
    """Five fields that cron reads, a user, and a command that a shell runs to its end with the environment's file."""
    line = next(text for text in read("crontab").splitlines() if INSTALLED in text)
    fields, user, command = line.split(maxsplit=6)[:5], line.split()[5], line.split(maxsplit=6)[6]
    assert next(CronSim(" ".join(fields), datetime(2026, 1, 1)))  # noqa: DTZ001 - any day will do
    assert user == "reconcile"
    project = Project(tmp_path)
    with shop(project, orders=0):
        config = project.folder / "schedules.yaml"
        config.write_text(config.read_text() + "schedules:\n  - {job: backfill, every: 1h}\n")
        (tmp_path / "environment").write_text("TOKEN=shpat_dummy\n")
        command = command.replace(INSTALLED, str(EXECUTABLE)).replace("/etc/reconcile", str(tmp_path))
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            check=False,
            cwd="/",
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin"},
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("backfill every 1h:")


def test_the_unit_drains_reloads_and_guards():
    """SIGTERM gets longer than the ten seconds it needs, 143 is a success, a broken configuration is not retried."""
    service = unit()["Service"]
    assert int(service["TimeoutStopSec"]) > 10
    assert service["SuccessExitStatus"] == "143"
    assert service["RestartPreventExitStatus"] == "2"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert (service["ProtectSystem"], service["UMask"]) == ("strict", "0077")


def test_the_image_runs_as_nobody_special_and_copies_what_there_is():
    """No root, no secret baked in, and what it installs is this checkout."""
    assert last("USER") == "reconcile"
    steps = instructions("Dockerfile")
    assert ("COPY", ". /source") in steps
    assert any("/source[postgres]" in value for key, value in steps if key == "RUN")
    assert not re.search(r"(token|secret|password|key)\s*=", " ".join(value for _, value in steps), re.IGNORECASE)


def test_the_manifest_says_what_a_cronjob_needs():
    """A CronJob whose schedule cron reads, which neither retries nor runs as root, and whose volumes are there."""
    job = yaml.safe_load(read("kubernetes-cronjob.yaml"))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    CronSim(job["spec"]["schedule"], datetime(2026, 1, 1))  # noqa: DTZ001 - any day will do
    work = job["spec"]["jobTemplate"]["spec"]
    pod = work["template"]["spec"]
    assert (work["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == int(re.search(r"--uid (\d+)", read("Dockerfile"))[1])
    assert {"RECONCILE_LEDGER", "RECONCILE_KEY"} <= {variable["name"] for variable in container()["env"]}
    assert {mount["name"] for mount in container()["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
