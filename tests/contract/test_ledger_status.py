"""The board of `reconcile status`, read from a ledger on every engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.clock import ManualClock
from support.rows import add_event

from reconcile.config import load
from reconcile.ledger import coverage, gaps, horizons, incidents, runs, streams, targets, transactions
from reconcile.ledger.coverage import Covered
from reconcile.ledger.process import Holder
from reconcile.ledger.runs import RunStart
from reconcile.model import EventState, GapKind, IncidentKind, Subject, Window, micros
from reconcile.operator import status as statusboard
from reconcile.operator.bar import FINAL, HOLE
from reconcile.reading.memory import LEEWAY
from reconcile.transactions.transaction import State as TransactionState

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TEXT = """\
sources:
  payments:
    connector: stripe
    api_key: sk_test_dummy
    webhook: {url: "https://hooks.acme.example/x", secret: whsec_dummy, topics: [charge.succeeded]}
"""


@pytest.fixture
def config(tmp_path):
    """One Stripe source: an event log of thirty days, and lists for what is older."""
    (tmp_path / "schedules.yaml").write_text(TEXT)
    return load(tmp_path / "schedules.yaml", {})


def read(ledger, tx, stream, first, last, horizon):
    """Enter a stretch of a stream, in days before now, as read and final."""
    window = Window(NOW - first * DAY, NOW - last * DAY)
    covered = Covered(window, NOW + DAY, {"charge.succeeded": micros(NOW - horizon * DAY)})
    streams.save(tx, "payments", stream, fingerprint="asked")
    coverage.add(tx, "payments", stream, "asked", covered, "run", overlap=timedelta(hours=1))


def board(config, ledger):
    return statusboard.read(config, ledger, ManualClock(NOW))


def test_a_source_whose_credentials_are_refused_says_so_though_nothing_was_read_yet(config, ledger):
    """X: "nothing read yet" alone sent people to run again what cannot end well."""
    named = {"source": "payments", "kind": IncidentKind.CREDENTIALS, "key": "backfill"}
    with ledger.write() as tx:
        incidents.open_(tx, **named, summary="backfill was refused: 401", command="reconcile check")
    (source,) = board(config, ledger).sources
    assert (source.streams, source.refused) == ((), "backfill was refused: 401")
    with ledger.write() as tx:
        incidents.close(tx, **named, note="taken again")
    assert board(config, ledger).sources[0].refused == ""


def test_a_list_is_not_shown_where_the_log_speaks_for_it(ledger, config):
    """A horizon within the log's thirty days leaves nothing for the lists to prove."""
    with ledger.write() as tx:
        horizons.set_(tx, "payments", ["charge.succeeded"], NOW - 10 * DAY, "since")
        read(ledger, tx, "events", 10, 0, horizon=10)
        streams.save(tx, "payments", "charges", fingerprint="asked")
    (source,) = board(config, ledger).sources
    (stream,) = source.streams
    assert (stream.stream, stream.bar, stream.holes) == ("events", FINAL * 40, ())


def test_a_list_is_shown_up_to_where_the_log_begins(ledger, config):
    """Its bar ends at the log's edge, so what the log proves is no hole of the list."""
    with ledger.write() as tx:
        horizons.set_(tx, "payments", ["charge.succeeded"], NOW - 70 * DAY, "baseline")
        read(ledger, tx, "events", 30, 0, horizon=70)
        window = Window(NOW - 50 * DAY, NOW - 30 * DAY + LEEWAY)
        judged = Covered(window, NOW + DAY, {"charge.succeeded": micros(NOW - 70 * DAY)})
        streams.save(tx, "payments", "charges", fingerprint="asked")
        coverage.add(tx, "payments", "charges", "asked", judged, "run", overlap=timedelta(hours=1))
    (source,) = board(config, ledger).sources
    charges = next(stream for stream in source.streams if stream.stream == "charges")
    assert charges.due == NOW - 30 * DAY + LEEWAY
    assert charges.bar == HOLE * 20 + FINAL * 20
    assert charges.frontier == NOW - 70 * DAY


def test_coverage_judged_for_other_topics_does_not_count(ledger, config):
    """A topic subscribed later makes what was read before a hole again (C12)."""
    with ledger.write() as tx:
        horizons.set_(tx, "payments", ["charge.succeeded"], NOW - 20 * DAY, "since")
        read(ledger, tx, "events", 10, 0, horizon=5)
    (source,) = board(config, ledger).sources
    assert set(source.streams[0].bar) == {HOLE}


def test_what_is_open_is_counted(ledger, config):
    """Events and open transactions by state, gaps by kind, a pause with its reason, and runs that ended or crashed."""
    gone = replace(Holder.me(), pid=2**30)  # no machine has so many processes
    with ledger.write() as tx:
        for state in (EventState.WAITING, EventState.CLAIMED, EventState.HELD, EventState.DEAD, EventState.HANDLED):
            add_event(tx, source="payments", state=state)
        gaps.open_(tx, source="payments", kind=GapKind.MISSING, key="a", reason="never recorded")
        for number, state in enumerate((TransactionState.PENDING, TransactionState.PENDING, TransactionState.SETTLED)):
            transactions.add(tx, "payments", Subject("charge", str(number)), NOW, {"state": state})
        targets.pause(tx, "payments", targets.HAND, "deploying")
        done = runs.start(tx, RunStart("run", Holder.me(), "0.1"))
        runs.finish(tx, done, 3, b"{}")
        runs.start(tx, RunStart("run", Holder.me(), "0.1"))
        runs.start(tx, RunStart("run", gone, "0.1"))
    found = board(config, ledger)
    (source,) = found.sources
    assert (source.waiting, source.held, source.dead) == (2, 1, 1)
    assert source.gaps == {"missing": 1}
    assert source.transactions == {"pending": 2}
    assert (source.paused, source.paused_why) == ("hand", "deploying")
    assert [run.state for run in found.runs] == ["crashed", "running", "finished"]
    assert found.crashed == found.runs[:1]


def test_a_source_never_read_says_so(ledger, config):
    """Nothing is promised of it, and nothing is claimed."""
    (source,) = board(config, ledger).sources
    assert all(stream.horizon is None and stream.bar == "" for stream in source.streams)
