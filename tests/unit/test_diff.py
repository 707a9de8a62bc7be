"""Items of a page against what the record knows: every item in one class, every fact asked for once, none forgotten."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconcile.diff import Asked, Holder, Standing, ask_log, ask_snapshots, of_log, of_snapshots, rebuilt
from reconcile.model import (
    Candidate,
    Description,
    GapKind,
    LoggedEvent,
    Occurrence,
    Origin,
    Snapshot,
    Subject,
    Window,
    fact_id,
    instant,
    micros,
)

START = datetime(2024, 6, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1))
CREATE, UPDATE = "orders/create", "orders/updated"
KINDS = {
    CREATE: Occurrence.ONCE,
    UPDATE: Occurrence.STATE,
    "refunds/create": Occurrence.DATED,
    "x": Occurrence.REPEATED,
}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def snapshot(id_: int, seconds: float, version: int | None = None) -> Snapshot:
    when = at(seconds)
    return Snapshot(Subject("order", str(id_)), micros(when) if version is None else version, when, b"{}")


def candidate(item: Snapshot, topic: str, when: datetime | None = None, **more) -> Candidate:
    given_ = {"kind": KINDS[topic], "occurred_at": when or item.at, "version": item.version, "body": lambda: b"{}"}
    if KINDS[topic] is Occurrence.STATE:
        given_["occurrence"] = str(item.version)
    return Candidate(topic=topic, subject=item.subject, **(given_ | more))


def proves(*topics: str):
    """A connector whose every snapshot proves these."""
    return lambda item, wanted: [candidate(item, topic) for topic in topics if topic in wanted]


def logged(id_: int, seconds: float, topic: str = CREATE) -> LoggedEvent:
    return LoggedEvent(f"evt_{id_}", at(seconds), Description(topic, None, Occurrence.REPEATED), b"{}")


seconds = st.integers(-30, 3630)
snapshots = st.lists(st.builds(snapshot, st.integers(0, 5), seconds), max_size=25)
entries = st.lists(st.builds(logged, st.integers(0, 9), seconds, st.sampled_from([CREATE, UPDATE, "z"])), max_size=25)
floors = st.fixed_dictionaries({}, optional={topic: seconds.map(lambda s: micros(at(s))) for topic in (CREATE, UPDATE)})


@given(snapshots, floors, st.integers(0, 25))
def test_every_listed_resource_is_judged_or_filtered_once(items, judged_from, cut):
    """C2, C5: in the window, not seen before, and proving something from its topic's floor on; wherever pages end."""
    seen: set[tuple[str, int]] = set()
    pages = [
        ask_snapshots(part, WINDOW, seen, proves(CREATE, UPDATE), judged_from) for part in (items[:cut], items[cut:])
    ]
    assert sum(page.judged + page.filtered for page in pages) == len(items)
    distinct = {(item.subject.id, item.version): item for item in items if item.at in WINDOW}
    counts = {
        (mark, topic)
        for mark, item in distinct.items()
        for topic, floor in judged_from.items()
        if micros(item.at) >= floor
    }
    assert sum(page.judged for page in pages) == len({mark for mark, _ in counts})
    asked = [one.candidate for page in pages for one in (*page.facts, *page.states)]
    assert sorted((one.subject.id, one.version, one.topic) for one in asked) == sorted(
        (*mark, topic) for mark, topic in counts
    )
    assert seen == set(distinct)


@given(snapshots, floors)
def test_a_whole_page_asks_what_its_halves_ask(items, judged_from):
    """C5: how a provider cuts pages changes nothing of what is asked."""
    one = ask_snapshots(items, WINDOW, set(), proves(CREATE, UPDATE), judged_from)
    seen: set[tuple[str, int]] = set()
    many = [ask_snapshots([item], WINDOW, seen, proves(CREATE, UPDATE), judged_from) for item in items]
    facts = [(asked.candidate.key, asked.candidate.version) for part in many for asked in part.facts]
    assert [(asked.candidate.key, asked.candidate.version) for asked in one.facts] == facts
    assert one.filtered == sum(part.filtered for part in many)


