"""Deliveries that arrive together share a commit.

One thread takes whatever waits and stores it in one transaction; while that is written to disk, the next ones gather.
Nobody hears 2xx before the commit of their own. What fails together is tried again by halves, until a delivery that
cannot be stored fails alone.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from reconcile.errors import LedgerError
from reconcile.receiving.answer import NOT_STORED, Answer
from reconcile.receiving.parcel import Parcel

log = logging.getLogger(__name__)

#: Seconds until a delivery that still waits for the ledger is given back: Shopify hangs up after five.
PATIENCE = 4.0
#: Deliveries in one commit: more would cost the first of them more than they save.
MOST = 100
#: Bytes in one commit, unless one delivery alone has more.
MOST_BYTES = 20_000_000
#: Deliveries that may wait, and bytes of them.
ROOM = 2_000
ROOM_BYTES = 256_000_000

Store = Callable[[Sequence[Parcel]], list[Answer]]
Done = Callable[[Answer], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    parcel: Parcel
    done: Done
    until: float


class Committer:
    """`store` commits some parcels, or raises with none of them stored. Its thread runs from the first `submit` on."""

    def __init__(
        self, store: Store, monotonic: Callable[[], float], *, most: int = MOST, patience: float = PATIENCE
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._most = most
        self.patience = patience
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._there_is_work = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, parcel: Parcel, done: Done) -> bool:
        """Have `parcel` stored and `done` called with its answer, by the committer's thread; False if no room is left.

        One that still waits after `patience` is answered 503, not stored.
        """
        with self._there_is_work:
            if self._closed or len(self._queue) >= ROOM or self._bytes >= ROOM_BYTES:
                return False
            self._bytes += len(parcel.arrival.body)
            self._queue.append(_Waiting(parcel, done, self._monotonic() + self.patience))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="commit deliveries", daemon=True)
                self._thread.start()
            self._there_is_work.notify()
        return True

    def close(self) -> None:
        """Take nothing more, store what waits, and end the thread."""
        with self._there_is_work:
            self._closed = True
            self._there_is_work.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            self._commit(batch)

    def _take(self) -> list[_Waiting]:
        """What goes into the next commit; nothing once it is closed and all is stored."""
        with self._there_is_work:
            while not self._queue and not self._closed:
                self._there_is_work.wait()
            batch = together(self._queue, self._most)
            self._bytes -= sum(len(one.parcel.arrival.body) for one in batch)
            return batch

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        alive = [one for one in batch if self._in_time(one)]
        try:
            answers = self._store([one.parcel for one in alive]) if alive else []
        except Exception as error:  # noqa: BLE001 - whatever it is, every one of them still gets an answer of its own
            self._failed(alive, error)
            return
        for one, answer in zip(alive, answers, strict=True):
            one.done(answer)

    def _failed(self, batch: Sequence[_Waiting], error: Exception) -> None:
        if middle := len(batch) // 2:
            self._commit(batch[:middle])
            self._commit(batch[middle:])
            return
        complain(batch[0].parcel.book.source, error)
        batch[0].done(NOT_STORED)

    def _in_time(self, one: _Waiting) -> bool:
        if self._monotonic() < one.until:
            return True
        one.done(NOT_STORED)
        return False


def complain(source: str, error: Exception) -> None:
    """Say why a delivery was not stored; a bug of ours with its traceback."""
    bug = None if isinstance(error, LedgerError) else error
    log.error("%s: a delivery was not stored and is asked for again: %s", source, error, exc_info=bug)


def together(queue: deque[_Waiting], most: int) -> list[_Waiting]:
    """Take from `queue`, oldest first, what may be entered together: of deliveries that may be one, the first."""
    taken: list[_Waiting] = []
    left: list[_Waiting] = []
    names: set[tuple[str, str | bytes]] = set()
    size = 0
    while queue and len(taken) < most and size < MOST_BYTES:
        one = queue.popleft()
        if names.isdisjoint(one.parcel.names):
            taken.append(one)
            size += len(one.parcel.arrival.body)
        else:
            left.append(one)
        # Those behind a repeat that must wait have to wait for it too, if they are repeats of it.
        names.update(one.parcel.names)
    _put_back(queue, left)
    return taken


def _put_back(queue: deque[_Waiting], left: Iterable[_Waiting]) -> None:
    queue.extendleft(reversed(list(left)))
