"""A provider that refuses our credentials: told once, and once more when it takes them again."""

from __future__ import annotations

import httpx
import pytest
from support.running import a_bench, add_shop

from reconcile.ledger import incidents
from reconcile.model import IncidentKind


@pytest.fixture
def bench(databases, tmp_path):
    with a_bench(databases, tmp_path) as bench:
        add_shop(bench)
        yield bench


def opened(bench):
    """The open incidents: kind, key, and what they say."""
    with bench.ledger.read() as tx:
        return [(one.kind, one.key, one.summary, one.command) for one in incidents.find(tx)]


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_an_incident_until_they_are_taken(bench, monkeypatch, status):
    """A run that is refused opens it, further ones do not repeat it, one that is let in closes it (X1: no secret)."""
    real = bench.faults["shop"].handle
    monkeypatch.setattr(bench.faults["shop"], "handle", lambda request: httpx.Response(status, request=request))
    assert bench.run("backfill").exit_code == 4
    ((kind, key, summary, command),) = opened(bench)
    assert (kind, key, command) == (IncidentKind.CREDENTIALS, "backfill", "reconcile check")
    assert summary.startswith("backfill was refused: ")
    assert str(status) in summary
    assert "shpat" not in summary
    bench.run("backfill")
    assert len(opened(bench)) == 1
    monkeypatch.setattr(bench.faults["shop"], "handle", real)
    assert bench.run("backfill").exit_code == 0
    assert opened(bench) == []


def test_dry_run_opens_nothing(bench, monkeypatch):
    """A dry run writes no row that changes a later run."""
    monkeypatch.setattr(bench.faults["shop"], "handle", lambda request: httpx.Response(401, request=request))
    assert bench.run("backfill", dry_run=True).exit_code == 4
    assert opened(bench) == []
