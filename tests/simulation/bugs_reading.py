"""Bugs of reading, planted: edges of windows, pages, coverage, and the watermarks of naive scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
from simulation.planting import bug, swap

from reconcile import diff
from reconcile.connector import Page
from reconcile.errors import BadAnswer
from reconcile.http import ProviderClient
from reconcile.ledger import coverage, horizons
from reconcile.ledger.coverage import Covered
from reconcile.model import EPOCH, Window, instant, micros
from reconcile.operator import status
from reconcile.reading import proof, question, reader
from reconcile.reading.recall import Recall
from reconcile.reading.record import LedgerRecorder, OpenWindow

TICK = timedelta(microseconds=1)


@bug
def last_page_never_stored(stack: ExitStack) -> None:
    true = LedgerRecorder.page

    def page(self: LedgerRecorder, opened: Any, judged: Any, cursor: Any, recalled: Any) -> None:
        if recalled is not None and judged.listed:
            judged = replace(judged, listed=0, filtered=0, already_handled=0, findings=diff.Findings())
        true(self, opened, judged, cursor, recalled)

    swap(stack, LedgerRecorder, "page", page)


@bug
def watermark_without_overlap(stack: ExitStack) -> None:
    """What was read once is never read again: provisional is taken for final."""
    swap(stack, proof, "final_part", lambda window, read_at, overlap: window)


@bug
def no_settle(stack: ExitStack) -> None:
    swap(stack, question.Ask, "end", property(lambda ask: max(ask.start, min(ask.until or ask.now, ask.now))))


@bug
def our_clock_for_the_providers(stack: ExitStack) -> None:
    swap(stack, ProviderClient, "provider_date", property(lambda client: client._clock.now()))


@bug
def floor_is_the_windows_start(stack: ExitStack) -> None:
    true = diff.ask_snapshots

    def ask(items: Any, window: Window, seen: Any, rebuild: Any, floors: Any) -> Any:
        later = {topic: max(floor, micros(window.start)) for topic, floor in floors.items()}
        return true(items, window, seen, rebuild, later)

    swap(stack, diff, "ask_snapshots", ask)


@bug
def frontier_is_the_newest_end(stack: ExitStack) -> None:
    """A one-off moves the frontier over what was never read."""
    true = status.holes

    def holes(asked: Window, covered: Any) -> list[Window]:
        newest = max((window.end for window in covered), default=asked.start)
        return true(asked, [Window(asked.start, max(asked.start, newest))])

    swap(stack, status, "holes", holes)


@bug
def greater_for_greater_or_equal(stack: ExitStack) -> None:
    """What happened in the very instant a window begins is not in it."""
    lists, log = diff.ask_snapshots, diff.ask_log

    def later(window: Window) -> Window:
        return Window(min(window.start + TICK, window.end), window.end)

    swap(stack, diff, "ask_snapshots", lambda items, window, *rest: lists(items, later(window), *rest))
    swap(stack, diff, "ask_log", lambda items, window, *rest: log(items, later(window), *rest))


@bug
def ties_taken_for_repeats(stack: ExitStack) -> None:
    """Paging on `updated_at > last.updated_at`: the rest of a second that a page ends in is passed over."""
    true = diff.ask_snapshots

    def ask(items: Any, window: Window, seen: set[tuple[str, int]], *rest: Any) -> Any:
        read = {version for _, version in seen}
        passed = [msgspec.structs.replace(item, at=EPOCH) if item.version in read else item for item in items]
        return true(passed, window, seen, *rest)

    swap(stack, diff, "ask_snapshots", ask)


def _cover(recorder: LedgerRecorder, tx: Any, covered: Covered) -> None:
    key, run_id = recorder.key, recorder.book.run_id
    coverage.add(tx, key.source, key.stream, key.fingerprint, covered, run_id, overlap=recorder.overlap)


@bug
def coverage_committed_before_its_page(stack: ExitStack) -> None:
    """Coverage and the last page are two commits, in the wrong order."""
    true = LedgerRecorder.page

    def page(self: LedgerRecorder, opened: OpenWindow, judged: Any, cursor: Any, recalled: Recall | None) -> None:
        if recalled is not None and recalled.complete:
            with self.ledger.write() as tx:
                _cover(self, tx, Covered(opened.window, opened.read_at, dict(self.floors)))
        true(self, opened, judged, cursor, recalled)

    swap(stack, LedgerRecorder, "page", page)


@bug
def watermark_is_the_newest_seen(stack: ExitStack) -> None:
    """All up to the newest item seen counts as read for good, whatever the list may still show late."""
    true = LedgerRecorder._finish

    def finish(self: LedgerRecorder, tx: Any, opened: OpenWindow, recalled: Recall) -> None:
        true(self, tx, opened, recalled)
        newest = instant(max((at for _, at in opened.seen), default=0))
        if recalled.complete and newest > opened.window.start:
            seen = Window(opened.window.start, newest)
            _cover(self, tx, Covered(seen, newest + self.overlap, dict(self.floors)))

    swap(stack, LedgerRecorder, "_finish", finish)


@bug
def interrupted_windows_are_covered(stack: ExitStack) -> None:
    """A listing that failed halfway counts as read."""
    true = reader._leave

    def leave(one: reader.Reader, opened: OpenWindow) -> None:
        recorder = one.recorder
        if isinstance(recorder, LedgerRecorder) and opened.pages:
            with one.ledger.write() as tx:
                _cover(recorder, tx, Covered(opened.window, opened.read_at, dict(recorder.floors)))
        true(one, opened)

    swap(stack, reader, "_leave", leave)


@bug
def loop_taken_for_the_end(stack: ExitStack) -> None:
    """A page or a cursor that comes again ends the listing, as if it had been its last."""
    true = reader.guarded

    def guarded(pages: Iterator[Page], where: str) -> Iterator[Page]:
        try:
            yield from true(pages, where)
        except BadAnswer as error:
            if "pagination_loop" not in str(error):
                raise
            yield Page((), None)

    swap(stack, reader, "guarded", guarded)


@bug
def horizon_follows_since(stack: ExitStack) -> None:
    """A later `--since` moves the promise, and with it forgets what was missed before."""
    true = horizons.first_sight

    def first_sight(tx: Any, source: str, topics: Any, at: Any, reason: str) -> Any:
        if reason == "since":
            horizons.set_(tx, source, topics, at, reason)
        return true(tx, source, topics, at, reason)

    swap(stack, horizons, "first_sight", first_sight)


@bug
def no_recall_check(stack: ExitStack) -> None:
    """What is known of a window is not held against its listing."""
    swap(stack, reader, "_recall", lambda *_: Recall())
