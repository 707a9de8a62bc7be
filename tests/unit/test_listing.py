"""Pages of a list: loops are stopped, and one page is fetched ahead."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.connector import Page
from reconcile.errors import BadAnswer
from reconcile.model import Description, LoggedEvent, Occurrence, Snapshot, Subject, Window
from reconcile.reading import listing
from reconcile.reading.listing import agreed, ahead, guarded

AT = datetime(2024, 6, 1, tzinfo=UTC)


def snapshot(id_: int, version: int = 1) -> Snapshot:
    return Snapshot(Subject("order", str(id_)), version, AT, b"{}")


def logged(id_: int) -> LoggedEvent:
    return LoggedEvent(f"evt_{id_}", AT, Description("t", None, Occurrence.ONCE), b"{}")


def a_page(next_: str | None, *ids: int) -> Page:
    return Page([snapshot(id_) for id_ in ids], next_)


cursors = st.integers(0, 6).map(str)
lists = st.lists(st.tuples(cursors, st.lists(st.integers(0, 30), max_size=3)), min_size=1, max_size=12)


@given(lists)
def test_a_list_ends_or_is_stopped_and_what_came_before_is_kept(pages):
    """C8: whatever pages come, those let through have ever new cursors and contents, in their order."""
    given_ = [a_page(cursor, *ids) for cursor, ids in pages[:-1]] + [a_page(None, *pages[-1][1])]
    passed = take_until_stopped(given_)
    stopped = len(passed) < len(given_)
    named = [page.next for page in passed if page.next is not None]
    contents = [tuple(item.subject.id for item in page.items) for page in passed if page.items]
    assert given_[: len(passed)] == passed
    assert len(set(named)) == len(named)
    assert len(set(contents)) == len(contents)
    if stopped:
        culprit = given_[len(passed)]
        ids = tuple(item.subject.id for item in culprit.items)
        assert culprit.next in named or ids in contents


def take_until_stopped(pages: list[Page]) -> list[Page]:
    """What is let through before the error; `extend` keeps nothing of a generator that raises."""
    found = []
    try:
        for page in guarded(iter(pages), "shop orders"):
            found.append(page)  # noqa: PERF402 - a comprehension would lose them all
    except BadAnswer as error:
        found.append(str(error))
    if found and isinstance(found[-1], str):
        assert re.fullmatch(r"shop orders: pagination_loop: .+", found.pop())
    return found


@pytest.mark.parametrize("period", [1, 2, 5])
def test_a_loop_of_any_length_is_stopped_before_it_is_followed(period):
    """C8: A→A, A→B→A and longer: a cursor seen before is never asked for again."""
    asked = []

    def pages() -> Iterator[Page]:
        number = 0
        while True:
            asked.append(number)
            yield a_page(str(number % period), number)
            number += 1

    with pytest.raises(BadAnswer, match="pagination_loop"):
        list(guarded(pages(), "x"))
    assert len(asked) == period + 1


def test_the_same_items_under_new_cursors_are_a_loop():
    """C8: a page equal to an earlier one, not only to the last."""
    pages = [a_page("a", 1, 2), a_page("b", 3), a_page("c", 1, 2)]
    assert take_until_stopped(pages) == pages[:2]


def test_the_same_items_in_a_newer_version_or_another_number_are_no_loop():
    """C7: lists move while they are read."""
    pages = [Page([snapshot(1, 1)], "a"), Page([snapshot(1, 2)], "b"), Page([snapshot(1, 1), snapshot(2)], None)]
    assert take_until_stopped(pages) == pages


def test_the_same_entries_of_a_log_are_a_loop():
    """C8: a log's page is known by its ids."""
    pages = [Page([logged(1), logged(2)], "a"), Page([logged(1), logged(2)], None)]
    assert take_until_stopped(pages) == pages[:1]


def test_some_empty_pages_are_not_the_end_and_many_are_a_loop():
    """C9: an empty page with a next one goes on; a hundred of them in a row do not."""
    few = [*(a_page(str(n)) for n in range(listing.MOST_EMPTY_PAGES)), a_page(None, 1)]
    assert take_until_stopped(few) == few
    broken = [*few[:-2], a_page("x", 7), *(a_page(f"y{n}") for n in range(listing.MOST_EMPTY_PAGES))]
    assert take_until_stopped(broken) == broken
    assert len(take_until_stopped([a_page(str(n)) for n in range(1000)])) == listing.MOST_EMPTY_PAGES


def test_a_list_without_end_is_stopped(monkeypatch):
    """C8: there is a last page, whatever a provider says."""
    monkeypatch.setattr(listing, "MOST_PAGES", 7)
    assert len(take_until_stopped([a_page(str(n), n) for n in range(100)])) == 7


@given(st.integers(1, 8))
def test_fetching_ahead_changes_nothing_about_the_pages(number):
    """The same pages in the same order, to the last and no further."""
    pages = [a_page(str(n) if n < number - 1 else None, n) for n in range(number)]
    beyond = iter([*pages, a_page(None, 99)])
    assert list(ahead(beyond)) == pages
    assert next(beyond).items[0].subject.id == "99"


def test_the_next_page_is_fetched_while_the_last_is_judged():
    """One page ahead, no more."""
    fetched = [threading.Event() for _ in range(4)]

    def pages() -> Iterator[Page]:
        for n, event in enumerate(fetched):
            event.set()
            yield a_page(str(n) if n < 3 else None, n)

    coming = ahead(pages())
    next(coming)
    assert fetched[1].wait(10)
    assert not fetched[2].is_set()
    next(coming)
    assert fetched[2].wait(10)
    assert not fetched[3].is_set()
    assert len(list(coming)) == 2


