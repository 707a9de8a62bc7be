"""Health and metrics: what is shown, to whom, and that it is right whichever process did the work."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from support.clock import ManualClock
from support.docs import ROOT
from support.receiving import SHOP, by_shopify, order
from support.rows import add_event

from reconcile.clock import SystemClock
from reconcile.config import load
from reconcile.errors import ConfigError, LedgerError
from reconcile.http import ProviderClient, RateBudget
from reconcile.ledger import gaps, incidents, leases, runs
from reconcile.ledger.process import Holder
from reconcile.ledger.runs import RunStart
from reconcile.model import GapKind, IncidentKind
from reconcile.receiver import Receiver
from reconcile.web import health as module
from reconcile.web.front import Front, HealthApp
from reconcile.web.health import Health
from reconcile.web.server import counts, health

CONFIG = """\
sources:
  shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    webhook: {secret: whsec_dummy_hush, topics: [orders/create, "refunds/*"]}
  pay:
    connector: stripe
    api_key: sk_test_dummy
    webhook: {secret: whsec_dummy_hush, topics: [payment_intent.succeeded]}
"""
#: What operators' dashboards and alert rules are written against.
PROMISED = {
    "reconcile_last_success_timestamp_seconds": {"job"},
    "reconcile_coverage_lag_seconds": {"source", "provider", "stream"},
    "reconcile_run_duration_seconds": set(),
    "reconcile_runs": {"result"},
    "reconcile_items": {"source", "outcome"},
    "reconcile_missing": {"source"},
    "reconcile_gaps": {"source", "reason"},
    "reconcile_oldest_gap_age_seconds": set(),
    "reconcile_pending_transactions": {"source"},
    "reconcile_provider_requests": {"source", "code"},
    "reconcile_rate_limit_wait_seconds": {"source"},
    "reconcile_handler_duration_seconds": {"source", "topic"},
    "reconcile_handler_calls": {"source", "topic", "outcome"},
    "reconcile_duplicates": {"kind"},
    "reconcile_alerts_unsent": set(),
    "reconcile_oldest_unsent_alert_age_seconds": set(),
    "reconcile_clock_skew_seconds": {"source"},
    "reconcile_webhooks": {"source", "topic", "result"},
    "reconcile_webhooks_rejected": {"source", "topic", "reason"},
    "reconcile_build_info": {"version", "schema"},
    "reconcile_ledger_up": set(),
    "reconcile_events": {"source", "state"},
    "reconcile_target_paused": {"source"},
    "reconcile_incidents": {"source", "kind"},
}


class House:
    """A process that receives, with its metrics."""

    def __init__(self, ledger, folder, heartbeats=None) -> None:
        path = folder / "schedules.yaml"
        path.write_text(CONFIG)
        config = load(path, {})
        self.ledger = ledger
        self.counts = counts(lambda: config)
        found = {"shop": (config.sources["shop"], SHOP)}
        self.receiver = Receiver(ledger, found.get, SystemClock(), metrics=self.counts)
        self.health = health(ledger, lambda: config, self.counts, heartbeats)

    def samples(self) -> dict[str, dict[tuple, float]]:
        """What is shown now: {name: {labels: value}}."""
        found: dict[str, dict[tuple, float]] = {}
        for family in text_string_to_metric_families(self.health.metrics().body.decode()):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """One of them."""
        return self.samples().get(name, {}).get(tuple(sorted(labels.items())))


@pytest.fixture
def house(ledger, tmp_path):
    """On every engine."""
    return House(ledger, tmp_path)


def test_every_promised_name_is_there_with_its_labels_and_documented(house):
    """The names are a contract: this table, the page and what is shown agree; no id is among the labels."""
    shown = list(text_string_to_metric_families(house.health.metrics().body.decode()))
    ours = {family.name for family in shown if family.name.startswith("reconcile_")}
    assert ours == set(PROMISED)
    page = (ROOT / "docs/reference/metrics.md").read_text()
    documented = dict(re.findall(r"^\| `(reconcile_\w+?)(?:_total)?`(?: \{([^}]*)\})? \|", page, flags=re.MULTILINE))
    assert {name: set(filter(None, labels.split(", "))) for name, labels in documented.items()} == PROMISED


def test_deliveries_are_counted_by_what_became_of_them(house):
    """The success rate of deliveries: stored ones by topic, refused ones by reason, repeats besides."""
    body = order()
    for id_, secret in (("w-1", {}), ("w-1", {}), ("w-2", {"secret": "whsec_dummy_other"})):
        house.receiver.receive("shop", by_shopify(body, id_, **secret), body)
    assert house.value("reconcile_webhooks_total", source="shop", topic="orders/create", result="new") == 1
    assert house.value("reconcile_webhooks_total", source="shop", topic="orders/create", result="duplicate") == 1
    assert house.value("reconcile_webhooks_rejected_total", source="shop", topic="", reason="signature") == 1
    assert house.value("reconcile_duplicates_total", kind="delivery") == 1


@pytest.mark.parametrize("road", ["function", "http"])
def test_the_success_rate_of_deliveries_is_told_by_topic(house, monkeypatch, road):
    """What was genuine and could not be stored is counted under its topic; the rate is stored over both."""
    body = order()
    headers = by_shopify(body, "w-1")

    @contextmanager
    def full():
        raise LedgerError("ledger: no space, nothing lost, safe to re-run")
        yield

    with Front(house.receiver, house.health, ("127.0.0.1", 0)) as front:

        def deliver() -> int:
            if road == "function":
                return house.receiver.receive("shop", headers, body).status
            return httpx.post(f"{front.url}shop", content=body, headers=headers, trust_env=False).status_code

        monkeypatch.setattr(house.ledger, "write", full)
        assert [deliver() for _ in range(3)] == [503] * 3
        monkeypatch.undo()
        assert deliver() == 200
    shop = {"source": "shop", "topic": "orders/create"}
    stored = house.value("reconcile_webhooks_total", result="new", **shop)
    failed = house.value("reconcile_webhooks_rejected_total", reason="ledger", **shop)
    assert stored / (stored + failed) == 0.25


def test_no_sender_chooses_a_label(house):
    """Labels are the configuration's words: a wildcard is one, and every topic that is not configured is `other`."""
    for n, topic in enumerate(("refunds/create", "refunds/x", "themes/publish", "evil\n\x00{}", "z" * 300)):
        headers = {**by_shopify(order(n), f"w-{n}"), "X-Shopify-Topic": topic}
        assert house.receiver.receive("shop", headers, order(n)).status == 200
    for n in range(50):
        house.receiver.receive(f"source-{n}", {}, b"")
    seen = house.samples()
    assert {dict(labels)["topic"] for labels in seen["reconcile_webhooks_total"]} == {"refunds/*", "other"}
    assert house.value("reconcile_webhooks_rejected_total", source="", topic="", reason="unknown_source") == 50


