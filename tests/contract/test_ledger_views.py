"""What people ask the ledger, on every engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert
from support import arriving
from support.rows import add_event, change

from reconcile.ledger import events, gaps, integrity, subjects, views
from reconcile.ledger.tables import attempts
from reconcile.ledger.views import EventFilter
from reconcile.model import EventState, GapKind, Subject, micros
from reconcile.operator import timeline

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
ORDER = Subject("order", "1")


@pytest.fixture
def seqs(ledger):
    """Three events: a handled and a dead one of order 1, a waiting one of order 2 at another source."""
    with ledger.write() as tx:
        return [
            add_event(
                tx, id="evt_a", state=EventState.HANDLED, handled_at=tx.now, topic="orders/create", body=b"12345"
            ),
            add_event(tx, id="evt_b", state=EventState.DEAD, version=micros(NOON), error="poison"),
            add_event(tx, id="evt_a", source="other", subject_id="2"),
        ]


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        (EventFilter(), [2, 1, 0]),
        (EventFilter(source="shop"), [1, 0]),
        (EventFilter(states=("dead", "waiting")), [2, 1]),
        (EventFilter(topic="orders/create"), [0]),
        (EventFilter(subject=ORDER), [1, 0]),
    ],
)
def test_events_are_listed_newest_first_by_every_filter(ledger, seqs, wanted, places):
    """Each field narrows the list; bodies stay in the database, their size is told."""
    with ledger.read() as tx:
        rows = views.list_events(tx, wanted, 10)
        assert [row.seq for row in rows] == [seqs[place] for place in places]
        assert views.count_events(tx, wanted) == len(places)
        assert not hasattr(rows[0], "body")
        assert {row.id: row.size for row in rows}.get("evt_b", 9) == 9
        assert len(views.list_events(tx, wanted, 1)) == 1


def test_an_event_is_found_by_number_id_and_alias(ledger, seqs):
    """Whatever an operator has in hand names the event; within the sources asked."""
    with ledger.write() as tx:
        events.alias(tx, "shop", "delivery-7", seqs[1])
    with ledger.read() as tx:
        for which in (str(seqs[1]), "evt_b", "delivery-7"):
            assert [row.seq for row in views.find_events(tx, which, ["shop", "other"])] == [seqs[1]]
        assert [row.seq for row in views.find_events(tx, "evt_a", ["shop", "other"])] == [seqs[0], seqs[2]]
        assert [row.seq for row in views.find_events(tx, "evt_a", ["other"])] == [seqs[2]]
        assert views.find_events(tx, "9" * 40, ["shop"]) == []


def test_a_story_has_everything_in_order(ledger, seqs):
    """Deliveries, attempts, aliases and gaps of one subject, sorted by time, and what is next."""
    with ledger.write() as tx:
        subjects.raise_versions(tx, "shop", [(ORDER, micros(NOON))])
        began = tx.now + timedelta(seconds=1)
        call = {"number": 1, "started_at": began, "finished_at": began, "outcome": "dead", "error": "poison"}
        tx.connection.execute(insert(attempts).values(seq=seqs[1], **call))
        events.alias(tx, "shop", "delivery-7", seqs[0])
        gaps.open_(tx, source="shop", kind=GapKind.DEAD, key="evt_b", reason="poison", seq=seqs[1], subject=ORDER)
    change(ledger, seqs[0], duplicates=2)
    story = timeline.tell(ledger, "shop", ORDER)
    assert story is not None
    assert [entry.at for entry in story.entries] == sorted(entry.at for entry in story.entries)
    assert {entry.what for entry in story.entries} == {"recorded", "handled", "attempt", "alias", "gap"}
    assert story.version == "2024-06-01T12:00:00Z"
    assert story.now == (
        f"#{seqs[0]} orders/create: handled; delivered 2 more times",
        f"#{seqs[1]} orders/updated: dead: poison; `reconcile events replay {seqs[1]}`",
    )
    assert timeline.tell(ledger, "shop", Subject("order", "none")) is None


def test_a_story_tells_the_live_road_from_the_found_one(ledger):
    """What a backfill found, the delivery that came after all, and one that came on its own are each called so."""
    (found,) = arriving.enter(ledger, arriving.HELD, arriving.built())
    arriving.put(ledger, found.seq, state=EventState.HANDLED, handled_at=arriving.T0, attempts=1)
    arriving.enter(ledger, arriving.LIVE, arriving.live("wh-1"))
    (live,) = arriving.enter(ledger, arriving.LIVE, arriving.live("wh-2", arriving.UPDATED))
    story = timeline.tell(ledger, "shop", arriving.ORDER)
    assert story is not None
    told = [f"{entry.what} #{entry.seq}: {entry.text}" for entry in story.entries]
    built_text = f"recorded #{found.seq}: orders/create found missing and recorded, rebuilt from a listed resource"
    assert any(one.startswith(built_text) for one in told), told
    assert any(one.startswith(f"recorded #{live.seq}: orders/updated delivered live; id wh-2") for one in told), told
    assert f"alias #{found.seq}: came again as wh-1: the same event, not run twice" in told
    assert f"handled #{found.seq}: orders/create, after 1 attempt" in told


def test_subject_types_and_first_contact(ledger, seqs):
    """A source that recorded anything is told from one that did not."""
    del seqs
    with ledger.write() as tx:
        subjects.raise_versions(tx, "shop", [(ORDER, 7)])
    with ledger.read() as tx:
        assert views.subject_types(tx, "shop") == ["order"]
        assert views.has_events(tx, "shop")
        assert not views.has_events(tx, "empty")


def test_a_whole_ledger_has_no_problems_and_a_broken_one_says_which(ledger, seqs):
    """`db check` counts rows that contradict each other."""
    with ledger.read() as tx:
        assert integrity.problems(tx) == []
    change(ledger, seqs[2], state=EventState.CLAIMED)
    with ledger.write() as tx:
        events.alias(tx, "shop", "lost", 10**9)
    with ledger.read() as tx:
        assert sorted(integrity.problems(tx)) == [
            "1 aliases of events that are not there",
            "1 claimed events that nobody holds",
        ]


def test_the_schema_is_told_without_changing_it(ledger_url, empty_url):
    """`db version` upgrades nothing."""
    assert integrity.schema(ledger_url)[0] == integrity.schema(ledger_url)[1]
    assert integrity.schema(empty_url)[0] == ""
    assert integrity.schema(empty_url)[0] == ""
