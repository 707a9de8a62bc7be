"""Reading one stream: its windows, page by page, each page committed with what it found.

A window enters coverage in the same commit as its last page. Kill the process anywhere: what was committed
stays, and the next run reads the open windows again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from reconcile import failpoints
from reconcile.clock import Stop
from reconcile.connector import FilterBy, ListsItems, Page, ReadsItems, StreamFacts, StreamRef
from reconcile.errors import BadAnswer, LedgerError
from reconcile.http import ProviderClient
from reconcile.ledger import Ledger
from reconcile.model import Snapshot
from reconcile.progress import Progress
from reconcile.reading.judge import Scope, judge
from reconcile.reading.listing import agreed, ahead, guarded
from reconcile.reading.recall import Recall, absent, recall
from reconcile.reading.recorder import OpenWindow, Recorder
from reconcile.reading.tiling import Tiler
from reconcile.records import StreamRecords
from reconcile.windows import holes


@dataclass(frozen=True, slots=True)
class Reader:
    """Everything reading one stream needs. `now` is provider time; `threads` 0 reads in the calling thread only.

    `sees_all` is False where the credentials do not show all of it.
    """

    ledger: Ledger
    connector: ListsItems
    client: ProviderClient
    ref: StreamRef
    facts: StreamFacts
    scope: Scope
    recorder: Recorder
    now: Callable[[], datetime]
    stop: Stop
    progress: Progress
    records: StreamRecords
    threads: int
    sees_all: bool = True


class _TooDense(Exception):
    """The window has far more pages than planned and can be cut."""


def read(reader: Reader, tiler: Tiler, resumed: Sequence[OpenWindow]) -> None:
    """Read every window of `tiler`, and first those `resumed`; raises the first error once all threads stopped."""
    todo = list(resumed)
    cut: list[OpenWindow] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            while not failed and not reader.stop.is_set() and (opened := _open(reader, tiler, todo, cut)) is not None:
                _read_or_cut(reader, tiler, opened, cut)
        except BaseException as error:  # noqa: BLE001 - every thread stops, then the first error is raised
            failed.append(error)

    if reader.threads <= 1:
        work()
    else:
        with ThreadPoolExecutor(reader.threads, thread_name_prefix=f"{reader.scope.source}/{reader.ref}") as pool:
            for _ in range(reader.threads):
                pool.submit(work)
    if failed:
        raise failed[0]
    reader.stop.check()


def _read_or_cut(reader: Reader, tiler: Tiler, opened: OpenWindow, cut: list[OpenWindow]) -> None:
    """Read a window, or leave it to its parts; what was counted is kept."""
    try:
        _read_window(reader, tiler, opened)
    except _TooDense:
        cut.append(opened)
        reader.recorder.leave(opened)
    except BaseException:
        _leave(reader, opened)
        raise


def _leave(reader: Reader, opened: OpenWindow) -> None:
    """Keep what was counted, unless the ledger or the lease itself is what failed."""
    with contextlib.suppress(LedgerError):
        reader.recorder.leave(opened)


def _open(reader: Reader, tiler: Tiler, resumed: list[OpenWindow], cut: Sequence[OpenWindow]) -> OpenWindow | None:
    """The next window to read. What one that was `cut` has listed already is a repeat in its parts."""
    with contextlib.suppress(IndexError):
        return resumed.pop()
    window = tiler.next()
    if window is None:
        return None
    failpoints.reach("window.opened")
    whole = [one for one in cut if not holes(window, [one.window])]
    seen = {mark for one in whole for mark in one.seen}
    return OpenWindow(window, reader.now(), seen=seen, again=set() if whole else None)


def _read_window(reader: Reader, tiler: Tiler, opened: OpenWindow) -> None:
    where = f"{reader.scope.source} {reader.ref} {opened.window}"
    began = reader.records.clock.monotonic()
    listed = _listed(reader, opened, where)
    last = False
    for page in ahead(listed) if reader.threads else listed:
        failpoints.reach("page.fetched")
        reader.stop.check()
        _take_page(reader, opened, page)
        last = page.next is None
        # An empty page says nothing about density: a list of many is a loop, which cutting would only multiply.
        if page.items and not last and opened.pages >= tiler.most_pages and tiler.cut(opened.window):
            raise _TooDense
    if not last:
        raise BadAnswer(f"{where}: the listing ended although its last page named a next one; run again later")
    tiler.note(opened.window, opened.items)
    reader.progress.window((reader.scope.source, str(reader.ref)), opened.window.seconds)
    reader.records.window(opened.window, opened.pages, opened.items, began)


def _listed(reader: Reader, opened: OpenWindow, where: str) -> Iterator[Page]:
    topics = sorted(reader.scope.topics)

    def pages() -> Iterator[Page]:
        return iter(reader.connector.pages(reader.client, reader.ref, opened.window, topics, opened.cursor))

    return agreed(pages, opened.window, where) if reader.facts.by_place else guarded(pages(), where)


def _take_page(reader: Reader, opened: OpenWindow, page: Page) -> None:
    with reader.ledger.read() as tx:
        judged = judge(tx, reader.scope, page.items, opened.window, opened.seen)
    opened.pages += 1
    opened.items += len(page.items)
    if opened.again is not None:
        opened.again |= {one.subject.id for one in page.items if isinstance(one, Snapshot) and one.at in opened.window}
    last = page.next is None
    if last:
        _still_remembered(reader, opened)
    recalled = _recall(reader, opened) if last else None
    failpoints.reach("page.before_commit")
    if last:
        failpoints.reach("window.before_cover")
    reader.recorder.page(opened, judged, page.next, recalled)
    failpoints.reach("page.committed")
    if last:
        failpoints.reach("window.covered")
    missing = len(judged.findings.missing)
    reader.progress.page((reader.scope.source, str(reader.ref)), judged.listed, missing)
    reader.records.page(opened.window, judged.listed, missing)


def _still_remembered(reader: Reader, opened: OpenWindow) -> None:
    """Raise unless the whole window could still be listed when its last page came (C11): nothing found in a time that
    the provider forgot meanwhile proves nothing.
    """
    retention = reader.facts.retention
    if retention is not None and opened.window.start < reader.now() - retention:
        raise BadAnswer(f"{reader.ref} forgot the start of {opened.window} while it was read; run again")


def _recall(reader: Reader, opened: OpenWindow) -> Recall:
    """Only a list by last change can be held against what we know: other filters do not look at versions."""
    if reader.facts.filter_by is not FilterBy.UPDATED or not isinstance(reader.connector, ReadsItems):
        return Recall()
    listed = {id_ for id_, _ in opened.seen} if opened.again is None else opened.again
    lacking = absent(reader.ledger, reader.scope.source, reader.facts.resource, opened.window, listed)
    resource, sees_all = reader.facts.resource, reader.sees_all
    return recall(reader.connector, reader.client, reader.ref, resource, lacking, reader.stop, sees_all=sees_all)


def resumable(facts: StreamFacts) -> bool:
    """Whether an open window can go on from its cursor: a recall check and a second pass need all that it listed."""
    return facts.resumable and not facts.by_place and facts.filter_by is not FilterBy.UPDATED