def test_handlers_are_timed_by_topic(house):
    """Latency and success of handlers: one histogram and one counter; what was given back took no time."""
    for outcome, seconds in (("handled", 0.02), ("handled", 40.0), ("failed", 0.3), ("lost", 1.0), ("released", 9.0)):
        house.counts.called("shop", "orders/create", outcome, seconds)
    name, labels = "reconcile_handler_duration_seconds", {"source": "shop", "topic": "orders/create"}
    assert house.value(f"{name}_count", **labels) == 4
    assert house.value(f"{name}_sum", **labels) == pytest.approx(41.32)
    buckets = {bound: house.value(f"{name}_bucket", le=bound, **labels) for bound in ("0.01", "0.025", "0.5", "+Inf")}
    assert buckets == {"0.01": 0, "0.025": 1, "0.5": 2, "+Inf": 4}
    assert house.value("reconcile_handler_calls_total", outcome="failed", **labels) == 1
    assert house.value("reconcile_duplicates_total", kind="effect") == 1


def test_requests_to_providers_are_counted_by_their_answer(house):
    """Each attempt by its status, `error` without one; waits for the rate and the provider's clock as told."""
    answers = iter([httpx.Response(429, headers={"retry-after": "2"}), httpx.ConnectError("no"), httpx.Response(200)])

    def handle(_request):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    clock = ManualClock()
    client = ProviderClient(
        source="shop",
        origin="http://127.0.0.1:9",
        headers=dict,
        clock=clock,
        budget=RateBudget(1000, clock),
        transport=httpx.MockTransport(handle),
        metrics=house.counts,
    )
    client.get("/x")
    house.counts.skewed("shop", -3.5)
    for code in ("429", "error", "200"):
        assert house.value("reconcile_provider_requests_total", source="shop", code=code) == 1
    assert house.value("reconcile_rate_limit_wait_seconds_total", source="shop") >= 2
    assert house.value("reconcile_clock_skew_seconds", source="shop") == -3.5


