"""`reconcile init` and `check` with the installed executable, before anything runs."""

from __future__ import annotations

import stat

from support.cli import shop


def test_init_writes_for_its_owner_and_never_twice(project):
    """The first file is private; the second call leaves it as it is."""
    assert project.run("init").returncode == 0
    path = project.folder / "schedules.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("sources: {}\n")
    again = project.run("init")
    assert again.returncode == 2
    assert "was left as it is" in again.stderr
    assert path.read_text() == "sources: {}\n"
    assert project.run("init", "--path", "other.yaml").returncode == 0


def test_init_does_not_follow_a_link(project):
    """A planted link does not make us write elsewhere."""
    (project.folder / "schedules.yaml").symlink_to(project.folder / "elsewhere")
    assert project.run("init").returncode == 2
    assert not (project.folder / "elsewhere").exists()


def test_what_init_writes_is_a_valid_configuration(project):
    """With its variables set, `check` finds nothing wrong with the file itself."""
    project.run("init")
    names = {
        "SHOPIFY_ACCESS_TOKEN": "shpat_dummy",
        "SHOPIFY_WEBHOOK_SECRET": "whsec_dummy",
        "STRIPE_API_KEY": "sk_test_dummy",
        "STRIPE_WEBHOOK_SECRET": "whsec_dummy_2",
    }
    done = project.run("status", **names)
    assert done.returncode == 0, done.stderr


def test_check_prints_lines_or_one_document(project):
    """A handler module that prints does not get into the result."""
    with shop(project):
        plain, document = project.run("check"), project.json("check")
    assert plain.returncode == document["returned"] == document["exit_code"] == 0
    assert "a handler's module may print" not in plain.stdout
    assert {line.split()[0] for line in plain.stdout.splitlines()} <= {"ok", "warn", "→"}
    assert [one["level"] for one in document["checks"]].count("ok") >= 4


def test_check_reports_a_broken_configuration_as_findings(project):
    """Every problem of the file is a line, and the exit code is 2."""
    (project.folder / "schedules.yaml").write_text("sources: {a: {connector: nope}}\nextra: 1\n")
    document = project.json("check")
    assert document["returned"] == 2
    failed = [one for one in document["checks"] if one["level"] == "FAIL"]
    assert {one["area"] for one in failed} == {"configuration"}
    assert len(failed) == 2
    assert all(one["remedy"] for one in failed)
