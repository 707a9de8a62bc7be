"""The statements asked for every page find their rows by an index, with a ledger large enough to matter."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import event, text
from support.ledgers import minutes

from reconcile.ledger import coverage, findings, gaps, leases, recognition, streams, subjects
from reconcile.ledger.leases import Holder
from reconcile.model import GapKind, Subject, Window

_NUMBERS = {
    "sqlite": "(with recursive c(n) as (select 1 union all select n + 1 from c where n < :rows) select n from c)",
    "postgresql": "(select n from generate_series(1, :rows) n)",
}
_ROWS_OF = {
    "reconcile_event (source, id, topic, subject_type, subject_id, fact, carried, recorded_at, state,"
    " body_hash)": "'shop', 'e' || n, 'orders/updated', 'order', 's' || n, 'f' || n, n, n, 'handled', {empty}",
    "reconcile_subject (source, type, id, version)": "'shop', 'order', 's' || n, n",
    "reconcile_gap (source, kind, key, seq, state, opened_at, seen_at)": "'shop', 'dead', 'e' || n, n, 'closed', n, n",
    "reconcile_finding (run_id, source, stream, item, seq)": "'run' || (n % 500), 'shop', 'orders', 'i' || n, n",
    'reconcile_coverage (source, stream, fingerprint, start, "end", read_at)': "'shop', 'orders', 'f' || n, n, n, n",
}


@pytest.fixture
def large(ledger):
    """A ledger with so many rows of one source that reading all of them is never the better plan."""
    with ledger.write() as tx:
        empty = "x''" if tx.dialect == "sqlite" else "''::bytea"
        for table, values in _ROWS_OF.items():
            wanted = f"insert into {table} select {values.format(empty=empty)} from {_NUMBERS[tx.dialect]} q"
            # Rows of subjects are so short that PostgreSQL reads 20,000 of them sooner than an index.
            tx.connection.execute(text(wanted), {"rows": 60_000 if "subject (" in table else 15_000})
        tx.connection.execute(text("analyze"))
    return ledger


def record_page(tx):
    page = [Subject("order", f"s{n}") for n in range(0, 5000, 50)]
    subjects.lock(tx, "shop", page)
    subjects.raise_versions(tx, "shop", [(subject, 1 << 40) for subject in page])


def ask_page(tx):
    states = [("order", f"s{n}", n) for n in range(0, 5000, 50)]
    recognition.lacking(tx, "shop", ["orders/updated"], [f"f{n}" for n in range(0, 5000, 50)], states, states)
    recognition.unfinished_ids(tx, "shop", [f"e{n}" for n in range(0, 5000, 50)])


def recall_window(tx):
    list(subjects.in_window(tx, "shop", "order", 100, 200))


def cover(tx):
    window = Window(minutes(0), minutes(9))
    covered = coverage.Covered(window, minutes(9), {})
    coverage.add(tx, "shop", "orders", "f", covered, "run", overlap=timedelta(hours=1))
    coverage.load(tx, "shop", "orders", "f7")


def find_gaps(tx):
    gaps.open_(tx, "shop", GapKind.DEAD, "e7", reason="x", seq=7)
    gaps.close_for_events(tx, [7, 8, 9])
    gaps.close(tx, "shop", GapKind.DEAD, "e7", "x")
    gaps.count(tx)


def count_run(tx):
    streams.add_counts(tx, "run7", "shop", "orders", listed=1)
    findings.classes(tx, "run7")
    findings.held_again(tx, "shop", "orders", ["run7"])
    findings.clear(tx, "run7")


def hold_lease(tx):
    lease = leases.acquire(tx, "shop", "backfill", Holder.me())
    leases.renew(tx, lease)
    leases.check(tx, lease)


HOT = [record_page, ask_page, recall_window, cover, find_gaps, count_run, hold_lease]


def statements_of(tx, work):
    """Every statement `work` executes, with what was bound to it."""
    seen = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        seen.append((statement, parameters))

    event.listen(tx.connection, "before_cursor_execute", note)
    work(tx)
    event.remove(tx.connection, "before_cursor_execute", note)
    return seen


def scans(tx, statement, parameters):
    """The lines of a plan that read a table of ours from end to end, but for those that stay small."""
    prefix = "explain query plan " if tx.dialect == "sqlite" else "explain "
    bound = parameters[0] if isinstance(parameters, list) else parameters
    lines = [str(row[-1]).strip() for row in tx.connection.exec_driver_sql(prefix + statement, bound)]
    return [line for line in lines if _scanned(line, statement) not in _SMALL]


_SMALL = {"", "reconcile_lease", "reconcile_run_stream", "reconcile_alias"}


def _scanned(line, statement):
    """The table of ours that a line of a plan reads whole, "" if it reads none; SQLite names the alias only."""
    found = re.search(r"^SCAN (\w+)|Seq Scan on (\w+)", line)
    name = (found[1] or found[2]) if found else ""
    named = re.search(rf"(reconcile_\w+) (?:as )?{name}\b", statement, re.IGNORECASE) if name else None
    return named[1] if named else name if name.startswith("reconcile_") else ""


def test_hot_statements_use_an_index(large):
    """No statement asked per page or per renewal reads a table from end to end; one without an index is noticed."""
    with large.read() as tx:
        for name in ("reconcile_event", "reconcile_event e", "reconcile_event as e"):
            assert scans(tx, f"select 1 from {name} where error = 'x'", ())
    for work in HOT:
        with large.write() as tx:
            found = statements_of(tx, work)
            for statement, parameters in found:
                assert scans(tx, statement, parameters) == [], f"{work.__name__}: {statement}"
        assert found, work.__name__