def a_run(ledger, jobs, code) -> None:
    """A run of somebody else's."""
    with ledger.write() as tx:
        runs.finish(tx, runs.start(tx, RunStart("cron", Holder.me(), "1", jobs=jobs)), code, b"")


def test_what_other_processes_did_is_read_from_the_ledger(house):
    """Runs, gaps, events, incidents: right whichever process wrote them, and only good ends count as success."""
    for jobs, code in ((("backfill", "dispatch"), 0), (("backfill",), 3), (("purge",), 4), (("purge",), 75)):
        a_run(house.ledger, jobs, code)
    with house.ledger.write() as tx:
        add_event(tx)
        gaps.open_(tx, "shop", GapKind.MISSING, "orders/create:1", reason="lost")
        incidents.open_(tx, source="shop", kind=IncidentKind.VALVE, key="orders", summary="It is closed.")
        tx.connection.execute(text("update reconcile_gap set opened_at = opened_at - 60000000"))
    for result in ("complete", "something_left", "not_covered", "busy"):
        assert house.value("reconcile_runs_total", result=result) == 1
    assert house.value("reconcile_run_duration_seconds_count") == 4
    succeeded = house.samples()["reconcile_last_success_timestamp_seconds"]
    assert {labels[0][1] for labels in succeeded} == {"backfill", "dispatch"}
    now = house.ledger.now().timestamp()
    assert all(now - timedelta(minutes=1).total_seconds() < at <= now + 1 for at in succeeded.values())
    assert house.value("reconcile_gaps", source="shop", reason="missing") == 1
    assert 59 < house.value("reconcile_oldest_gap_age_seconds") < 120
    assert house.value("reconcile_events", source="shop", state="waiting") == 1
    assert house.value("reconcile_incidents", source="shop", kind="valve") == 1


def test_counting_runs_reads_an_index_only(house):
    """However many runs there were, their reports are not read for a scrape."""
    a_run(house.ledger, ("backfill",), 0)
    if house.ledger.dialect == "sqlite":
        query = "explain query plan select jobs, exit_code, count(*), sum(finished_at - started_at), max(finished_at)"
        rest = " from reconcile_run where finished_at is not null and exit_code is not null group by jobs, exit_code"
        with house.ledger.read() as tx:
            plan = " ".join(str(row) for row in tx.connection.execute(text(query + rest)))
        assert "COVERING INDEX ix_reconcile_run_result" in plan


class Away:
    """A ledger that does not answer."""

    dialect = "postgresql"
    clock = SystemClock()

    def read(self):
        """Fails, in words that name a host and a user."""
        raise LedgerError(
            "ledger: no connection to the server, nothing lost, safe to re-run (host db.internal user app)"
        )


def test_without_its_ledger_it_is_alive_and_not_ready_and_still_counts(tmp_path, caplog):
    """An outage of the database is no reason to be restarted; what this process counted is shown all the same."""
    house = House(Away(), tmp_path)
    house.counts.refused("shop", "signature", "")
    assert house.health.alive().status == 200
    ready = house.health.ready()
    assert ready.status == 503
    assert b"db.internal" not in ready.body
    assert house.value("reconcile_ledger_up") == 0
    assert house.value("reconcile_webhooks_rejected_total", source="shop", topic="", reason="signature") == 1
    assert "metrics without those of the ledger" in caplog.text


def test_it_is_ready_when_the_schema_is_this_codes(house):
    """Versions and leases are in the document; a ledger of another release is not ready, and says what to do."""
    with house.ledger.write() as tx:
        lease = leases.acquire(tx, "shop", "backfill", Holder.me())
    page = house.health.ready()
    assert (page.status, b'"status":"ready"' in page.body) == (200, True)
    at_work = {"source": "shop", "job": "backfill", "holder": f"{lease.holder.host}:{lease.holder.pid}"}
    (shown,) = json.loads(page.body)["leases"]
    assert shown == at_work | {"since": shown["since"]}
    with house.ledger.write() as tx:
        leases.release(tx, lease)
    assert json.loads(house.health.ready().body)["leases"] == []
    with house.ledger.write() as tx:
        tx.connection.execute(text("update reconcile_version set version_num = '9999'"))
    page = house.health.ready()
    assert page.status == 503
    assert b"newer" in page.body