def test_the_windows_ends_are_half_open():
    """C5: its start belongs to it, its end to the next."""
    items = [snapshot(1, 0), snapshot(2, 3600), snapshot(3, 3599.999999), snapshot(4, -0.000001)]
    asked = ask_snapshots(items, WINDOW, set(), proves(CREATE), {CREATE: 0})
    assert [one.candidate.subject.id for one in asked.facts] == ["1", "3"]


def test_a_fact_counts_on_its_own_time_whichever_window_lists_it():
    """C1: an old order changed today proves its old creation too, if that is asked about at all."""
    item = snapshot(1, 100)

    def rebuild(_item, _topics):
        return [candidate(item, CREATE, at(-86_400)), candidate(item, UPDATE)]

    recent = ask_snapshots([item], WINDOW, set(), rebuild, {CREATE: micros(at(-3600)), UPDATE: micros(START)})
    assert ([one.candidate.topic for one in recent.facts], len(recent.states)) == ([], 1)
    old = ask_snapshots([item], WINDOW, set(), rebuild, {CREATE: micros(at(-86_400)), UPDATE: micros(START)})
    assert [one.candidate.topic for one in old.facts] == [CREATE]


proofs = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.floats(-1.5, 1.5), st.booleans()), max_size=4)


@given(st.lists(proofs, max_size=6), st.floats(0, 3000))
def test_a_subject_is_asked_for_when_no_fact_accounts_for_its_version(facts_of, began):
    """H5: what a page is asked and what an event carries agree, on every kind of fact and around every second."""
    items = [snapshot(number, began + number) for number in range(len(facts_of))]
    shown = {
        item.subject: [
            candidate(item, topic, item.at + timedelta(seconds=off), whole=whole) for topic, off, whole in facts
        ]
        for item, facts in zip(items, facts_of, strict=True)
    }
    asked = ask_snapshots(items, WINDOW, set(), lambda item, _: shown[item.subject], dict.fromkeys(KINDS, 0))
    assert asked.seen == [item for item in items if all(one.carried is None for one in shown[item.subject])]


@given(entries, st.integers(0, 25), seconds)
def test_every_log_entry_is_judged_or_filtered_once(items, cut, floor):
    """C1, C2: each id of a subscribed topic in the window once, from its floor on; wherever pages end."""
    seen: set[tuple[str, int]] = set()
    least = {CREATE: micros(at(floor)), UPDATE: micros(at(0))}
    pages = [ask_log(part, WINDOW, seen, least.get) for part in (items[:cut], items[cut:])]
    wanted = {
        (item.id, micros(item.at))
        for item in items
        if item.at in WINDOW and item.description.topic in least and micros(item.at) >= least[item.description.topic]
    }
    assert sum(page.judged + page.filtered for page in pages) == len(items)
    assert {(item.id, micros(item.at)) for page in pages for _, item in page.ids} == wanted
    assert sum(page.judged for page in pages) == len(wanted)


holders = st.none() | st.builds(Holder, st.integers(1, 99), st.sampled_from(Standing), st.booleans())


@given(st.lists(st.tuples(holders, st.booleans()), max_size=12))
def test_a_logged_event_is_held_imported_or_missing(told):
    """H9: what is missing keeps the provider's id and bytes; who has it is asked of the ledger before the app."""
    lacking = [(place, logged(place, place)) for place in range(len(told))]
    known = {f"evt_{place}": holder for place, (holder, _) in enumerate(told) if holder}
    elsewhere = {f"evt_{place}" for place, (_, app) in enumerate(told) if app}
    found = of_log(lacking, known, elsewhere)
    places = [place for place, _ in (*found.held, *found.imported, *found.missing)]
    assert sorted(places) == list(range(len(told)))
    for place, arrival in found.missing:
        assert told[place] == (None, False)
        assert (arrival.id, arrival.reconstructed, arrival.origin) == (f"evt_{place}", False, Origin.BACKFILL)
    for place, _ in found.imported:
        assert told[place] == (None, True)


