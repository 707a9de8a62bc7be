"""Looking into a ledger and setting things right by hand, with the installed executable."""

from __future__ import annotations

from support.cli import SOURCE, shop
from support.rows import add_event

from reconcile.ledger import gaps
from reconcile.model import EventState, GapKind, Subject


def test_a_dead_event_is_found_retried_and_settled(project):
    """A handler that refuses leaves a gap; once it is mended, `gaps retry` and a dispatch settle it (H8)."""
    with shop(project, orders=1):
        (project.folder / "refuse").touch()
        report = project.json("run", "--since", "1d")
        assert report["returned"] == 3
        (gap,) = report["gaps"]
        assert gap["kind"] == "dead"
        listed = project.call_json("gaps", "list", "--kind", "dead")
        assert listed["gaps_total"] == 1
        assert gap["subject"] in project.call("gaps", "show", str(listed["gaps"][0]["id"])).stdout
        (project.folder / "refuse").unlink()
        assert "1 revived" in project.call("gaps", "retry", "--kind", "dead").stdout
        assert project.run("run", "dispatch").returncode == 0
    assert len(project.effects()) == 1
    assert project.call_json("gaps", "list")["gaps_total"] == 0
    story = project.call_json("explain", gap["subject"])["stories"][0]
    told = ["occurred", "recorded", "attempt", "attempt", "gap", "gap closed", "attempt", "handled"]
    assert [entry["what"] for entry in story["entries"]] == told
    assert story["source"] == SOURCE


def test_an_ignored_gap_stays_ignored(project):
    """It no longer makes a run exit 3, also when the same thing is found again."""
    with shop(project, orders=1, handler=False):
        assert project.json("run", "--since", "1d")["returned"] == 3
        done = project.call("gaps", "ignore", "--source", SOURCE, "--reason", "test orders")
        assert done.returncode == 0
        assert project.json("run", "--since", "1d", "--recheck")["gaps_total"] == 0
    assert "test orders" in project.call("gaps", "show", "1").stdout


def test_retrying_a_gap_without_an_event_names_the_run_that_helps(project):
    """There is nothing to send: only reading the provider again can help."""
    with shop(project, orders=1, handler=False):
        project.run("run", "--since", "1d")
        done = project.call("gaps", "retry", "1")
    assert "reconcile run --recheck --source acme-shop" in done.stdout


def test_retrying_what_no_list_shows_names_no_run(project):
    """Every run would find the same again, so it is a person who has to look (G)."""
    project.write("http://127.0.0.1:9", handler=False)
    with project.ledger() as ledger, ledger.write() as tx:
        gaps.open_(tx, source=SOURCE, kind=GapKind.BEYOND_RETENTION, key="orders", reason="too long ago")
    said = project.call("gaps", "retry", "1").stdout
    assert ("run --recheck" in said, "compare by hand" in said) == (False, True)


def test_foreign_text_moves_no_cursor(project):
    """Topics, ids, headers, errors and bodies are shown with their controls visible (X4)."""
    evil = "\x1b[2J\u202e\x9b31m"
    with shop(project):
        with project.ledger() as ledger, ledger.write() as tx:
            seq = add_event(
                tx, source=SOURCE, id=f"evt{evil}", topic=f"orders{evil}", subject_id=f"9{evil}", error=evil,
                headers=b'{"x-note": "\\u001b[2J\\u202e"}', body=f"body {evil}\nsecond ".encode() + b"\xff",
                state=EventState.DEAD,
            )  # fmt: skip
            subject = Subject("order", f"9{evil}")
            gaps.open_(tx, source=SOURCE, kind=GapKind.DEAD, key=f"k{evil}", reason=evil, seq=seq, subject=subject)
        for words in (
            ("events", "list"), ("events", "show", str(seq), "--body"), ("gaps", "list"), ("gaps", "show", "1"),
            ("explain", f"order/9{evil}"), ("status",), ("run", "dispatch", "--dry-run"),
        ):  # fmt: skip
            done = project.call(*words)
            shown = done.stdout + done.stderr
            assert done.returncode in (0, 3), shown
            assert not {letter for letter in shown if not letter.isprintable()} - {"\n"}, words
        assert "\\x1b[2J\\u202e" in project.call("events", "show", str(seq)).stdout


