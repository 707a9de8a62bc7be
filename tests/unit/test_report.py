"""The contracts a caller of the command line relies on: one exit code for several, and the names in the report."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from reconcile.report import GAPS_LISTED, GapReport, HandlerReport, RunReport, StreamReport, exit_code

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
#: The first that applies of signal, bug, configuration, ledger, coverage, busy, left.
RANKED = (130, 143, 1, 2, 5, 4, 75, 3)
#: What scripts read, to the letter; `errors` and `notes` stand beside it.
DOCUMENT = (
    "run started_at finished_at since until dry_run exit_code streams handlers subscriptions transactions "
    "gaps_total gaps alerts errors notes"
)
STREAM = (
    "source stream start end covered provisional_from listed gap backfilled pending superseded already_handled "
    "filtered events unlisted_gaps error"
)
HANDLER = "source handled pending failed dead held paused"
GAP = "source kind subject topic reason since"


def test_of_several_exit_codes_the_first_by_rank_is_taken():
    """Whatever the order in which they came, and whatever ended well beside them."""
    for codes in itertools.permutations((*RANKED, 0), 3):
        assert exit_code(codes) == next(code for code in (*RANKED, 0) if code in codes), codes


def test_nothing_at_all_is_a_good_end():
    """A run with nothing to do exits 0."""
    assert exit_code([]) == 0


def test_the_report_has_the_names_that_scripts_read():
    """Every field by its name, at every depth, and no other; instants as text with a Z."""
    report = RunReport("01JD", NOON, finished_at=NOON)
    report.streams.append(StreamReport("acme-shop", "orders", NOON, NOON, provisional_from=NOON))
    report.handlers.append(HandlerReport("acme-shop"))
    report.gaps.append(GapReport("acme-shop", "dead", "order/1001", "orders/updated", "why", NOON))
    report.bug = ZeroDivisionError("its own text is told nowhere")
    document = report.as_json()
    assert set(document) == set(DOCUMENT.split())
    assert set(document["streams"][0]) == set(STREAM.split())
    assert set(document["handlers"][0]) == set(HANDLER.split())
    assert set(document["gaps"][0]) == set(GAP.split())
    assert GAPS_LISTED == 1000
    assert set(document["transactions"]) == {"checked", "resolved", "pending", "unresolved"}
    assert set(document["alerts"]) == {"sent", "queued"}
    assert document["streams"][0]["provisional_from"] == "2024-06-01T12:00:00.000000Z"
