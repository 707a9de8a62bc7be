"""How a command ends: exit codes, messages, and one document with --json."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.cli import CONFIG
from support.rows import add_event

from reconcile import runner
from reconcile.cli import gaps as cli_gaps
from reconcile.cli import main, reports, signals, wiring
from reconcile.cli.signals import Terminated
from reconcile.clock import Stop, SystemClock
from reconcile.daemon import Daemon
from reconcile.errors import Busy, ConfigError, CredentialsRefused, LedgerError, ReconcileError, Retriable, Stopped
from reconcile.ledger import Ledger, gaps
from reconcile.model import GapKind
from reconcile.report import RunReport
from reconcile.web import server

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
REPORT_KEYS = {
    "run", "started_at", "finished_at", "since", "until", "dry_run", "exit_code", "streams", "handlers",
    "subscriptions", "transactions", "gaps_total", "gaps", "alerts", "errors", "notes", "error",
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a valid configuration, and the root logger as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    (tmp_path / "schedules.yaml").write_text(CONFIG.replace("BASE_URL", "http://127.0.0.1:9"))
    (tmp_path / "schedules.yaml").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECONCILE_CONFIG", raising=False)
    monkeypatch.setenv("TOKEN", "shpat_hush_hush")
    yield tmp_path
    root.handlers[:] = handlers
    root.setLevel(level)


def raising(monkeypatch, error):
    """Let every run end in `error`."""

    def run(*_arguments):
        raise error

    monkeypatch.setattr(runner, "run", run)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("schedules.yaml:1:1: wrong"), 2),
        (CredentialsRefused("acme-shop: refused"), 4),
        (Retriable("acme-shop: timed out"), 4),
        (LedgerError("ledger: no space"), 5),
        (Busy("acme-shop: held by web1:7"), 75),
        (Stopped("stopped"), 143),
        (KeyboardInterrupt(), 130),
        (Terminated(), 143),
        (ZeroDivisionError("oops"), 1),
    ],
)
def test_each_error_has_its_exit_code_and_one_document(monkeypatch, capsys, error, code):
    """Whatever ends a run, `--json` prints one document of the report's shape, with the error and the exit code."""
    raising(monkeypatch, error)
    assert main(["run", "--json"]) == code
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert set(document) == REPORT_KEYS
    assert document["exit_code"] == code
    assert document["error"]
    if isinstance(error, ReconcileError):
        assert str(error) in err
        assert "Traceback" not in err


