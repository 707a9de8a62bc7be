"""Observed × wanted → plan, without a provider: what is done about each topic, and that it is the gentlest repair."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.shopify.subscriptions import mend as shopify_mend
from connectors.stripe.endpoints import mend as stripe_mend
from reconcile.connector import Mend, Subscription, Wanted
from reconcile.subscriptions.compare import compare
from reconcile.subscriptions.plan import Action, Found, Situation, is_at, sends

URL, OTHER = "https://hooks.acme.example/pay", "https://other.example/pay"
OLD, NEW = "2026-07-29.dahlia", "2026-10-28.endive"


def one(id_="we_1", topics="a b", *, url=URL, enabled=True, version="", secret=""):
    return Subscription(id_, url, tuple(topics.split()), enabled=enabled, api_version=version, secret=secret)


def planned(observed, *, ours=None, accepts=(), prune=False, topics="a b", mend=stripe_mend):
    wanted = Wanted(URL, tuple(topics.split()), accepts[0] if accepts else "")
    return compare([wanted], Situation(observed, mend, ours or {}, accepts, prune))


def said(plan):
    return " ".join(f"{row.topic}:{row.found}/{row.action}" for row in sorted(plan.rows, key=lambda row: row.topic))


MINE, LOST = {"we_1": True}, {"we_1": False}
TABLE = {
    "nothing there": ([], {}, "a:missing/created b:missing/created"),
    "as it should be": ([one()], {}, "a:ok/none b:ok/none"),
    "everything is more than enough": ([one(topics="*")], {}, "a:ok/none b:ok/none"),
    "two that share the topics": ([one(topics="a"), one("we_2", "b")], {}, "a:ok/none b:ok/none"),
    "a closing slash and a port are no difference": (
        [one(url="https://Hooks.acme.example:443/pay/")], {}, "a:ok/none b:ok/none"),
    "another path is": ([one(url=URL + "2")], {}, "a:missing/created b:missing/created"),
    "http is": ([one(url=URL.replace("https", "http"))], {}, "a:missing/created b:missing/created"),
    "disabled": ([one(enabled=False)], {}, "a:disabled/enabled b:disabled/enabled"),
    "disabled and lacking": ([one(topics="a", enabled=False)], {}, "a:disabled/enabled b:wrong_topics/updated"),
    "lacking one": ([one(topics="a")], {}, "a:ok/none b:wrong_topics/updated"),
    "with none of ours": ([one(topics="z")], {}, "a:wrong_topics/updated b:wrong_topics/updated"),
    "half enabled, half asleep": (
        [one(topics="a"), one("we_2", "b", enabled=False)], {}, "a:ok/none b:disabled/enabled"),
    "asleep would double": (
        [one(topics="a"), one("we_2", "a b", enabled=False)], {}, "a:ok/none b:wrong_topics/updated"),
    "asleep and everything would double too": (
        [one(topics="a"), one("we_2", "*", enabled=False)], {}, "a:ok/none b:wrong_topics/updated"),
    "foreign, elsewhere": ([one(url=OTHER)], {}, "a:missing/created b:missing/created"),
    "ours, elsewhere": ([one(url=OTHER)], {"ours": MINE}, "a:wrong_url/updated b:wrong_url/updated"),
    "ours, elsewhere and disabled": (
        [one(url=OTHER, enabled=False)], {"ours": MINE}, "a:wrong_url/updated b:wrong_url/updated"),
    "ours elsewhere beside a good one": ([one(url=OTHER), one("we_2")], {"ours": MINE}, "a:ok/none b:ok/none"),
    "wrong version": (
        [one(version=OLD)], {"accepts": (NEW,)}, "a:wrong_version/created b:wrong_version/created"),
    "wrong version and disabled": (
        [one(version=OLD, enabled=False)], {"accepts": (NEW,)}, "a:wrong_version/created b:wrong_version/created"),
    "wrong version, and lacking": (
        [one(topics="a", version=OLD)], {"accepts": (NEW,)}, "a:wrong_version/created b:missing/created"),
    "the second of two versions": ([one(version=OLD)], {"accepts": (NEW, OLD)}, "a:ok/none b:ok/none"),
    "the second of two versions, lacking": (
        [one(topics="a", version=OLD)], {"accepts": (NEW, OLD)}, "a:ok/none b:wrong_topics/updated"),
    "a version that is not said": ([one()], {"accepts": (NEW,)}, "a:ok/none b:ok/none"),
    "no version required": ([one(version=OLD)], {}, "a:ok/none b:ok/none"),
    "wrong version beside a right one": (
        [one(version=OLD), one("we_2", version=NEW)], {"accepts": (NEW,)}, "a:duplicate/reported b:duplicate/reported"),
    "a secret nobody knows": ([one()], {"ours": LOST}, "a:missing/created b:missing/created"),
    "a secret nobody knows beside a good one": (
        [one(), one("we_2")], {"ours": LOST}, "a:duplicate/reported b:duplicate/reported"),
    "twice": ([one(), one("we_2")], {}, "a:duplicate/reported b:duplicate/reported"),
    "one topic twice": ([one(), one("we_2", "b")], {}, "a:ok/none b:duplicate/reported"),
    "twice, one disabled": ([one(), one("we_2", enabled=False)], {}, "a:ok/none b:ok/none"),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_what_is_found_and_done(case):
    """S1, S6: each wanted topic has one row, and what is not as good as wanted is as good as missing."""
    observed, more, expected = TABLE[case]
    assert said(planned(observed, **more)) == expected


def shop(id_, topic, **more):
    return Subscription(id_, more.pop("url", URL), (topic,), enabled=True, format=more.pop("format", "json"), **more)


def shopped(observed, *topics, ours=None, accepts=(), prune=False):
    version = accepts[0] if accepts else ""
    groups = [Wanted(URL, (topic,), version, format="json") for topic in topics]
    return compare(groups, Situation(observed, shopify_mend, ours or {}, accepts, prune))


SHOPS = {
    "nothing there": ([], {}, "a:missing/created b:missing/created"),
    "one of two": ([shop("1", "a")], {}, "a:ok/none b:missing/created"),
    "ours elsewhere": (
        [shop("1", "a", url=OTHER), shop("2", "b")], {"ours": {"1": True}}, "a:wrong_url/updated b:ok/none"),
    "ours elsewhere of another topic": (
        [shop("1", "z", url=OTHER), shop("2", "b")], {"ours": {"1": True}}, "a:missing/created b:ok/none"),
    "xml": ([shop("1", "a", format="xml"), shop("2", "b")], {}, "a:wrong_version/updated b:ok/none"),
    "wrong version": (
        [shop("1", "a", api_version="2026-07"), shop("2", "b")], {"accepts": ("2026-10",), "ours": {"1": True}},
        "a:wrong_version/reported b:ok/none"),
    "wrong version, to be pruned": (
        [shop("1", "a", api_version="2026-07"), shop("2", "b")],
        {"accepts": ("2026-10",), "ours": {"1": True}, "prune": True}, "a:wrong_version/created b:ok/none"),
    "a foreign wrong version, to be pruned": (
        [shop("1", "a", api_version="2026-07"), shop("2", "b")],
        {"accepts": ("2026-10",), "ours": {}, "prune": True}, "a:wrong_version/reported b:ok/none"),
    "a queue": (
        [Subscription("1", "arn:aws:events:x", ("a",), enabled=True)], {}, "a:missing/created b:missing/created"),
}  # fmt: skip


@pytest.mark.parametrize("case", SHOPS)
def test_where_each_topic_has_its_own(case):
    """A provider with one subscription for each topic: none of another topic is ever bent to serve."""
    observed, more, expected = SHOPS[case]
    assert said(shopped(observed, "a", "b", **more)) == expected


EXTRA = {
    "one that is needed": ([one()], MINE, []),
    "ours beside a foreign one": ([one(), one("we_2")], MINE, []),
    "ours beside one that is needed for more": ([one(topics="a"), one("we_2")], MINE, ["we_1"]),
    "two of ours": ([one("we_2"), one()], {"we_1": True, "we_2": True}, ["we_2"]),
    "ours elsewhere beside a good one": ([one(url=OTHER), one("we_2")], MINE, ["we_1"]),
    "one nobody can verify": ([one(), one("we_2")], LOST, ["we_1"]),
    "of topics nobody wants": ([one(topics="z", url=OTHER), one("we_2")], MINE, ["we_1"]),
    "one about to be moved": ([one(url=OTHER)], MINE, []),
    "one about to be enabled": ([one(enabled=False)], MINE, []),
    "disabled beside a good one": ([one(enabled=False), one("we_2")], MINE, ["we_1"]),
}


@pytest.mark.parametrize("case", EXTRA)
def test_what_prune_may_delete(case):
    """S3: only what is recorded as ours, and of that only what no wanted topic needs once the plan is done."""
    observed, ours, expected = EXTRA[case]
    assert [extra.id for extra in planned(observed, ours=ours).extra] == expected


def test_another_versions_predecessor_goes_last():
    """Ours of the old version is replaced first and deleted after: nothing is lost in between."""
    plan = planned([one(version=OLD)], ours=MINE, accepts=(NEW,))
    assert (plan.steps[0].first, [extra.id for extra in plan.extra]) == (None, ["we_1"])


def test_one_that_makes_room_for_several_goes_once():
    """S1: where there may be only one of a kind, what two groups of topics have in common is made anew for each."""
    groups = [Wanted(URL, (topic,), NEW) for topic in "ab"]
    situation = Situation([one(version=OLD)], lambda _one, _wanted: Mend.RECREATE, MINE, (NEW,), prune=True)
    plan = compare(groups, situation)
    assert [step.first.id for step in plan.steps] == ["we_1", "we_1"]
    assert (said(plan), plan.extra) == ("a:wrong_version/created b:wrong_version/created", ())


def test_what_waits_for_a_person_is_not_deleted():
    """S3: one that only a new one in its place can mend stays until somebody allows that."""
    plan = planned([one(version=OLD)], ours=MINE, accepts=(NEW,), mend=lambda *_: Mend.RECREATE)
    assert ([step.action for step in plan.steps], plan.extra) == ([Action.REPORTED], ())


def test_a_step_says_what_it_will_be():
    """What is asked of a provider holds everything that is there already."""
    (step,) = [
        step
        for step in planned([one(topics="a z", version=OLD)], accepts=(NEW, OLD)).steps
        if step.wanted.topics != ("a", "b")
    ]
    assert step.wanted == Wanted(URL, ("a", "z", "b"), OLD)


subscriptions = st.builds(
    one,
    st.sampled_from(["we_1", "we_2", "we_3", "we_4"]),
    st.sampled_from(["a", "b", "a b", "a z", "*", "z"]),
    url=st.sampled_from([URL, URL, OTHER]),
    enabled=st.booleans(),
    version=st.sampled_from(["", OLD, NEW]),
)
worlds = st.lists(subscriptions, max_size=4, unique_by=lambda found: found.id)
owned = st.dictionaries(st.sampled_from(["we_1", "we_2", "we_3"]), st.booleans())


def carried_out(plan, observed, prune):
    """What there is once a provider that does as Stripe does has done it."""
    now = {found.id: found for found in observed}
    for number, step in enumerate(plan.steps):
        if step.action is Action.CREATED:
            wanted = step.wanted
            made = Subscription(
                f"new_{number}", wanted.url, wanted.topics, enabled=True, api_version=wanted.api_version
            )
            now[made.id] = made
        elif step.action in (Action.ENABLED, Action.UPDATED):
            found, wanted = step.subscription, step.wanted
            now[found.id] = Subscription(
                found.id, wanted.url, wanted.topics, enabled=True, api_version=found.api_version
            )
    for extra in plan.extra if prune else ():
        del now[extra.id]
    return list(now.values())


@given(worlds, owned, st.sampled_from([(), (NEW,), (NEW, OLD)]), st.booleans())
def test_s1_s2_once_done_there_is_nothing_left_to_do(observed, ours, accepts, prune):
    """S1, S2: after the plan every topic has one that counts or is told; a second plan changes nothing.

    S3: what is foreign and elsewhere is as it was, and no topic is taken from anyone.
    """
    ours = {id_: usable for id_, usable in ours.items() if any(found.id == id_ for found in observed)}
    plan = planned(observed, ours=ours, accepts=accepts, prune=prune)
    after = carried_out(plan, observed, prune)
    again = planned(after, ours=ours, accepts=accepts, prune=prune)
    assert {row.topic for row in plan.rows} == {"a", "b"}
    assert len(plan.rows) == 2
    assert {row.action for row in again.rows} <= {Action.NONE, Action.REPORTED}
    assert {row.found for row in again.rows} <= {Found.OK, Found.DUPLICATE}
    if prune:
        assert again.extra == ()
    for found in observed:
        if found.id not in ours:
            now = next(other for other in after if other.id == found.id)
            assert is_at(found, URL) or now == found
            assert set(found.topics) <= set(now.topics)
    for topic in "ab":
        senders = [found for found in after if is_at(found, URL) and found.enabled and sends(found, topic)]
        row = next(row for row in again.rows if row.topic == topic)
        assert (len(senders) == 1) == (row.found is Found.OK)


def test_every_mend_is_planned():
    """A connector can answer nothing that the plan does not know."""
    for mend in Mend:
        plan = planned([one(version=OLD)], accepts=(NEW,), mend=lambda _one, _wanted, mend=mend: mend)
        assert {row.found for row in plan.rows} <= {Found.WRONG_VERSION, Found.MISSING}
