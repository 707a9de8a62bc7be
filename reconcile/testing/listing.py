"""Everything that lies in a window is found, however the window is cut."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from reconcile.connector import ListsItems, Page, StreamKind
from reconcile.model import LoggedEvent, Snapshot
from reconcile.testing.worlds import Bench, World, client_for, has, ids_of, items_of, mark, narrowed, pages_of

_STEP = timedelta(microseconds=1)


class ListingContract(Bench):
    """Pages of a window, and one item by id."""

    def test_every_stream_has_a_world(self) -> None:
        """No stream is left untried."""
        connector = self.connector()
        if has(connector, ListsItems):
            tried = {world.stream.name for _, world, _ in self.each()}
            assert tried == {stream.name for stream in connector.facts.streams}

    def test_everything_is_found(self) -> None:
        """A window lists exactly what lies in it, and its last page alone names no next one (C1)."""
        for connector, world, facts in self.each():
            pages = pages_of(connector, world, world.window)
            assert [page.next is None for page in pages] == [False] * (len(pages) - 1) + [True], world.stream
            assert all(len(page.items) <= facts.page_size for page in pages), world.stream
            assert ids_of(items_of(connector, world, world.window)) == world.ids, world.stream

    def test_ties_across_pages_are_found(self) -> None:
        """More items of one instant than a page holds are all found (C6)."""
        tied = []
        for connector, world, facts in self.each():
            found = items_of(connector, world, world.window)
            most = max(Counter(item.at for item in found).values())
            tied.append(most > facts.page_size)
            assert ids_of(found) == world.ids, world.stream
        assert any(tied) or not tied, "no world has more than a page of items in one instant"

    def test_splitting_a_window_changes_nothing(self) -> None:
        """`[a,b)` and `[b,c)` list what `[a,c)` lists, each item in one of them, wherever b is (C5)."""
        for connector, world, _ in self.each():
            whole = {mark(item) for item in items_of(connector, world, world.window)}
            for cut in _cuts(connector, world):
                first = items_of(connector, world, narrowed(world, world.window.start, cut))
                second = items_of(connector, world, narrowed(world, cut, world.window.end))
                parts = Counter(mark(item) for item in [*first, *second])
                assert parts == Counter(whole), (world.stream, cut)

    def test_an_empty_window_ends_at_once(self) -> None:
        """A window without items is one last page without items in it, never no page at all."""
        for connector, world, _ in self.each():
            before = narrowed(
                world, world.window.start - timedelta(seconds=2), world.window.start - timedelta(seconds=1)
            )
            pages = pages_of(connector, world, before)
            assert pages, world.stream
            assert pages[-1].next is None, world.stream
            assert not items_of(connector, world, before), world.stream

    def test_items_are_what_the_stream_says(self) -> None:
        """Lists give snapshots of their resource, logs give events; times are UTC (C14), bodies exact bytes."""
        for connector, world, facts in self.each():
            for item in items_of(connector, world, world.window):
                assert item.at.tzinfo is UTC, world.stream
                assert item.body.strip(), world.stream
                if facts.kind is StreamKind.LIST:
                    assert isinstance(item, Snapshot)
                    assert item.subject.type == facts.resource
                else:
                    assert isinstance(item, LoggedEvent)

    def test_a_log_is_listed_oldest_first(self) -> None:
        """Across pages and within them, so that what is found is handled in order."""
        for connector, world, facts in self.each():
            if facts.kind is StreamKind.LOG:
                times = [item.at for page in pages_of(connector, world, world.window) for item in page.items]
                assert times == sorted(times), world.stream

    def test_pages_are_lazy(self) -> None:
        """Asking for the first page asks the provider for no more than it needs: a stop loses little work."""
        for connector, world, facts in self.each():
            if facts.kind is StreamKind.LIST:
                client = client_for(connector, world.handle)
                next(iter(connector.pages(client, world.stream, world.window, ())))
                assert client.requests == 1, world.stream

    def test_a_cursor_goes_on_where_it_was(self) -> None:
        """From each page's cursor on, exactly the later pages are listed."""
        for connector, world, _ in self.each():
            pages = pages_of(connector, world, world.window)
            for done, page in enumerate(pages[:-1], start=1):
                rest = pages_of(connector, world, world.window, page.next)
                assert _marks(rest) == _marks(pages[done:]), (world.stream, page.next)

    def test_reading_by_id_shows_what_the_list_shows(self) -> None:
        """One resource by id is the listed one, and one that is gone is None, never an error (C16)."""
        for connector, world, facts in self.each():
            if facts.kind is StreamKind.LIST:
                client = client_for(connector, world.handle)
                listed = items_of(connector, world, world.window)[0]
                assert isinstance(listed, Snapshot)
                read = connector.read(client, world.stream, listed.subject.id)
                assert (read.subject, read.version, read.at) == (listed.subject, listed.version, listed.at)
                assert not world.gone or connector.read(client, world.stream, world.gone) is None


def _cuts(connector: ListsItems, world: World) -> list[datetime]:
    """At the earliest and latest item's instant, just beside it, and between whole seconds."""
    times = sorted(item.at for item in items_of(connector, world, world.window))
    cuts = [
        cut + by for cut in (times[0], times[-1]) for by in (-_STEP, timedelta(0), _STEP, timedelta(milliseconds=400))
    ]
    return [cut for cut in cuts if world.window.start <= cut <= world.window.end]


def _marks(pages: list[Page]) -> list[tuple[str, int]]:
    return [mark(item) for page in pages for item in page.items]