def test_a_report_that_was_printed_is_not_followed_by_another_document(monkeypatch, capsys):
    """Ctrl-C in the moment after the report ends with 130, and whoever reads stdout still gets one document."""
    shown = reports.show

    def interrupted(*given, **named):
        shown(*given, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", lambda *_: RunReport("01JD", NOON, finished_at=NOON))
    monkeypatch.setattr(reports, "show", interrupted)
    assert main(["run", "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["run"] == "01JD"


def test_a_bug_shows_its_traceback_without_a_secret(monkeypatch, capsys):
    """What we broke is ours to be told, but never with a token in it (X1)."""
    raising(monkeypatch, RuntimeError("cannot send shpat_hush_hush to whsec_dummy_hush"))
    assert main(["run"]) == 1
    out, err = capsys.readouterr()
    assert "this is a bug, sorry" in err
    assert "RuntimeError: cannot send *** to ***" in err
    assert "hush" not in out + err


def test_a_bug_before_the_configuration_is_loaded_hides_the_environment(monkeypatch, capsys):
    """A secret is hidden even when nobody has said yet that it is one (X1)."""

    def load(*_arguments, **_named):
        raise RuntimeError("cannot parse shpat_hush_hush")

    monkeypatch.setattr(wiring.configuration, "load", load)
    assert main(["status"]) == 1
    assert "shpat_hush_hush" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--bogus"], "No such option: --bogus"),
        (["runn"], "No such command 'runn'"),
        (["run", "--since", "soon"], "Invalid value for --since: must be a date"),
        (["run", "--since", "2999-01-01"], "2999-01-01T00:00:00Z has not come yet"),
        (["run", "--since", "2d", "--until", "3d"], "Invalid value for --until"),
        (["run", "bogus"], "no job is called bogus; there are: "),
        (["run", "--source", "bogus"], "no source is called bogus; schedules.yaml has: acme-shop"),
        (["run", "--stream", "bogus"], "no stream of acme-shop is called bogus; there are: orders\n"),
        (["run", "--stream", "products"], "no stream of acme-shop is called products; there are: orders\n"),
        (["baseline"], "Missing option '--since'"),
        (["explain", "order"], "must be type/id, such as order/1001"),
        (["gaps", "retry"], "name gaps by number"),
        (["gaps", "list", "--kind", "lost"], "Invalid value for '--kind': 'lost' is not one of 'missing', "),
        (["gaps", "show", "7"], "there is no gap 7"),
        (["gaps", "show", "abc"], "Invalid value for 'GAP': must be a whole number\n"),
        (["gaps", "list", "--limit", "0"], "Invalid value for '--limit': must be 1 or more\n"),
        (["events", "list", "--limit", "ten"], "Invalid value for '--limit': must be a whole number\n"),
        (["serve", "--port", "70000"], "Invalid value for '--port': must be 65535 or less\n"),
        (["events", "show", "evt_1"], "no event of acme-shop is known by 'evt_1'"),
        (["pause", "bogus"], "no source is called bogus"),
        (["--config", "none.yaml", "status"], "none.yaml: not found; write one with `reconcile init`"),
    ],
)
def test_wrong_usage_says_what_is_right_and_exits_2(capsys, words, said):
    """A usage error names what there is instead, with and without --json, and never starts anything."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert main([*words, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2


def test_a_command_that_is_no_run_fails_with_the_error_alone(capsys):
    """Only runs have a report's shape."""
    assert main(["--config", "run", "status", "--json"]) == 2
    assert set(json.loads(capsys.readouterr().out)) == {"error", "exit_code"}


def test_the_configuration_may_be_named_by_the_environment(folder, monkeypatch, capsys):
    """`--config` wins over $RECONCILE_CONFIG, which wins over ./schedules.yaml."""
    monkeypatch.setenv("RECONCILE_CONFIG", str(folder / "other.yaml"))
    assert main(["status"]) == 2
    assert "other.yaml: not found" in capsys.readouterr().err
    assert main(["--config", "schedules.yaml", "status"]) == 0


def test_an_event_in_an_unexpected_version_is_flagged(folder, capsys):
    """`api_versions`: never dropped, and whoever looks at the event sees why people were told."""
    path = folder / "schedules.yaml"
    path.write_text(path.read_text().replace("webhook:\n", "webhook:\n      api_versions: ['2026-10']\n"))
    assert main(["db", "upgrade"]) == 0
    ledger = Ledger.open(f"sqlite:///{folder / 'reconcile.db'}", SystemClock())
    with ledger.write() as tx:
        for version in ("2019-04", "2026-10"):
            add_event(tx, id=version, state="handled", source="acme-shop", api_version=version)
    ledger.close()
    for version, flagged in (("2019-04", True), ("2026-10", False)):
        capsys.readouterr()
        assert main(["events", "show", version]) == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("API:"))
        assert version in line
        assert ("webhook.api_versions does not name" in line) is flagged
        assert main(["events", "show", version, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["api_version_expected"] is not flagged


@pytest.mark.parametrize("words", [["retry"], ["ignore", "--reason", "test orders"]])
def test_more_gaps_than_one_commit_takes_are_not_left_in_silence(folder, monkeypatch, capsys, words):
    """Of too many, the oldest are dealt with, and it is said how many are left."""
    monkeypatch.setattr(cli_gaps, "MOST", 2)
    assert main(["db", "upgrade"]) == 0
    ledger = Ledger.open(f"sqlite:///{folder / 'reconcile.db'}", SystemClock())
    with ledger.write() as tx:
        for key in "abc":
            gaps.open_(tx, "acme-shop", GapKind.DELETED, key, reason="gone")
    ledger.close()
    capsys.readouterr()
    assert main(["gaps", *words, "--kind", "deleted"]) == 0
    assert "these were the oldest 2, and 1 more are open" in capsys.readouterr().out
    assert main(["gaps", *words, "1"]) == 0
    assert "oldest" not in capsys.readouterr().out


def test_metrics_are_printed_for_who_runs_nothing_that_could_be_scraped(capsys):
    """`status --metrics`: the ledger's own, whole and parsable, and nothing else on stdout."""
    assert main(["db", "upgrade"]) == 0
    capsys.readouterr()
    assert main(["status", "--metrics"]) == 0
    families = {family.name for family in text_string_to_metric_families(capsys.readouterr().out)}
    assert {"reconcile_ledger_up", "reconcile_build_info", "reconcile_runs", "reconcile_alerts_unsent"} <= families
    assert all(name.startswith("reconcile_") for name in families)
    assert main(["status", "--metrics", "--json"]) == 2


def test_an_unwritable_ledger_exits_5(folder, capsys):
    """The message says what happened and that nothing was lost."""
    text = (folder / "schedules.yaml").read_text().replace("reconcile.db", "missing/reconcile.db")
    (folder / "schedules.yaml").write_text(text)
    assert main(["run", "--json"]) == 5
    out, err = capsys.readouterr()
    assert "ledger: the directory" in err
    assert json.loads(out)["exit_code"] == 5


def test_json_logs_leave_stderr_to_records(capsys):
    """With `--log-format json` an error is a record too."""
    assert main(["--log-format", "json", "run", "bogus"]) == 2
    lines = capsys.readouterr().err.splitlines()
    last = json.loads(lines[-1])
    assert "no job is called bogus" in last["event"]
    assert last["level"] == "error"


def test_the_version_is_printed(capsys):
    """`--version` needs no configuration."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("reconcile 0")


def test_help_needs_no_configuration(folder, capsys):
    """A newcomer can read every help text before anything is set up."""
    (folder / "schedules.yaml").unlink()
    assert main(["run", "--help"]) == 0
    assert "--since WHEN" in capsys.readouterr().out


LOADING = """
import os, sys
from reconcile.cli import main

class Finder:
    def find_spec(self, name, *_):
        if name == "reconcile.cli.entry":
            [os.kill(os.getpid(), number) for number in SIGNALS]

sys.meta_path.insert(0, Finder())
sys.exit(main(["run", "--json"]))
"""


@pytest.mark.parametrize(
    ("signals", "code", "told"), [([2], 130, True), ([15], 143, True), ([2, 2], 130, False), ([2, 15], 143, False)]
)
def test_a_signal_while_the_program_loads_ends_it_as_any_other(folder, signals, code, told):
    """L2: the first is told of as soon as that can be done, a second ends it at once; neither shows a traceback."""
    words = [sys.executable, "-c", LOADING.replace("SIGNALS", str(signals))]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stderr == ("reconcile: interrupted\n" if told else "")
    assert (json.loads(done.stdout)["exit_code"] if told else done.stdout) == (code if told else "")


@pytest.mark.parametrize("command", ["serve", "daemon"])
def test_a_process_that_stays_is_gone_in_time_whatever_it_waits_for(monkeypatch, folder, command):
    """L2: a database that does not answer keeps threads for minutes; SIGTERM ends the process within ten seconds."""
    with (folder / "schedules.yaml").open("a") as config:
        config.write("schedules: [{job: backfill, every: 1h}]\n")
    gone = threading.Event()
    left = []

    def leave(code):
        left.append(code)
        gone.set()

    def stuck(stop):
        stop.set(143)
        assert gone.wait(20)
        return True

    monkeypatch.setattr(signals, "PATIENCE", 0.01)
    monkeypatch.setattr(signals, "_leave", leave)
    monkeypatch.setattr(server, "serve", lambda work, *_: stuck(work.stop))
    monkeypatch.setattr(Daemon, "run", lambda daemon: stuck(daemon._context.stop))
    main([command])
    assert left == [143]


def test_output_that_nobody_reads_keeps_no_process(monkeypatch):
    """L2: a pipe that is full and whose reader is stuck is waited for by whoever writes, not by the end."""
    gone, stop = threading.Event(), Stop()
    monkeypatch.setattr(signals, "PATIENCE", 0.01)
    monkeypatch.setattr(signals.os, "_exit", lambda _code: gone.set())
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(flush=gone.wait, write=len))
    with signals.in_time(stop):
        stop.set(143)
        assert gone.wait(5)


def test_a_process_that_ends_by_itself_is_let_end(monkeypatch):
    """L2: what is done in time says so with its own exit code, after all it has to close is closed."""
    left = []
    monkeypatch.setattr(signals, "_leave", left.append)
    stop = Stop()
    with signals.in_time(stop):
        stop.set(143)
    for thread in threading.enumerate():
        if thread.name == "end in time":
            thread.join(20)
    assert left == []
