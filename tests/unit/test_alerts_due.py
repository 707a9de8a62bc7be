"""Who is told what: any history of incidents tells each audience each thing once, and digests count exactly."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from support.ledgers import NOON

from reconcile.alerts import digest
from reconcile.alerts.due import ESCALATION, OPERATORS, THIRD_PARTY, Policy, plan
from reconcile.ledger.incidents import Incident
from reconcile.ledger.mails import Notice
from reconcile.model import IncidentKind

POLICY = Policy(timedelta(hours=24), (timedelta(hours=2), timedelta(hours=6)), frozenset({"pay"}))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "close", "ack", "snooze", "happen", "wait"]), st.integers(0, 3), st.integers(0, 30)
    ),
    max_size=40,
)


def incident(id_, at, key="k", **values):
    given_ = {
        "id": id_, "source": "pay", "kind": IncidentKind.UNRESOLVED, "key": key, "state": "open", "happened": False,
        "summary": f"{key} has not ended", "tried": "", "note": "", "command": "", "reference": key, "amount": "",
        "currency": "", "third_party": True, "since": at, "opened_at": at, "closed_at": None, "acked_at": None,
        "snoozed_until": None,
    }  # fmt: skip
    return Incident(**given_ | values)


def play(steps):
    """Incidents through their lives, the job after every step; everything that was told, in order."""
    now, known, told, mails = NOON, {}, {}, []
    for what, which, hours in steps:
        now += timedelta(hours=hours)
        alive = [one for one in known.values() if one.key == str(which) and one.state == "open"]
        if what == "open" and not alive:
            known[len(known) + 1] = incident(len(known) + 1, now, str(which))
        elif what == "happen":
            gone = {"state": "closed", "happened": True, "closed_at": now}
            known[len(known) + 1] = incident(len(known) + 1, now, str(which), **gone)
        for one in alive:
            changes = {
                "close": {"state": "closed", "closed_at": now},
                "ack": {"acked_at": now},
                "snooze": {"snoozed_until": now + timedelta(hours=5)},
            }
            known[one.id] = replace(one, **changes.get(what, {}))
        for _ in range(2):
            made = plan(list(known.values()), told, POLICY, now)
            for audience, news in made.mails.items():
                for one, notice in news:
                    assert notice not in told.get(one.id, {}), "told twice"
                    told.setdefault(one.id, {})[notice] = now
                    mails.append((audience.name, one, notice))
    return known, mails


@settings(deadline=None, max_examples=50)
@given(STEPS)
def test_nobody_is_told_the_same_twice_and_every_end_follows_a_beginning(steps):
    """A2, A4: whatever comes, goes, is taken on or snoozed: one notice each, an end for who heard the beginning."""
    known, mails = play(steps)
    heard = Counter((one.id, notice) for _, one, notice in mails)
    assert set(heard.values()) <= {1}
    for name, one, notice in mails:
        began = {"opened", "escalated"} if name == ESCALATION else {"opened"}
        if notice.state in ("cleared", "repeated"):
            assert any(other.id == one.id and of == name and seen.state in began for of, other, seen in mails)
    told = {(name, one.id) for name, one, notice in mails if notice.state == "opened"}
    for one in known.values():
        if one.state == "open" and not one.silent(NOON + timedelta(days=999)) and one.snoozed_until is None:
            assert {(OPERATORS, one.id), (THIRD_PARTY, one.id)} <= told


@given(
    st.lists(st.tuples(st.text(max_size=30), st.sampled_from(["a", "b"])), min_size=1, max_size=60), st.integers(1, 9)
)
def test_a_digest_counts_everything_once(said, most):
    """A4: groups, what they leave out and groups that are left out add up to the news."""
    news = [
        (incident(n, NOON, summary=text, source=source), Notice(n, "opened", OPERATORS))
        for n, (text, source) in enumerate(said)
    ]
    (part,) = digest.parts(news, most)
    assert part.count == len(news) == sum(group.count for group in part.groups) + part.left_count
    for group in part.groups:
        assert group.count == len(group.shown) + group.more
        assert len(group.shown) == min(most, group.count)
        assert {one.source for one in group.shown} == {group.source}


def test_a_mail_shows_so_many_causes_and_counts_the_others():
    """A4: a storm of different causes is a short mail too, the largest first."""
    words = ["".join(pair) for pair in itertools.product("abcdefgh", repeat=2)]
    texts = [word for size, word in enumerate(words, 1) for _ in range(size)]
    news = [(incident(n, NOON, summary=text), Notice(n, "opened", OPERATORS)) for n, text in enumerate(texts)]
    (part,) = digest.parts(news, 3)
    assert len(part.groups) == digest.MOST_GROUPS == 20
    assert [group.count for group in part.groups] == list(range(64, 44, -1))
    assert (part.left_out, part.left_count) == (44, sum(range(1, 45)))


def test_one_cause_is_one_group():
    """What differs only in numbers, ids and quoted words is one cause; what differs in words is not."""
    same = ["order/1: no customer 7", "order/22: no customer 'x'", 'order/3: no customer "y z"']
    assert len({digest.cause(text) for text in same}) == 1
    assert digest.cause("order/1: boom") != digest.cause("order/1: bang")


def test_what_was_never_told_has_no_end():
    """Nobody hears that something is over of which they never heard."""
    over = incident(1, NOON, state="closed", closed_at=NOON)
    made = plan([over], {}, POLICY, NOON)
    assert (made.mails, made.settled) == ({}, [1])
