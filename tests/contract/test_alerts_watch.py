"""What the ledger's state says people should know: each condition opens its incident once, and its end closes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.ledgers import NOON
from support.mailing import an_office
from support.rows import add_event
from support.running import a_shop, a_stripe

from reconcile.ledger import coverage, gaps, horizons, incidents, runs, streams, targets, transactions
from reconcile.ledger.process import Holder
from reconcile.ledger.tables_coverage import coverage as coverage_rows
from reconcile.ledger.tables_runs import runs as run_rows
from reconcile.ledger.transactions import Chosen
from reconcile.model import EPOCH, GapKind, IncidentKind, Reported, Subject, TransactionStatus, Window, micros
from reconcile.transactions import hearing, settling
from reconcile.transactions.decide import Road

SCHEDULES = "schedules: [{job: backfill, every: 15m}, {job: alerts, every: 5m}]\n"


@pytest.fixture
def office(tmp_path, databases):
    """The ledger's own clock cannot be moved on PostgreSQL: what depends on it counts back from now."""
    with databases.fresh(tmp_path) as url, an_office(tmp_path, url=url, schedules=SCHEDULES) as office:
        yield office


def found(office, kind=None):
    """The open incidents after a run: kind, source, summary."""
    report = office.run()
    assert report.errors == []
    with office.ledger.read() as tx:
        return [(one.kind, one.source, one.summary) for one in incidents.find(tx, kind=kind)]


def test_quiet_ledger_has_nothing_to_tell(office):
    """H12: where nothing is the matter nobody is written to."""
    assert found(office) == []
    assert office.post.received == []


def test_dead_event_opens_and_its_revival_closes(office):
    """A dead event is its own incident; handled after all, it is over."""
    with office.ledger.write() as tx:
        seq = add_event(tx, state="dead", attempts=8)
        gaps.open_(tx, "shop", GapKind.DEAD, "evt_1", reason="boom", topic="orders/create", seq=seq)
    assert found(office) == [(IncidentKind.DEAD, "shop", "orders/create: boom")]
    with office.ledger.read() as tx:
        (one,) = incidents.find(tx)
        assert (one.tried, one.command) == ("The handler was called 8 times.", "reconcile gaps retry 1")
    with office.ledger.write() as tx:
        gaps.close_for_events(tx, [seq], "handled")
    assert found(office) == []
    assert office.got() == ["[reconcile] 1 new at shop", "[reconcile] 1 cleared at shop"]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (GapKind.BEYOND_RETENTION, IncidentKind.RETENTION),
        (GapKind.LISTING_INCOMPLETE, IncidentKind.GAP),
        (GapKind.MISSING, IncidentKind.GAP),
        (GapKind.UNHANDLED, IncidentKind.GAP),
        (GapKind.STATUS_MISMATCH, None),
    ],
)
def test_open_gaps_are_told_and_ignored_ones_are_not(office, kind, told):
    """C11: what is left for a person is told once, until it is ignored; a mismatch is told by whoever found it."""
    with office.ledger.write() as tx:
        id_ = gaps.open_(tx, "shop", kind, "k", reason="so it is", subject=Subject("order", "7"))
    assert [one[0] for one in found(office)] == ([told] if told else [])
    with office.ledger.write() as tx:
        gaps.ignore(tx, [id_], "fine")
    assert found(office) == []


def test_pause_and_valve(office):
    """A paused target and a closed valve are told with the command that ends them."""
    with office.ledger.write() as tx:
        targets.pause(tx, "shop", targets.FAILING, "503 from the URL", NOON)
        horizons.set_(tx, "shop", ["orders/create"], tx.now - timedelta(minutes=10), "since")
        streams.save(tx, "shop", "orders", valve_closed=True, fingerprint="f")
    assert [one[:2] for one in found(office)] == [(IncidentKind.PAUSED, "shop"), (IncidentKind.VALVE, "shop")]
    plain = office.post.received[0].part("plain")
    assert "because its target keeps failing: 503 from the URL" in plain
    assert "reconcile resume shop" in plain
    assert "reconcile run --force --source shop" in plain
    with office.ledger.write() as tx:
        targets.resume(tx, "shop")
        streams.save(tx, "shop", "orders", valve_closed=False)
    assert found(office) == []


def read_until(office, behind, *, source="shop", stream="orders", topics=("orders/create", "orders/updated")):
    """The stream is proven from ten days before `behind` on, up to so much before now."""
    with office.ledger.write() as tx:
        start, end = tx.now - behind - timedelta(days=10), tx.now - behind
        horizons.set_(tx, source, topics, start, "since")
        streams.save(tx, source, stream, fingerprint="f", error="503 from the list")
        covered = coverage.Covered(Window(start, end), tx.now, dict.fromkeys(topics, micros(start)))
        coverage.add(tx, source, stream, "f", covered, "run", overlap=timedelta(hours=1))


