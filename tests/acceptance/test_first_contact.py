"""First contact with an application that was there before us: nothing is run twice, nothing is dropped in silence."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from support.cli import Project
from support.serving import serving

from reconcile.ledger import bodies
from reconcile.ledger.tables_coverage import horizons
from reconcile.model import Origin, fact_key, iso
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.server import serve
from reconcile.sandbox.shopify import FakeShopify

SINCE = "730d"
ORDERS = 60
CONFIG = """\
ledger: sqlite:///reconcile.db
sources:
  acme-shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    base_url: BASE_URL
    retry: [1s]
    transactions: []
    http: {rate: 1000/s}
    webhook:
      url: https://hooks.acme.example/webhooks/acme-shop
      secret: whsec_dummy_hush
      topics: [orders/create, orders/updated]
    handler: acme:handlers
"""
APP = """\
import json, sqlite3
from pathlib import Path
from reconcile import Handlers

handlers = Handlers()
here = Path(__file__).parent

@handlers.on("orders/*")
def take(event):
    with (here / "effects").open("a") as effects:
        effects.write(f"{event.topic} {event.subject.id}\\n")

def recorded(keys):
    with (here / "asked").open("a") as asked:
        asked.write(json.dumps(list(keys)) + "\\n")
    marks = ",".join("?" * len(keys))
    with sqlite3.connect(here / "app.db") as database:
        return [row[0] for row in database.execute(f"select event_key from done where event_key in ({marks})", keys)]
"""
QUERY = "select event_key from done where event_key in :keys"


@contextmanager
def two_years(project: Project, more: str = "") -> Iterator[FakeShopify]:
    """A shop of two years, some orders changed since, and the application beside its configuration."""
    now = datetime.now(UTC)
    clock = SettableClock(now - timedelta(days=725))
    fake = FakeShopify(clock=clock, throttle=False)
    orders = []
    for n in range(ORDERS):
        orders.append(fake.create_order())
        clock.advance(6 * 86_400)
        if n % 4 == 1:
            fake.update_order(orders[n // 2], note="changed")
        clock.advance(6 * 86_400)
    clock.set(now)
    with serve(fake) as served:
        project.configure(CONFIG.replace("BASE_URL", served.url) + more, APP)
        yield fake


def keys_of(fake: FakeShopify) -> list[str]:
    """What an application that handled every webhook has in its table: see the documentation of `recorded:`."""
    keys = {}
    for one in fake.truth:
        changed = datetime.fromisoformat(json.loads(one.body)["updated_at"])
        keys[fact_key(one.topic, one.subject_id, iso(changed) if one.topic == "orders/updated" else "")] = None
    return list(keys)


def without(keys: list[str], fake: FakeShopify, lacking: int) -> tuple[list[str], Counter[str]]:
    """The keys but for some orders that never arrived, and what the handler must then be told."""
    lost = [one.subject_id for one in fake.truth if one.topic == "orders/create"][-lacking:]
    wanted = Counter(f"orders/create {id_}" for id_ in lost)
    return [key for key in keys if key.split(":")[1] not in lost], wanted


def rows(project: Project) -> list:
    """Every event in the ledger."""
    with project.ledger() as ledger, ledger.read() as tx:
        return list(tx.connection.execute(bodies.whole_events()))


def test_an_app_with_its_own_record_is_told_only_what_it_lacks(project):
    """What its table has is entered as handled, without a body; it is asked once a page, and never again."""
    with two_years(project, "    recorded: acme:recorded\n") as fake:
        known, wanted = without(keys_of(fake), fake, 3)
        with sqlite3.connect(project.folder / "app.db") as database:
            database.execute("create table done (event_key text primary key)")
            database.executemany("insert into done values (?)", [(key,) for key in known])
        report = project.json("run", "--since", SINCE)
        pages = len([seen for seen in fake.requests if seen.path.endswith("/orders.json")])
        first = [json.loads(line) for line in (project.folder / "asked").read_text().splitlines()]
        again = project.json("run", "--since", SINCE)
        recheck = project.json("run", "--since", SINCE, "--recheck")
    assert (report["returned"], again["returned"], recheck["returned"]) == (0, 0, 0)
    assert report["streams"][0]["covered"]
    assert report["streams"][0]["backfilled"] == 3
    assert Counter(project.effects()) == wanted
    imported = [row for row in rows(project) if row.origin == Origin.IMPORTED]
    assert len(imported) == len(rows(project)) - 3 >= ORDERS - 3
    assert {(row.state, row.body) for row in imported} == {("handled", b"")}
    assert 1 <= len(first) <= pages
    asked = [key for keys in first for key in keys]
    assert len(asked) == len(set(asked)) == 2 * ORDERS  # created, and as it is now
    assert len((project.folder / "asked").read_text().splitlines()) == len(first)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_an_apps_own_table_can_be_asked_with_a_query(project, engine, request, tmp_path):
    """`recorded:` as a query on the app's own database does the same as a function."""
    with two_years(project, f'    recorded: {{database: "${{APP_DB}}", query: "{QUERY}"}}\n') as fake:
        known, wanted = without(keys_of(fake), fake, 2)
        with app_database(engine, request, tmp_path, known) as url:
            project.environment["APP_DB"] = url
            report = project.json("run", "--since", SINCE)
            assert report["returned"] == 0, report
    assert Counter(project.effects()) == wanted
    assert len([row for row in rows(project) if row.origin == Origin.IMPORTED]) == len(rows(project)) - 2