def test_the_body_is_printed_only_when_asked_for(project):
    """Customer data stays out of terminals and scrollback unless somebody wants it."""
    with shop(project), project.ledger() as ledger, ledger.write() as tx:
        seq = add_event(tx, source=SOURCE, body=b'{"name": "Ada"}')
    assert "Ada" not in project.call("events", "show", str(seq)).stdout
    assert "body" not in project.call_json("events", "show", str(seq))
    assert '{"name": "Ada"}' in project.call("events", "show", str(seq), "--body").stdout


def test_a_replay_reaches_the_handler_again(project):
    """A handled event runs once more, and only because it was asked for."""
    with shop(project, orders=1):
        project.run("run", "--since", "1d")
        assert len(project.effects()) == 1
        (event,) = project.call_json("events", "list")["events"]
        assert project.call("events", "replay", event["id"]).returncode == 0
        assert project.run("run", "dispatch").returncode == 0
    assert project.effects() == [project.effects()[0]] * 2


def test_replaying_for_a_source_without_a_handler_is_refused(project):
    """The event would wait for ever."""
    with shop(project, handler=False):
        with project.ledger() as ledger, ledger.write() as tx:
            seq = add_event(tx, source=SOURCE, state=EventState.IGNORED)
        done = project.call("events", "replay", str(seq))
    assert done.returncode == 2
    assert "has no handler" in done.stderr


def test_a_paused_source_is_not_delivered_to_until_it_is_resumed(project):
    """Its events wait, the run exits 3, status says why; after resume they are handled."""
    with shop(project, orders=1):
        assert project.call("pause", SOURCE, "--reason", "deploying").returncode == 0
        assert project.json("run", "--since", "1d")["returned"] == 3
        assert project.effects() == []
        assert "PAUSED (hand)" in project.call("status").stdout
        assert project.call_json("status")["sources"][0]["paused_why"] == "deploying"
        assert project.call("resume", SOURCE).returncode == 0
        assert project.run("run", "dispatch").returncode == 0
    assert len(project.effects()) == 1


def test_status_shows_the_bar_and_the_last_run(project):
    """A day that was read is proven but for its newest hour."""
    with shop(project, orders=1):
        project.run("run", "--since", "10d")
        document, plain = project.call_json("status"), project.call("status").stdout
    (stream,) = document["sources"][0]["streams"]
    assert stream["bar"].startswith("█" * 38)
    assert stream["bar"] in plain
    assert document["runs"][0]["exit_code"] == 0
    assert document["crashed"] == []


def test_status_names_both_ways_on_from_a_closed_valve(project):
    """Each command stands in a line of its own, fits a terminal of 80 columns, and does what it says."""
    with shop(project, orders=25):
        assert project.run("run", "--since", "1d").returncode == 3
        lines = project.call("status").stdout.splitlines()
        commands = [line.strip() for line in lines if line.strip().startswith("reconcile ")]
        since = project.call_json("status")["sources"][0]["streams"][0]["horizon"]
        assert commands == [
            f"reconcile baseline --since {since[:19]}Z --source acme-shop",
            "reconcile run --force --source acme-shop",
        ]
        assert max(map(len, lines)) <= 80
        assert project.run(*commands[0].split()[1:]).returncode == 0
        assert "VALVE CLOSED" not in project.call("status").stdout
    assert project.effects() == []


def test_the_database_commands_look_after_the_schema(project):
    """`upgrade` sets up, `version` compares, `check` finds a whole ledger and a damaged one."""
    with shop(project):
        assert project.call_json("db", "version")["schema"] == ""
        assert "is now" in project.call("db", "upgrade").stdout
        assert "is now" not in project.call("db", "upgrade").stdout
        version = project.call_json("db", "version")
        assert version["schema"] == version["needed"]
        assert project.call("db", "check").stdout == "intact\n"
        with project.ledger() as ledger, ledger.write() as tx:
            add_event(tx, source=SOURCE, state=EventState.CLAIMED)
        broken = project.call_json("db", "check")
    assert broken["returned"] == 5
    assert broken["problems"] == ["1 claimed events that nobody holds"]