def test_coverage_that_lags_is_told_after_three_turns(office):
    """A stream may lag two turns of its schedule; from the third on people are told how far it is proven, and why."""
    read_until(office, timedelta(minutes=25))
    assert found(office) == []
    with office.ledger.write() as tx:
        tx.connection.execute(coverage_rows.delete())
    read_until(office, timedelta(minutes=50))
    ((kind, source, summary),) = found(office)
    assert (kind, source) == (IncidentKind.COVERAGE, "shop")
    assert summary.startswith("orders is proven up to 20")
    assert summary.endswith("Z only: 503 from the list")
    read_until(office, timedelta(minutes=1))
    assert found(office) == []


def test_lag_counts_turns_and_not_hours(office):
    """A stream that is read at night only does not lag by day."""
    office.schedules = "schedules: [{job: backfill, every: 30d}]\n"
    read_until(office, timedelta(days=5))
    assert found(office) == []


def test_lag_is_counted_by_the_schedule_that_comes_most_often(office):
    """One schedule at night beside one every hour: the stream has to keep up with the latter."""
    office.schedules = "schedules: [{job: backfill, every: 30d}, {job: backfill, every: 1h, sources: [shop]}]\n"
    read_until(office, timedelta(hours=5))
    assert [kind for kind, _, _ in found(office)] == [IncidentKind.COVERAGE]


def test_what_is_not_settled_yet_does_not_lag(office):
    """The third turn back could read up to `settle` before it, and no further."""
    office.schedules, month = "schedules: [{job: backfill, every: 30d}]\n", timedelta(days=30)
    now = office.ledger.now()
    behind = (now - EPOCH) % month + 2 * month
    read_until(office, behind + timedelta(seconds=60))
    assert found(office) == []
    with office.ledger.write() as tx:
        tx.connection.execute(coverage_rows.delete())
    read_until(office, behind + timedelta(seconds=180))
    assert [kind for kind, _, _ in found(office)] == [IncidentKind.COVERAGE]


def test_what_is_read_whole_is_not_about_to_be_forgotten(office):
    """A stream without a hole has nothing to lose, whatever its provider remembers."""
    topic = "payment_intent.succeeded"
    office.schedules, office.sources = "", a_stripe("card", topic)
    read_until(office, timedelta(seconds=1), source="card", stream="events", topics=(topic,))
    assert found(office) == []


def test_retention_is_told_before_it_runs_out(office):
    """What the provider forgets in a week is told now; what it remembers for long is not yet."""
    topic = "payment_intent.succeeded"
    office.schedules, office.sources = "", a_stripe("card", topic)
    read_until(office, timedelta(days=22), source="card", stream="events", topics=(topic,))
    assert found(office) == []
    read_until(office, timedelta(days=23), source="card", stream="events", topics=(topic,))
    with office.ledger.write() as tx:
        tx.connection.execute(coverage_rows.delete().where(coverage_rows.c.end > tx.now - timedelta(days=22.5)))
    ((kind, source, summary),) = found(office)
    assert (kind, source) == (IncidentKind.RETENTION, "card")
    assert "events is not read from" in summary
    assert "is gone at" in summary


def live(office, *hours):
    """Live deliveries so many hours ago."""
    with office.ledger.write() as tx:
        for hour in hours:
            at = tx.now - timedelta(hours=hour)
            add_event(tx, state="handled", recorded_at=at, topic="orders/create")


def test_silence_where_there_used_to_be_deliveries(office):
    """A day and a half without a delivery is news where there was one every few hours."""
    live(office, *range(36, 136, 4))
    ((kind, source, summary),) = found(office)
    assert (kind, source) == (IncidentKind.SILENCE, "shop")
    assert summary.endswith("after 25 in the week before")
    live(office, 1)
    assert found(office) == []


@pytest.mark.parametrize("hours", [(25, 26, 27), range(25, 185, 30), (2, 3, 4, 5, 6, 7), ()])
def test_peace_is_not_silence(office, hours):
    """A source that was always quiet, or where deliveries come slowly, is not silent yet."""
    live(office, *hours)
    assert found(office) == []


def a_run(office, jobs, minutes, exit_code, sources=()):
    """A run that ended so many minutes ago; of one without sources nobody knows for which it was."""
    with office.ledger.write() as tx:
        at = tx.now - timedelta(minutes=minutes)
        me = Holder.me()
        run = runs.start(tx, runs.RunStart("daemon", me, "1", jobs=jobs, sources=sources))
        values = {"started_at": at, "finished_at": at, "exit_code": exit_code}
        tx.connection.execute(run_rows.update().where(run_rows.c.id == run).values(values))