@contextmanager
def app_database(engine, request, folder, keys) -> Iterator[str]:
    """The URL of the application's database, with its table of handled events."""
    if engine == "sqlite":
        with sqlite3.connect(folder / "app.db") as database:
            database.execute("create table done (event_key text primary key)")
            database.executemany("insert into done values (?)", [(key,) for key in keys])
        yield f"sqlite:///{folder / 'app.db'}"
        return
    with request.getfixturevalue("postgresql_databases").empty(folder) as url:
        with psycopg.connect(url) as database, database.cursor() as cursor:
            cursor.execute("create table done (event_key text primary key)")
            cursor.executemany("insert into done values (%s)", [(key,) for key in keys])
        yield url


def test_an_own_record_that_does_not_answer_stops_before_anything_is_recorded(project):
    """Without its answer everything would look missed: exit 2, nothing recorded, nobody called."""
    with two_years(project, f'    recorded: {{database: "sqlite:///nowhere/app.db", query: "{QUERY}"}}\n'):
        report = project.json("run", "--since", SINCE)
    assert report["returned"] == 2
    assert "recorded" in report["streams"][0]["error"]
    assert not report["streams"][0]["covered"]
    assert rows(project) == []
    assert project.effects() == []


def test_an_app_without_a_record_meets_a_closed_valve_then_a_baseline(project):
    """Two years look missed: nothing is handled, both ways on are named; after a baseline all is quiet."""
    with two_years(project) as fake:
        report = project.json("run", "--since", SINCE)
        assert report["returned"] == 3
        assert project.effects() == []
        (note,) = [note for note in report["notes"] if "valve is closed" in note]
        assert "reconcile baseline --since" in note
        assert "reconcile run --force" in note
        assert report["handlers"][0]["held"] == len(rows(project)) >= ORDERS
        assert project.json("run")["returned"] == 3  # and stays so: held events are counted again
        assert project.effects() == []

        baseline = project.json("baseline", "--since", SINCE)
        assert baseline["returned"] == 0, baseline
        assert {row.state for row in rows(project)} == {"handled"}
        with project.ledger() as ledger, ledger.read() as tx:
            found = {row.topic: row.at for row in tx.connection.execute(horizons.select())}
        assert set(found) == {"orders/create", "orders/updated"}
        assert all(abs((datetime.now(UTC) - at) - timedelta(days=730)) < timedelta(minutes=5) for at in found.values())

        quiet = project.json("run")
        assert (quiet["returned"], quiet["gaps_total"], quiet["streams"][0]["events"]) == (0, 0, 0)
        assert project.effects() == []

        fake.clock.set(datetime.now(UTC) - timedelta(minutes=10))
        late = fake.create_order()
        fake.clock.set(datetime.now(UTC))
        assert project.json("run")["returned"] == 0
        assert project.effects() == [f"orders/create {late}"]


def test_what_was_really_missed_is_let_through_by_force(project):
    """The other way on: everything held is handled, once, and the stream is trusted from then on."""
    with two_years(project) as fake:
        assert project.json("run", "--since", SINCE)["returned"] == 3
        forced = project.json("run", "--force")
        assert forced["returned"] == 0
        created = {one.subject_id for one in fake.truth if one.topic == "orders/create"}
        assert Counter(line.split()[1] for line in project.effects() if "create" in line) == dict.fromkeys(created, 1)
        assert len(project.effects()) == len(set(project.effects())) == len(rows(project))


def test_a_handler_that_is_the_receiver_itself_is_refused(project):
    """The same URL for both is a mistake that every command names, with its place."""
    with two_years(project):
        path = project.folder / "schedules.yaml"
        own = 'handler: "https://HOOKS.acme.example:443/webhooks/acme-shop/"'
        path.write_text(path.read_text().replace("handler: acme:handlers", own))
        for words in (["check"], ["run", "--since", SINCE]):
            done = project.run(*words)
            assert done.returncode == 2
            said = done.stdout + done.stderr  # a check's findings are its result
            assert "schedules.yaml:15:14" in said, said
            assert "sources.acme-shop.handler" in said
            assert "webhook.url" in said
    assert not (project.folder / "reconcile.db").exists()


def test_a_handler_that_leads_back_to_us_by_another_name_never_passes_for_handled(project):
    """421: our own replay is no duplicate; the event stays undone, and the report says where the URL leads."""
    with two_years(project) as fake:
        path = project.folder / "schedules.yaml"
        text = path.read_text()
        # The receiver itself has no handler: one of its own would take the events before their URL is tried.
        path.write_text(text.replace("handler: acme:handlers", ""))
        with serving(project) as receiver:
            path.write_text(text.replace("handler: acme:handlers", f"handler: {receiver.url}acme-shop"))
            report = project.json("run", "--since", "30d")
    lost = [one.subject_id for one in fake.truth if one.topic == "orders/create"][-2:]
    assert report["returned"] == 3
    assert {row.state for row in rows(project)} == {"dead"}
    assert {gap["subject"] for gap in report["gaps"]} >= {f"order/{id_}" for id_ in lost[-1:]}
    assert {gap["kind"] for gap in report["gaps"]} == {"dead"}
    assert all("421" in gap["reason"] and "leads back to our own receiver" in gap["reason"] for gap in report["gaps"])
    assert report["handlers"][0]["handled"] == 0
    assert project.effects() == []
