"""Purging: what events carry goes, the keys that dedupe them stay, and nothing is handled twice for it (L5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from support.running import NOON, Bench, add_shop, at_failpoint

from reconcile.errors import ConfigError
from reconcile.ledger import findings, purging, transactions
from reconcile.ledger.findings import Finding
from reconcile.ledger.tables import bodies, events
from reconcile.ledger.tables_coverage import gaps
from reconcile.ledger.tables_runs import findings as finding
from reconcile.ledger.tables_runs import runs
from reconcile.model import Subject
from reconcile.operator import repair
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.shopify import FakeShopify

PURGE = "schedules:\n  - {job: purge, every: 1d, keep_payloads: 30d}\n"
KEYS = "schedules:\n  - {job: purge, every: 1d, keep_payloads: 30d, keep_keys: 60d}\n"
DAY = 86_400


@pytest.fixture
def bench(tmp_path):
    """A shop with ten orders of ten days, all handled; then a hundred days pass."""
    made = Bench(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}", SettableClock(NOON))
    add_shop(made, "acme")
    made.run(since=timedelta(days=1))
    for _ in range(10):
        made.clock.advance(DAY)
        made.faults["acme"].fake.create_order()
    made.clock.advance(DAY)
    made.run(since=None)
    assert len(made.effects) == 10
    made.clock.advance(100 * DAY)
    yield made
    made.ledger.close()


def count(bench: Bench, table) -> int:
    with bench.ledger.read() as tx:
        return tx.connection.execute(select(func.count()).select_from(table)).scalar_one()


def purge(bench: Bench, schedules: str = PURGE, **options: object):
    if "schedules:" not in bench.text:
        bench.text += schedules
    return bench.run("purge", since=None, **options)


def test_what_events_carry_goes_and_their_keys_stay(bench):
    """L5: after a purge, reading everything again finds nothing missed and calls no handler."""
    report = purge(bench)
    assert (count(bench, bodies), count(bench, events)) == (0, 10)
    assert report.exit_code == 0
    assert any("let go of what 10 events" in note for note in report.notes)
    bench.effects.clear()
    again = bench.run(since=timedelta(days=120), recheck=True)
    assert bench.effects == []
    assert again.streams[0].already_handled == 10


def test_what_is_young_or_not_done_with_keeps_all_it_has(bench):
    """A young event keeps its body, and so does an old one that is dead: it is to be tried again."""
    bench.refuses = lambda event: True
    bench.faults["acme"].fake.create_order()
    bench.clock.advance(DAY)
    bench.run(since=None)
    for _ in range(4):  # through every retry
        bench.clock.advance(3600)
        bench.run("dispatch", since=None)
    bench.clock.advance(50 * DAY)
    bench.refuses = lambda event: False
    young = bench.faults["acme"].fake.create_order()
    bench.clock.advance(DAY)
    bench.run(since=None)
    purge(bench)
    with bench.ledger.read() as tx:
        kept = tx.connection.execute(
            select(events.c.state, events.c.subject_id).join(bodies, bodies.c.seq == events.c.seq)
        )
        states = {row.subject_id: row.state for row in kept}
    assert states.pop(str(young)) == "handled"
    assert list(states.values()) == ["dead"]


TWO = """\
schedules:
  - {job: purge, every: 1d, keep_payloads: 30d}
  - {job: purge, every: 1d, keep_payloads: 3000d, sources: [acme]}
