"""What a run asks of a source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconcile.connector import Facts, FilterBy, StreamFacts, StreamKind, TopicFacts
from reconcile.ledger.coverage import Covered
from reconcile.model import Occurrence, Window, micros
from reconcile.reading.memory import LEEWAY
from reconcile.reading.plan import plan
from reconcile.reading.proof import satisfies
from reconcile.reading.question import Ask, fingerprint
from reconcile.topics import Topics

NOW = datetime(2024, 6, 1, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
ORDERS = StreamFacts("orders", StreamKind.LIST, FilterBy.UPDATED, 250, resource="order")
EVENTS = StreamFacts("events", StreamKind.LOG, FilterBy.EVENT, 100, retention=30 * DAY)
CHARGES = StreamFacts("charges", StreamKind.LIST, FilterBy.CREATED, 100, resource="charge")
SHOP = Facts("d", (ORDERS,), (TopicFacts("orders/updated", Occurrence.STATE, "orders"),), 1.0)
BANK = Facts(
    "d",
    (EVENTS, CHARGES),
    (
        TopicFacts("charge.succeeded", Occurrence.ONCE, "charges"),
        TopicFacts("charge.updated", Occurrence.REPEATED, unrebuildable="no list shows it"),
    ),
    1.0,
)


def ask(topics, horizon, **more):
    return Ask(
        topics=Topics(topics), horizons=dict.fromkeys(topics, horizon), now=NOW, settle=2 * MINUTE, overlap=HOUR, **more
    )


def nothing(*_):
    return []


def always(covered):
    return lambda ref, _print: covered if str(ref) == "events" or len(ref.name) == 6 else []


def test_a_first_run_without_since_covers_an_empty_window():
    """A horizon that is now leaves nothing to ask, and never a window that ends before it starts."""
    (orders,) = plan(SHOP, ask(["orders/updated"], NOW), ("",), nothing)
    assert orders.asked.seconds == 0
    assert orders.need == ()


def test_windows_end_at_provider_time_less_settle():
    """C4: what may not be listed yet is not asked for."""
    (orders,) = plan(SHOP, ask(["orders/updated"], NOW - DAY), ("",), nothing)
    assert orders.asked == Window(NOW - DAY, NOW - 2 * MINUTE)
    assert orders.need == (orders.asked,)


@pytest.mark.parametrize(
    ("until", "end"),
    [
        (NOW + DAY, NOW - 2 * MINUTE),
        (NOW - MINUTE, NOW - 2 * MINUTE),
        (NOW - HOUR, NOW - HOUR),
        (NOW - 3 * DAY, NOW - DAY),
    ],
)
def test_until_never_reaches_into_what_is_not_settled(until, end):
    """C4: also where somebody asks for it; nor does it end before the beginning."""
    (orders,) = plan(SHOP, ask(["orders/updated"], NOW - DAY, until=until), ("",), nothing)
    assert orders.asked == Window(NOW - DAY, end)


def test_what_was_read_too_early_is_read_again_and_nothing_else():
    """C4: the last hour before a reading stays provisional."""
    read = Covered(Window(NOW - DAY, NOW - 2 * MINUTE), NOW, {"orders/updated": micros(NOW - DAY)})
    (orders,) = plan(SHOP, ask(["orders/updated"], NOW - DAY), ("",), lambda *_: [read])
    assert orders.need == (Window(NOW - HOUR, NOW - 2 * MINUTE),)


def test_more_topics_or_an_earlier_since_read_a_covered_window_again():
    """C12: coverage counts only for the topics and the fact times it was judged for."""
    window = Window(NOW - DAY, NOW - 2 * HOUR)
    judged = Covered(window, NOW, {"orders/updated": micros(NOW - DAY)})
    assert satisfies(judged, {"orders/updated": micros(NOW - DAY)}, log=False)
    assert not satisfies(judged, {"orders/updated": micros(NOW - 2 * DAY)}, log=False)
    assert not satisfies(judged, {"orders/updated": micros(NOW - DAY), "orders/create": 0}, log=False)


def test_a_log_needs_no_second_reading_for_an_earlier_since():
    """An entry of a log happens in its own window: judged from before its start on, it is judged in full."""
    judged = Covered(Window(NOW - DAY, NOW), NOW, {"charge.succeeded": micros(NOW - 2 * DAY)})
    assert satisfies(judged, {"charge.succeeded": micros(NOW - 9 * DAY)}, log=True)


def test_recheck_ignores_coverage():
    """`--recheck` reads everything asked for again."""
    read = Covered(Window(NOW - DAY, NOW - 2 * HOUR), NOW, {"orders/updated": 0})
    (orders,) = plan(SHOP, ask(["orders/updated"], NOW - DAY, recheck=True), ("",), lambda *_: [read])
    assert orders.need == (orders.asked,)


def test_lists_speak_only_for_what_the_log_has_forgotten():
    """C11: the log as far as it surely remembers, the list for what is older, and the two meet without a hole."""
    events, charges = plan(BANK, ask(["charge.succeeded"], NOW - 90 * DAY), ("",), nothing)
    edge = NOW - 30 * DAY + LEEWAY
    assert events.asked == Window(edge, NOW - 2 * MINUTE)
    assert charges.asked == Window(NOW - 90 * DAY, edge)
    assert events.beyond == ()
    (beyond,) = charges.beyond
    assert beyond.proven
    assert beyond.window == charges.asked


def test_what_the_log_proved_in_time_is_never_asked_of_a_list():
    """Coverage outlives retention: a stretch read while the log remembered it stays proven."""
    read = Covered(Window(NOW - 90 * DAY, NOW - DAY), NOW, {"charge.succeeded": micros(NOW - 90 * DAY)})
    plans = plan(BANK, ask(["charge.succeeded"], NOW - 90 * DAY), ("",), always([read]))
    assert [str(one.ref) for one in plans] == ["events"]
    assert plans[0].need == (Window(NOW - DAY, NOW - 2 * MINUTE),)


def test_a_topic_no_list_shows_is_a_gap_before_the_retention_edge():
    """C11: never clamped silently."""
    events, *_ = plan(BANK, ask(["charge.updated"], NOW - 90 * DAY), ("",), nothing)
    (beyond,) = events.beyond
    assert beyond.window == Window(NOW - 90 * DAY, NOW - 30 * DAY + LEEWAY)
    assert not beyond.proven
    assert "charge.updated" in beyond.reason


def test_a_limit_of_the_credentials_is_a_gap_too():
    """C11: without `read_all_orders` sixty days is all there is, and it is said."""
    limited = ask(["orders/updated"], NOW - 90 * DAY, limits={"orders": NOW - 60 * DAY})
    (orders,) = plan(SHOP, limited, ("",), nothing)
    assert orders.asked.start == NOW - 60 * DAY
    assert [beyond.window for beyond in orders.beyond] == [Window(NOW - 90 * DAY, NOW - 60 * DAY)]


def test_every_account_is_asked_on_its_own():
    """C12: an account is part of the question, so coverage is never shared."""
    plans = plan(BANK, ask(["charge.succeeded"], NOW - DAY), ("", "acct_1"), nothing)
    assert [str(one.ref) for one in plans] == ["events", "events@acct_1"]
    assert plans[0].fingerprint != plans[1].fingerprint


def test_other_credentials_never_inherit_coverage():
    """C12: the account the provider says it is goes into the fingerprint."""
    (ours,) = plan(SHOP, ask(["orders/updated"], NOW - DAY, account="a"), ("",), nothing)
    (theirs,) = plan(SHOP, ask(["orders/updated"], NOW - DAY, account="b"), ("",), nothing)
    assert ours.fingerprint != theirs.fingerprint
    assert ours.fingerprint == fingerprint("a", ours.ref, ORDERS)


def test_since_lowers_the_floor_and_never_raises_it():
    """C13: a fact counts from min(horizon, since), so a one-off of today forgets nothing of before."""
    earlier = ask(["orders/updated"], NOW - DAY, since=NOW - 3 * DAY)
    later = ask(["orders/updated"], NOW - DAY, since=NOW - HOUR)
    assert earlier.floor("orders/updated") == micros(NOW - 3 * DAY)
    assert later.floor("orders/updated") == micros(NOW - DAY)
    assert later.floor("orders/paid") is None