topics = st.sampled_from(sorted(KINDS))
lacking_facts = st.lists(
    st.tuples(
        st.integers(0, 4), topics, st.integers(0, 3600), holders, st.sampled_from(["", "no body"]), st.booleans()
    ),
    max_size=15,
)


@given(lacking_facts)
def test_every_fact_that_is_lacking_is_accounted_for(told):
    """C1: held, imported, a gap or missing; a state is passed over only when another fact carries its version."""
    asked, elsewhere = [], set()
    for place, topic, when, holder, reason, app in told:
        item = snapshot(place, 1800)
        one = Asked(place, candidate(item, topic, at(when), reason=reason))
        asked.append((one, holder))
        if app:
            elsewhere.add(one.candidate.key)
    found = of_snapshots("shop", asked, elsewhere)
    accounted = len(found.held) + len(found.imported) + len(found.gaps) + len(found.missing)
    passed = len(asked) - accounted
    states = [
        one.place
        for one, holder in asked
        if one.candidate.kind is Occurrence.STATE
        and holder is None
        and one.candidate.key not in elsewhere
        and not one.candidate.reason
    ]
    assert 0 <= passed <= len(states)
    carrying = {place for place, arrival in (*found.missing, *found.imported) if arrival.carried is not None}
    assert set(states) <= carrying
    assert all(gap.kind is GapKind.NOT_REBUILDABLE for gap in found.gaps)
    worst = found.classes()
    for gap in found.gaps:
        assert worst[gap.place] is Standing.GAP
    for place, _ in found.missing:
        assert worst[place] <= Standing.MISSING
    for place, holder in found.held:
        assert worst[place] <= holder.standing


def test_an_order_just_created_needs_its_creation_only():
    """The event rebuilt for it carries the same state; one changed since needs both."""
    fresh, changed = snapshot(1, 10), snapshot(2, 20)
    asked = [
        (Asked(0, candidate(fresh, CREATE)), None),
        (Asked(0, candidate(fresh, UPDATE)), None),
        (Asked(1, candidate(changed, CREATE, at(5))), None),
        (Asked(1, candidate(changed, UPDATE)), None),
    ]
    found = of_snapshots("shop", asked)
    topics_ = [(place, arrival.description.topic) for place, arrival in found.missing]
    assert topics_ == [(0, CREATE), (1, CREATE), (1, UPDATE)]


def test_what_happens_again_and_again_is_not_rebuilt_beside_a_real_one():
    """A repeat cannot be told from the one on record: a gap says so; a rebuilt one on record is the same again."""
    one = Asked(0, candidate(snapshot(1, 1), "x"))
    real = of_snapshots("shop", [(one, Holder(1, Standing.DONE))])
    assert [gap.kind for gap in real.gaps] == [GapKind.NOT_REBUILDABLE]
    again = of_snapshots("shop", [(one, Holder(1, Standing.DONE, reconstructed=True))])
    assert (again.gaps, len(again.held)) == ([], 1)


@given(st.text(), st.text(min_size=1), st.integers(0, 2**40))
def test_a_rebuilt_event_is_the_same_on_every_machine(source, id_, version):
    """Its id is a UUIDv5 of its source and fact, and of nothing else."""
    item = Snapshot(Subject("order", id_), version, instant(version), b'{"id": 1}')
    one, other = rebuilt(source, candidate(item, UPDATE)), rebuilt(source, candidate(item, UPDATE))
    assert one.id == other.id == fact_id(source, one.description.key)
    assert uuid.UUID(one.id).version == 5
    assert one.id != rebuilt(source + "x", candidate(item, UPDATE)).id
    assert one.reconstructed
    assert one.carried == version