def test_it_is_alive_as_long_as_its_own_threads_are(ledger, tmp_path):
    """Liveness is a heartbeat: one that is too old ends it, by name."""
    ages = {"scheduler": 3.0}
    house = House(ledger, tmp_path, {"scheduler": (lambda: ages["scheduler"], 30.0)})
    assert house.health.alive().status == 200
    ages["scheduler"] = 31.0
    page = house.health.alive()
    assert (page.status, b"scheduler" in page.body) == (503, True)


def page_of(app, path, *, client=("127.0.0.1", 1), headers=(), method="GET"):
    """The status and body that an application answers."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": list(headers), "client": client}
    asyncio.run(app(scope, None, send))
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize(
    ("client", "headers", "seen"),
    [
        (("127.0.0.1", 1), [], True),
        (("::1", 1), [], True),
        (("203.0.113.7", 1), [], False),
        (None, [], False),
        (("127.0.0.1", 1), [(b"x-forwarded-for", b"203.0.113.7")], False),
        (("127.0.0.1", 1), [(b"forwarded", b"for=203.0.113.7")], False),
        (("127.0.0.1", 1), [(b"via", b"1.1 proxy")], False),
    ],
)
def test_numbers_are_for_this_machine_unless_asked_for(house, client, headers, seen):
    """`/metrics` and `/readyz` hide from whoever comes from elsewhere, a proxy's visitors included; `/healthz` not."""
    inside, outside = HealthApp(house.health, everyone=True), HealthApp(house.health, everyone=False)
    for path in ("/metrics", "/readyz"):
        assert page_of(outside, path, client=client, headers=headers)[0] == (200 if seen else 404)
        assert page_of(inside, path, client=client, headers=headers)[0] == 200
    assert page_of(outside, "/healthz", client=client, headers=headers)[0] == 200
    assert page_of(inside, "/other")[0] == 404
    assert page_of(inside, "/metrics", method="POST")[0] == 405
    assert page_of(inside, "/metrics", method="HEAD") == (200, b"")


def test_a_probe_of_a_ledger_that_hangs_is_answered_and_not_repeated(monkeypatch):
    """Probes never pile up behind a database that does not answer."""
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    asked, answer = threading.Semaphore(0), threading.Event()

    class Hanging(Away):
        @contextmanager
        def read(self):
            asked.release()
            assert answer.wait(10)
            raise LedgerError("ledger: too late")
            yield

    health = Health(Hanging())

    async def probe():
        first, second = await health.page("/readyz"), await health.page("/readyz")
        answer.set()
        return first, second

    first, second = asyncio.run(probe())
    assert (first.status, second.status) == (503, 503)
    assert b"does not answer" in first.body
    assert b"not answered yet" in second.body
    assert asked.acquire(blocking=False)
    assert not asked.acquire(blocking=False)


def test_one_process_listens_for_deliveries_and_inside_for_metrics(house):
    """Both ports of one front: deliveries on one, every page on the other; a port that is taken is said at once."""
    with Front(house.receiver, house.health, ("127.0.0.1", 0), ("127.0.0.1", 0)) as front:
        deliveries, inside = (listener.address for listener in front._listeners)
        body = order()
        assert (
            httpx.post(f"{front.url}shop", content=body, headers=by_shopify(body), trust_env=False).status_code == 200
        )
        shown = httpx.get(f"http://{inside}/metrics", trust_env=False)
        assert 'reconcile_webhooks_total{result="new",source="shop",topic="orders/create"} 1.0' in shown.text
        assert shown.headers["content-type"].startswith("text/plain; version=")
        assert httpx.get(f"http://{deliveries}/healthz", trust_env=False).json() == {"status": "alive"}
        assert httpx.post(f"http://{inside}/webhooks/shop", content=body, trust_env=False).status_code == 405
        with pytest.raises(ConfigError, match="the port is taken"):
            Front(house.receiver, house.health, ("127.0.0.1", int(deliveries.rpartition(":")[2])))
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{inside}/metrics", trust_env=False)


def test_no_secret_is_among_the_numbers(house):
    """X1: nothing of the configuration but names."""
    shown = house.health.metrics().body + house.health.ready().body
    for secret in (b"whsec", b"shpat", b"sk_test", b"postgresql://"):
        assert secret not in shown
