"""Anchor: SIGKILL at every named place of a run, on every engine, then a run that must make everything good."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.crashes import Victim, a_world, execute, forker
from support.databases import SqliteMaker

from reconcile import failpoints

ROOT = Path(__file__).parents[2]
RECEIVING = ("inbox.before_store", "inbox.stored")
#: Places these sources never come to, killed at by tests of their own.
ELSEWHERE = ("subscription.", "transaction.", "mail.", "purge.")
OF_A_RUN = [name for name in failpoints.NAMES if name not in RECEIVING and not name.startswith(ELSEWHERE)]
IN_WORKERS = ("target.before_call", "target.called", "handler.before_commit", "handler.committed")
CASES = [(name, "kill") for name in OF_A_RUN] + [(name, "kill_run") for name in IN_WORKERS]
MOST = 60  # hits of one place by the whole history


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Providers and an application, the same for every crash: nothing here changes them."""
    with a_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
def forks():
    """The command line's `main` in a process of its own each time, two side by side."""
    with forker() as one, forker() as other:
        yield one, other


def test_every_named_place_is_in_the_code_once_and_every_place_has_a_name():
    """The sweep enumerates what there is: a forgotten or misspelt name fails here."""
    used = set()
    for package in ("reconcile", "jobs", "connectors"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("failpoints.reach"):
                    assert isinstance(node.args[0], ast.Constant), f"{path.name} names a place in a variable"
                    used.add(node.args[0].value)
    assert used == set(failpoints.NAMES)
    assert len(failpoints.NAMES) == len(used)


def crash(databases, folder, how, case, nth, sources) -> bool:
    """Crash at the n-th hit of a place and check what follows; False, with nothing checked, if there is none."""
    world, name, verb = case
    here = folder / f"{name}-{nth}"
    here.mkdir()
    with databases.fresh(here) as url:
        victim = Victim(world, url, here, sources)
        victim.prepare()
        code, hit = victim.crash(how, name, f"{verb}@{nth}")
        if not hit:
            assert code == 0, (here / "said").read_text()
            return False
        check(victim, name, verb, code)
        if nth == 1:
            has_nothing_left_to_do(victim)
        return True


def check(victim, name, verb, code) -> None:
    """The invariants after a crash and a clean run."""
    said = (victim.folder / "said").read_text()
    killed = name not in IN_WORKERS or verb == "kill_run"
    assert code == (-9 if killed else 0), said
    assert victim.problems() == []
    assert max(victim.effects().values(), default=1) == 1
    report = victim.recover()
    assert report.exit_code == 0, report
    assert victim.effects() == victim.wanted
    assert {(one.source, one.covered) for one in report.streams} == {(source, True) for source in victim.sources}
    assert all(one.adds_up() for one in report.streams), report.streams
    crashed = [note for note in report.notes if "ended abnormally" in note]
    assert len(crashed) == (1 if killed and name != "run.finished" else 0)
    assert victim.problems() == []


def has_nothing_left_to_do(victim) -> None:
    """H12: another run calls nobody, and knows of no crash any more."""
    again = victim.recover()
    assert (again.exit_code, [note for note in again.notes if "abnormally" in note]) == (0, [])
    assert victim.effects() == victim.wanted


@pytest.mark.parametrize(("name", "verb"), CASES, ids=[f"{name}-{verb}" for name, verb in CASES])
def test_killed_at_any_place_a_run_is_made_good_by_the_next(databases, tmp_path, world, forks, name, verb):
    """L3, H2, C3: after kill -9 at its first or second hit everything is there, once; nobody repairs anything.

    To be quick, a list is read into one engine and an event log into the other, and of workers, slow to start, one
    is killed at the second hit and takes its run along at the first; the slow sweep does all of everything.
    """
    hits = (1, 2) if name not in IN_WORKERS else (2,) if verb == "kill" else (1,)
    sources = ("shop",) if isinstance(databases, SqliteMaker) else ("pay",)

    def at(nth: int) -> bool:
        return crash(databases, tmp_path, forks[nth - 1], (world, name, verb), nth, sources)

    with ThreadPoolExecutor(2) as pool:
        assert next(iter(list(pool.map(at, hits))))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "verb"), CASES, ids=[f"{name}-{verb}" for name, verb in CASES])
def test_killed_at_every_hit_of_every_place(databases, tmp_path, world, name, verb):
    """The same at every hit there is, with the installed executable."""
    nth = 1
    while crash(databases, tmp_path, execute, (world, name, verb), nth, ("shop", "pay")):
        nth += 1
        assert nth < MOST
    assert nth > 1
