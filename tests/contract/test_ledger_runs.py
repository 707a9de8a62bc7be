"""Runs: one row each, in order, and those that never ended."""

from __future__ import annotations

from dataclasses import replace

from support.ledgers import elsewhere, ended_process, later, minutes

from reconcile.ledger import runs
from reconcile.ledger.leases import Holder
from reconcile.ledger.runs import RunStart
from reconcile.model import instant


def begun(tx, holder=None):
    return runs.start(tx, RunStart("run", holder or Holder.me(), "1.0", minutes(0), minutes(9)))


def test_run_is_written_before_and_finished_after(ledger):
    """L7: a run has a row with its window and code version, and its result once it has ended."""
    with ledger.write() as tx:
        id_ = begun(tx)
    with ledger.write() as tx:
        (run,) = runs.recent(tx, 2)
        assert (run.id, run.command) == (id_, "run")
        assert (run.since, run.until, run.code_version) == (minutes(0), minutes(9), "1.0")
        assert (run.finished_at, run.exit_code, run.report) == (None, None, b"")
        runs.finish(later(tx, 5), id_, 3, b'{"run": 1}')
        (run,) = runs.recent(tx, 2)
        assert (run.finished_at, run.exit_code, run.report) == (later(tx, 5).now, 3, b'{"run": 1}')


def test_ids_sort_as_runs_start(ledger):
    """Ids are 26 characters and rise, also within one millisecond and whatever the random bits are."""
    with ledger.write() as tx:
        run = RunStart("run", Holder.me(), "1.0")
        falling = (b"\xff" * 10, b"\x80" * 10, b"\x00" * 10)
        ids = [runs.start(tx, run, entropy=lambda _n, bits=bits: bits) for bits in falling]
        ids.append(runs.start(later(tx, 1), run))
        assert ids == sorted(set(ids))
        assert {len(id_) for id_ in ids} == {26}
        assert [run.id for run in runs.recent(tx, 2)] == ids[:1:-1]


def test_id_is_a_ulid(ledger):
    """An id is a ULID, with its time as the specification's own example has it."""
    with ledger.write() as tx:
        when = replace(tx, now=instant(1469918176385_000))
        id_ = runs.start(when, RunStart("run", Holder.me(), ""), entropy=lambda n: b"\0" * n)
    assert id_ == "01ARYZ6S410000000000000000"


def test_crashed_runs_are_found(ledger):
    """L7: a run without an end has crashed if its process is gone, or if it is far away and over a day old."""
    with ledger.write() as tx:
        dead = begun(tx, ended_process())
        alive = begun(tx)
        far = begun(tx, elsewhere())
        ended = begun(tx, ended_process())
        runs.finish(tx, ended, 0, b"")
        assert [run.id for run in runs.crashed(tx)] == [dead]
        assert [run.id for run in runs.crashed(later(tx, 90_000))] == [dead, far]
        assert alive in {run.id for run in runs.recent(tx, 9) if run.finished_at is None}
