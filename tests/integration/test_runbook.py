"""What the runbook tells an operator to do with the ledger, done: nothing is lost by it and nothing is doubled."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from datetime import timedelta

import pytest
import yaml
from support.docs import ROOT, blocks
from support.running import Bench, add_shop, add_stripe

from reconcile.ledger import Ledger


@pytest.fixture
def bench(empty):
    """A shop and an account, an hour after their last event was handled."""
    add_shop(empty, "acme")
    add_stripe(empty, "charge.succeeded")
    return empty


def happen(bench: Bench, number: int) -> list[int]:
    """Orders and charges a minute apart, the first of them changed once more at the end."""
    shop, pay = (bench.faults[name].fake for name in ("acme", "pay"))
    orders = []
    for _ in range(number):
        bench.clock.advance(60)
        orders.append(shop.create_order())
        pay.succeed(pay.create_payment_intent())
    bench.clock.advance(60)
    shop.update_order(orders[0])
    bench.clock.advance(60)
    return orders


def truth(bench: Bench) -> Counter[tuple[str, str]]:
    """What surely has to be handled once: creations and charges."""
    wanted = ("orders/create", "charge.succeeded")
    told = (one for faults in bench.faults.values() for one in faults.fake.truth)
    return Counter((one.topic, str(one.subject_id)) for one in told if one.topic in wanted)


def handled(bench: Bench) -> Counter[tuple[str, str]]:
    return Counter((topic, id_) for _, topic, id_ in bench.effects if topic != "orders/updated")


def ask_the_old_one(bench: Bench, ledger: str) -> None:
    """Give each source the `recorded:` of the page, in its own name."""
    ((_, page),) = blocks(ROOT / "docs/runbook/postgresql.md", "yaml")
    query = yaml.safe_load(page)["sources"]["acme-shop"]["recorded"]["query"]
    parts = re.split(r"(?m)^(?=  \w+:$)", bench.text)
    for number, name in enumerate(("acme", "pay"), 1):
        recorded = json.dumps({"database": ledger, "query": query.replace("acme-shop", name)})
        parts[number] += f"    recorded: {recorded}\n"
    bench.text = "".join(parts)


def test_moving_to_another_database_loses_and_doubles_nothing(bench, databases, tmp_path):
    """`postgresql.md`: the new ledger asks the old one what was handled, by the page's own query."""
    old = happen(bench, 5)
    bench.clock.advance(3600)
    assert bench.run(since=timedelta(days=2), force=True).exit_code == 0
    assert handled(bench) == truth(bench)
    happen(bench, 4)
    bench.faults["acme"].fake.update_order(old[1])
    bench.clock.advance(600)
    (tmp_path / "new").mkdir()
    with databases.fresh(tmp_path / "new") as url:
        bench.close()
        ask_the_old_one(bench, f"sqlite:///{tmp_path / 'ledger.db'}")
        bench.url, bench.ledger = url, Ledger.open(url, bench.clock)
        assert bench.run(since=timedelta(days=3), force=True).exit_code == 0
        assert handled(bench) == truth(bench)
        assert bench.handled("acme", "orders/updated")[str(old[1])] == 1
        assert max(bench.handled("acme", "orders/updated").values()) == 1
        bench.clock.advance(7200)
        assert bench.run(since=None).exit_code == 0
        assert handled(bench) == truth(bench)


def test_a_restored_backup_finds_what_came_after_it_and_no_more(bench, tmp_path):
    """`restore.md`: what was handled before the backup stays so; what came after is found again."""
    happen(bench, 30)
    bench.clock.advance(7200)
    assert bench.run(since=timedelta(days=2), force=True).exit_code == 0
    before = handled(bench)
    ledger = tmp_path / "ledger.db"
    bench.close()
    shutil.copy(ledger, tmp_path / "backup.db")
    bench.ledger = Ledger.open(bench.url, bench.clock)
    happen(bench, 30)
    bench.clock.advance(7200)
    assert bench.run(since=None, force=True).exit_code == 0
    assert handled(bench) == truth(bench)
    bench.close()
    for path in tmp_path.glob("ledger.db*"):
        path.unlink()
    shutil.copy(tmp_path / "backup.db", ledger)
    bench.ledger, bench.effects = Ledger.open(bench.url, bench.clock), []
    foreseen = bench.run(since=None, dry_run=True)
    assert bench.effects == []
    assert sum(stream.backfilled + stream.gap for stream in foreseen.streams) >= 60
    bench.run(since=None, force=True)
    assert handled(bench) == truth(bench) - before