"""


def test_of_two_schedules_the_shorter_counts_for_payloads_and_the_longer_for_records(bench):
    """L5: what one schedule promises to be gone is gone, and what another still keeps of what is over stays."""
    with bench.ledger.write() as tx:
        transactions.add(tx, "acme", Subject("order", "1"), tx.now, {"state": "settled", "ended_at": NOON})
    before = count(bench, transactions.table)
    assert any("let go of what 10 events" in note for note in purge(bench, TWO).notes)
    assert (count(bench, bodies), count(bench, transactions.table)) == (0, before)


def test_a_dry_run_lets_go_of_nothing(bench):
    """It says what would go."""
    report = purge(bench, dry_run=True)
    assert count(bench, bodies) == 10
    assert any("would let go of what events from before" in note for note in report.notes)


def test_a_purged_event_cannot_be_sent_again_and_says_why(bench):
    """An operator who asks for it is told that its body was purged."""
    purge(bench)
    with pytest.raises(ConfigError, match="it has no body; it was purged"), bench.ledger.write() as tx:
        repair.replay(tx, bench.config(), "acme", 1)


def test_since_before_the_keys_is_refused(bench):
    """L5: where the keys are gone all would look missed: refused, unless that is said to be wanted."""
    bench.run(since=None)  # up to now: what lies in a hole keeps its keys
    purge(bench, KEYS)
    assert (count(bench, events), count(bench, gaps)) == (0, 0)
    bench.effects.clear()
    refused = bench.run(since=timedelta(days=120))
    assert refused.exit_code == 2
    assert "begin no earlier, or say --allow-reprocess" in refused.errors[0]
    assert bench.run(since=None).exit_code == 0
    assert bench.effects == []
    bench.run(since=timedelta(days=120), allow_reprocess=True)
    assert len(bench.effects) == 10


def test_a_baseline_after_a_purge_does_not_reopen_what_was_purged(bench):
    """L5: its horizon is young, and the keys of before are as gone as they were."""
    bench.run(since=None)
    purge(bench, KEYS)
    bench.effects.clear()
    assert bench.run("backfill", since=timedelta(days=7), baseline=True).exit_code == 0
    refused = bench.run(since=timedelta(days=120), recheck=True)
    assert (refused.exit_code, bench.effects) == (2, [])
    assert "begin no earlier" in refused.errors[0]


def test_a_baseline_from_before_a_purge_records_anew_what_was_purged(bench):
    """L5: what is covered has no keys any more, and the horizon that goes back to it makes its facts count again."""
    bench.run(since=None)
    purge(bench, KEYS)
    bench.effects.clear()
    assert bench.run("backfill", since=timedelta(days=111), baseline=True).exit_code == 0
    assert count(bench, events) == 10
    shop = bench.faults["acme"].fake
    shop.update_order(int(bench_first(shop)), note="changed")
    bench.clock.advance(DAY)
    bench.run(since=None)
    assert [topic for _, topic, _ in bench.effects] == ["orders/updated"]
    assert bench.run(since=timedelta(days=112), recheck=True).exit_code == 0
    assert len(bench.effects) == 1


def test_a_baseline_that_a_purge_overtakes_moves_no_horizon(bench):
    """L5: what it found recorded is gone by the time it would promise it."""
    bench.run(since=None)
    bench.text += KEYS
    with at_failpoint("window.covered", lambda: bench.run("purge", since=None)):
        report = bench.run("backfill", since=timedelta(days=111), baseline=True, recheck=True)
    assert report.exit_code == 75
    assert bench.run("backfill", since=timedelta(days=111), baseline=True).exit_code == 0
    assert count(bench, events) == 10


def test_a_purge_that_finds_nothing_to_forget_refuses_nothing(bench):
    """L5: a young ledger may still be asked about the years before it."""
    bench.text += "schedules:\n  - {job: purge, every: 1d, keep_keys: 200d}\n"
    bench.run("backfill", since=timedelta(days=7), baseline=True)
    bench.run("purge", since=None)
    assert bench.run("backfill", since=timedelta(days=300)).exit_code == 0


def test_an_old_order_that_changes_now_is_not_created_anew(bench):
    """Its change reaches the handler; its creation, whose key is gone, is not handled a second time."""
    bench.run(since=None)
    purge(bench, KEYS)
    bench.effects.clear()
    shop = bench.faults["acme"].fake
    shop.update_order(int(bench_first(shop)), note="changed")
    bench.clock.advance(DAY)
    bench.run(since=None)
    assert [topic for _, topic, _ in bench.effects] == ["orders/updated"]


def bench_first(shop: FakeShopify) -> str:
    return next(one.subject_id for one in shop.truth if one.topic == "orders/create")


def test_a_run_that_a_purge_overtakes_takes_nothing_for_missed(bench):
    """L5: it asked for facts whose keys went before it could look them up."""
    bench.run(since=None)
    bench.text += KEYS
    bench.effects.clear()
    bench.faults["acme"].fake.update_order(int(bench_first(bench.faults["acme"].fake)), note="changed")
    bench.clock.advance(DAY)
    with at_failpoint("window.opened", lambda: bench.run("purge", since=None)):
        assert bench.run(since=None).exit_code == 75
    bench.run(since=None)
    assert [topic for _, topic, _ in bench.effects] == ["orders/updated"]


def test_keys_stay_as_long_as_anything_is_left_to_read_of_their_time(bench):
    """A stretch that was never proven will be read: it must find the keys of what was recorded of it."""
    purge(bench, KEYS)  # nothing was read for a hundred days: the frontier is where the last run left it
    with bench.ledger.read() as tx:
        left = purging.forgettable(tx, "acme", NOON + timedelta(days=50))
    assert left < NOON + timedelta(days=12)
    bench.effects.clear()
    bench.run(since=None)
    assert bench.effects == []


def test_old_runs_go_but_for_the_newest(bench, monkeypatch):
    """Runs are rows too, with what killed ones had found; the newest stay, whatever their age."""
    monkeypatch.setattr(purging, "RUNS_KEPT", 2)
    with bench.ledger.write() as tx:
        found = [
            Finding(tx.connection.execute(select(of(runs.c.id))).scalar_one(), "acme", "orders", "0:0")
            for of in (func.min, func.max)
        ]
        findings.add(tx, found)
    for _ in range(5):
        bench.run("dispatch", since=None)
    bench.clock.advance(40 * DAY)
    purge(bench)
    assert count(bench, runs) == 2
    assert count(bench, finding) == 0


def test_batches_reach_everything(bench, monkeypatch):
    """More rows than fit in one commit."""
    monkeypatch.setattr(purging, "BATCH", 3)
    purge(bench)
    assert count(bench, bodies) == 0


def test_without_a_schedule_nobody_knows_what_to_keep(bench):
    """`run purge` without a schedule says which line to add."""
    report = bench.run("purge", since=None)
    assert report.exit_code == 2
    assert "keep_payloads: 90d" in report.errors[0]