def test_an_error_of_the_next_page_comes_after_the_last_good_one():
    """What was fetched is judged first."""

    def pages() -> Iterator[Page]:
        yield a_page("a", 1)
        raise BadAnswer("no more")

    coming = ahead(pages())
    assert next(coming).next == "a"
    with pytest.raises(BadAnswer, match="no more"):
        next(coming)


def test_a_list_left_early_leaves_no_thread():
    """A window that is cut in two is not read any further, and nothing goes on behind."""
    before = threading.active_count()
    coming = ahead(a_page(str(n), n) for n in range(100))
    next(coming)
    coming.close()
    assert threading.active_count() == before


def test_a_list_that_ends_without_a_last_page_ends():
    """That it should have gone on is the reader's to say."""
    assert list(ahead(iter([a_page("a", 1)]))) == [a_page("a", 1)]
    assert list(ahead(iter([]))) == []


class Moving:
    """Items in pages of two, by number; before some requests one leaves the list, or one joins it."""

    def __init__(self, *ids: int, leave: dict[int, int] | None = None, join: dict[int, int] | None = None) -> None:
        self.ids = list(ids)
        self.leave, self.join = leave or {}, join or {}
        self.asked = 0

    def pages(self) -> Iterator[Page]:
        number = 0
        while True:
            self.asked += 1
            if self.asked in self.leave:
                self.ids.remove(self.leave[self.asked])
            if self.asked in self.join:
                self.ids.insert(0, self.join[self.asked])
            here = self.ids[2 * number : 2 * number + 2]
            number += 1
            yield a_page(str(number) if here else None, *here)
            if not here:
                return


DAY = Window(AT, AT + timedelta(days=1))


def ids_of(pages: Iterator[Page]) -> list[list[str]]:
    return [[item.subject.id for item in page.items] for page in pages]


def test_what_slipped_between_two_pages_comes_with_the_next_pass():
    """C7: 1 leaves after page 1 was read, so page 2 begins with 4; the second pass shows 3, the third nothing new."""
    moving = Moving(1, 2, 3, 4, 5, leave={2: 1})
    assert ids_of(agreed(moving.pages, DAY, "x")) == [["1", "2"], ["4", "5"], [], ["3"], []]
    assert moving.asked == 3 + 3 + 3


def test_a_list_that_keeps_still_is_read_twice_and_an_empty_one_once():
    """C7: two passes agree; the second gives nothing, and neither page of it has anything to commit."""
    still, empty = Moving(1, 2, 3), Moving()
    assert ids_of(agreed(still.pages, DAY, "x")) == [["1", "2"], ["3"], [], []]
    assert (still.asked, ids_of(agreed(empty.pages, DAY, "x")), empty.asked) == (6, [[], []], 1)


def test_what_is_new_outside_the_window_asks_for_no_further_pass():
    """A list without an upper bound gains for ever: what matters is the window's own."""
    hour = Window(AT - timedelta(hours=2), AT - timedelta(hours=1))
    moving = Moving(1, 2, join={number: 100 + number for number in range(1, 50)})
    assert [page.next for page in agreed(moving.pages, hour, "x")][-1] is None


def test_what_slipped_behind_neighbours_of_the_window_comes_with_the_next_pass():
    """C7: requests are widened, so a page may hold nothing of the window and yet pull something of it over its edge."""
    hour = Window(AT - timedelta(hours=2), AT - timedelta(hours=1))
    within = Snapshot(Subject("order", "9"), 1, hour.start, b"{}")
    before = [[snapshot(1), snapshot(2)], [within], []]
    after = [[snapshot(2), within], [], []]

    def passes(seen: list[list[list[Snapshot]]]) -> Iterator[Page]:
        for number, items in enumerate(seen.pop(0)):
            yield Page(items, None if number == 2 else str(number))

    slipped = [[before[0], after[1], after[2]], after, after]
    assert ids_of(agreed(lambda: passes(slipped), hour, "x")) == [["1", "2"], [], [], ["9"], []]


def test_a_log_by_page_number_is_read_until_two_passes_agree():
    """C7: entries of a log slip as items of a list do."""
    first = [Page([logged(1), logged(2)], "1"), Page([logged(4)], "2"), Page([], None)]
    whole = [Page([logged(2), logged(3)], "1"), Page([logged(4)], "2"), Page([], None)]
    passes = [first, whole, whole]
    given_ = [[item.id for item in page.items] for page in agreed(lambda: iter(passes.pop(0)), DAY, "x")]
    assert given_ == [["evt_1", "evt_2"], ["evt_4"], [], ["evt_3"], []]
    assert passes == []


def test_a_pass_without_any_page_is_no_empty_list():
    """C9: nothing that was answered proves nothing."""
    assert list(agreed(lambda: iter([]), DAY, "x")) == []


def test_a_list_that_never_agrees_proves_nothing():
    """C7: six passes, each with something more, are an error and no coverage."""
    moving = Moving(1, 2, join={number: 100 + number for number in range(1, 100)})
    with pytest.raises(BadAnswer, match="6 passes each showed more"):
        list(agreed(moving.pages, DAY, "x"))


def test_a_pass_that_breaks_off_names_no_last_page():
    """C8: whoever reads it sees that the listing was not whole."""
    assert [page.next for page in agreed(lambda: iter([a_page("2", 1)]), DAY, "x")] == ["2"]
