"""What a command line means nothing by is refused, in words that say what to do, and before anything is touched."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.cli import EXECUTABLE, Project

from reconcile import runner
from reconcile.cli import main, run
from reconcile.ledger import incidents
from reconcile.model import IncidentKind

SCHEDULED = "schedules: [{job: alerts, every: 1h}]\n"


@pytest.fixture
def project(tmp_path):
    """A project folder whose provider nobody asks."""
    project = Project(tmp_path)
    project.write("http://127.0.0.1:9", handler=False)
    with (tmp_path / "schedules.yaml").open("a") as file:
        file.write(SCHEDULED)
    return project


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gaps", "show", "9" * 23), "'GAP': must be 9223372036854775807 or less"),
        (("gaps", "ignore", "9" * 23, "--reason", "x"), "'GAP': must be 9223372036854775807 or less"),
        (("gaps", "ignore", "1", "--reason", " "), "--reason: must say why it is all right"),
        (("alerts", "ack", "9" * 23), "'INCIDENT': must be 9223372036854775807 or less"),
        (("alerts", "snooze", "1", "--for", "0s"), "--for: must be longer than nothing"),
        (("events", "list", "--limit", "9" * 23), "'--limit': must be 9223372036854775807 or less"),
        (("run", "dispatch", "--since", "7d"), "--since: dispatch reads no stream; say `run backfill` too"),
        (("run", "alerts", "purge", "--recheck"), "--recheck: alerts, purge reads no stream; say `run backfill` too"),
        (("daemon", "--port", "9000"), "--port: is of the port that --serve opens; say --serve too"),
        (("daemon", "--metrics", "127.0.0.1:0"), "--metrics: is of the port that --serve opens; say --serve too"),
        (("transactions", "track", "1", "--source", "shop"), "no source is called shop; schedules.yaml has: acme-shop"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_would_not_be_heeded_is_refused(project, words, said):
    """An option nobody would look at, a number no row can have, and an empty reason end in exit code 2 (X)."""
    done = project.call(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_incident_that_is_over_is_not_taken_on(project):
    """It says so, where "0 acknowledged" left open what was wrong (A)."""
    with project.ledger() as ledger, ledger.write() as tx:
        key = {"source": "acme-shop", "kind": IncidentKind.CREDENTIALS, "key": "backfill"}
        incidents.open_(tx, **key, summary="refused", command="reconcile check")
        incidents.close(tx, **key, note="taken again")
    done = project.call("alerts", "ack", "1")
    assert (done.returncode, "incident 1 is over" in done.stderr) == (2, True)


def test_a_job_that_reads_nothing_names_no_window(project):
    """`run dispatch` promises no reading that it does not do."""
    assert "frontier" not in project.call("run", "dispatch").stderr


def test_a_window_is_kept_from_no_job_of_somebody_elses(project, monkeypatch):
    """What a third party's job heeds, nobody here can know: only the jobs of ours that read nothing refuse it."""
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(runner, "installed", lambda: ("backfill", "alerts", "theirs"))
    asked = []
    monkeypatch.setattr(run, "_execute", lambda _state, _config, jobs, options, *_, **__: asked.append((jobs, options)))
    main(["run", "alerts", "theirs", "--since", "2024-01-01"])
    assert [(jobs, options.since.year) for jobs, options in asked] == [(("alerts", "theirs"), 2024)]


def test_the_first_configuration_is_checked_by_the_command_as_it_stands(tmp_path, monkeypatch):
    """Where it lies at its usual place, no `--config` is needed, and none is told."""
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path)
    assert project.call("init").stdout.endswith("then: reconcile check\n")
    assert project.call("init", "--path", "other.yaml").stdout.endswith("then: reconcile --config other.yaml check\n")


@pytest.mark.parametrize("words", [("status",), ("status", "--json")], ids=" ".join)
def test_an_output_that_is_full_is_said_and_is_no_bug(project, words):
    """`run --json > last-run.json` on a full disk: what was done stays, and the reason is told without a traceback."""
    with Path("/dev/full").open("w") as full:
        where = {"cwd": project.folder, "env": project.environ(), "stdout": full, "stderr": subprocess.PIPE}
        done = subprocess.run([EXECUTABLE, *words], check=False, text=True, **where)
    said = "stdout cannot be written: No space left on device; what was done is in the ledger: `reconcile status`"
    assert (done.returncode, done.stderr) == (2, f"reconcile: {said}\n")


def test_an_output_that_is_closed_is_no_bug(project):
    """`status >&-`: nobody wants what it prints, so it ends as it would have ended."""
    started = ["sh", "-c", 'exec "$0" status >&-', str(EXECUTABLE)]
    done = subprocess.run(
        started, check=False, text=True, cwd=project.folder, env=project.environ(), stderr=subprocess.PIPE
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_each_problem_of_the_file_has_its_own_remedy(project):
    """A variable is set, a line is mended, and a file that is not there is neither."""
    text = (project.folder / "schedules.yaml").read_text()
    (project.folder / "schedules.yaml").write_text(text.replace("${TOKEN:-shpat_dummy}", "${NOT_SET_HERE}") + "x: 1\n")
    checks = project.call_json("check")["checks"]
    assert [one["remedy"].partition(",")[0] for one in checks if one["exit_code"]] == [
        "set it where reconcile is started",
        "mend this line",
    ]
    (project.folder / "schedules.yaml").unlink()
    assert [one["remedy"] for one in project.call_json("check")["checks"] if one["exit_code"]] == [""]