def test_no_run_that_ended_well_for_three_turns(office):
    """A job that runs and fails, or does not run, is told of, though other jobs end well."""
    a_run(office, ("backfill",), 120, 0)
    a_run(office, ("backfill",), 20, 4)
    a_run(office, ("purge",), 1, 0)
    ((kind, source, summary),) = found(office)
    assert (kind, source) == (IncidentKind.SILENCE, "")
    assert summary.startswith("no run of backfill ended well since ")
    assert office.got() == ["[reconcile] 1 new"]
    a_run(office, ("subscriptions", "backfill", "dispatch"), 5, 3)
    assert found(office) == []


def test_schedules_of_one_job_do_not_hide_each_others_failures(office):
    """What ends well for one source says nothing of the other, and each is told with its own command."""
    office.schedules = "schedules: [{job: backfill, every: 15m, sources: [pay]}, {job: backfill, every: 16m, "
    office.schedules += "sources: [shop]}, {job: alerts, every: 5m}]\n"
    a_run(office, ("backfill",), 120, 0, ("shop", "pay"))
    a_run(office, ("backfill",), 20, 4, ("pay",))
    a_run(office, ("backfill",), 20, 0, ("shop",))
    ((_, _, summary),) = found(office)
    assert summary.startswith("no run of backfill for pay ended well since ")
    with office.ledger.read() as tx:
        assert [one.command for one in incidents.find(tx)] == ["reconcile run backfill --source pay"]
    a_run(office, ("backfill",), 5, 0, ("pay",))
    assert found(office) == []


def test_source_that_is_new_has_nothing_to_answer_for(office):
    """It counts from the first run that knew it, also where others have long been read."""
    a_run(office, ("backfill",), 600, 0, ("shop",))
    a_run(office, ("backfill",), 5, 0, ("shop",))
    a_run(office, ("alerts",), 20, 0, ("shop", "pay"))
    assert found(office) == []
    a_run(office, ("alerts",), 90, 0, ("shop", "pay"))
    assert len(found(office)) == 1


def test_deliveries_and_mails_have_no_runs_to_miss(office):
    """A daemon delivers all the time, without runs; and who tells nobody of anything cannot tell of that."""
    office.schedules = "schedules: [{job: dispatch, every: 10s}, {job: alerts, every: 5m}]\n"
    a_run(office, ("backfill",), 600, 0)
    assert found(office) == []


def test_new_installation_is_not_silent(office):
    """A job that has had no three turns yet has nothing to answer for."""
    a_run(office, ("purge",), 10, 0)
    assert found(office) == []


def test_source_that_is_gone_takes_its_incidents_along(office):
    """What is not configured any more is nobody's trouble, and its mail says why it is over."""
    office.sources = a_shop("old")
    with office.ledger.write() as tx:
        targets.pause(tx, "old", targets.HAND, "by hand")
    assert [one[:2] for one in found(office)] == [(IncidentKind.PAUSED, "old")]
    office.sources = ""
    assert found(office) == []
    assert "the source is not configured any more" in office.post.received[-1].part("plain")


def test_what_waits_for_a_person_is_told_again_when_its_source_comes_back(office):
    """P3, A4: left out of the configuration for a while, it leaves no transaction behind, nor tells of an old one."""
    office.sources = a_shop("old")
    with office.ledger.write() as tx:
        reports = [Reported(Subject("order", f"{n}"), TransactionStatus.PENDING, "pending") for n in range(3)]
        hearing.hear(tx, "old", reports, Road.EVENT)
        some = transactions.find(tx, Chosen("old"), 3)
        hearing.give_up(tx, [replace(some[0], answer="its provider does not know it"), some[1]])
        hearing.contradict(tx, some[2], reports[2], "it ended as failed, but over 5 instead of 7")
    before = found(office)
    assert len(before) == 3
    office.sources = ""
    assert found(office) == []
    with office.ledger.write() as tx:
        settling.resolve(tx, transactions.find(tx, Chosen("old", id="1"), 1)[0], "paid in cash")
    office.sources = a_shop("old")
    assert sorted(found(office)) == sorted(one for one in before if "order/1 " not in one[2])
    assert found(office) == found(office)


def test_incidents_of_others_are_left_alone(office):
    """What was opened where it happened is closed there, whatever the state looks like."""
    office.open()
    assert len(found(office)) == len(found(office)) == 1
