"""Deliveries share commits: who is stored together, who is not, and what each hears when it goes wrong."""

from __future__ import annotations

import threading
from collections import deque

import pytest
from support.clock import ManualClock
from support.receiving import SHOP, a_webhook, order
from support.targets import a_source

from reconcile.connector import Delivery, Identity
from reconcile.errors import LedgerError
from reconcile.receiving import committer as module
from reconcile.receiving.answer import Answer
from reconcile.receiving.committer import Committer, _Waiting, together
from reconcile.receiving.parcel import pack
from reconcile.receiving.versions import Versions

SOURCE = a_source(webhook=a_webhook("orders/create"))
CLOCK = ManualClock()


def a_parcel(number: int, *, id_: str = "", source=SOURCE):
    """A delivery of order `number`."""
    delivery = Delivery({}, order(number), CLOCK.now())
    return pack(source, SHOP, delivery, Identity(id_ or f"w-{number}", "orders/create"), Versions((), CLOCK.monotonic))


class Shelf:
    """Stores in memory; waits for `open` first, so that a test says what has gathered. `poison` cannot be stored."""

    def __init__(self, *poison: str, error: Exception | None = None) -> None:
        self.open = threading.Event()
        self.began = threading.Event()
        self.batches: list[list[str]] = []
        self.poison = poison
        self.error = error or LedgerError("ledger: the database refused")

    def __call__(self, parcels):
        """Store all or none."""
        ids = [parcel.arrival.id for parcel in parcels]
        self.began.set()
        assert self.open.wait(10)
        self.batches.append(ids)
        if set(ids) & set(self.poison):
            raise self.error
        return [Answer(200, f"new {id_}") for id_ in ids]


class Told:
    """What each of some deliveries was answered."""

    def __init__(self, committer: Committer) -> None:
        self.committer = committer
        self.answers: dict[str, Answer] = {}

    def submit(self, parcel, name: str = "") -> bool:
        """Hand one in."""
        return self.committer.submit(parcel, lambda answer: self.answers.setdefault(name or parcel.arrival.id, answer))


def test_what_gathers_during_a_commit_shares_the_next():
    """One commit for all that waited, each answered by its own."""
    shelf = Shelf()
    told = Told(Committer(shelf, CLOCK.monotonic))
    told.submit(a_parcel(0))
    assert shelf.began.wait(10)
    for number in range(1, 6):
        told.submit(a_parcel(number))
    assert told.answers == {}
    shelf.open.set()
    told.committer.close()
    assert shelf.batches == [["w-0"], [f"w-{number}" for number in range(1, 6)]]
    assert {id_: answer.text for id_, answer in told.answers.items()} == {f"w-{n}": f"new w-{n}" for n in range(6)}


def test_nobody_hears_anything_before_the_commit():
    """H6: 2xx comes after the store has returned, never before."""
    shelf = Shelf()
    told = Told(Committer(shelf, CLOCK.monotonic))
    told.submit(a_parcel(1))
    assert shelf.began.wait(10)
    assert told.answers == {}
    shelf.open.set()
    told.committer.close()
    assert told.answers["w-1"].status == 200


@pytest.mark.parametrize("error", [LedgerError("ledger: no"), ValueError("a bug"), RecursionError()])
def test_one_that_cannot_be_stored_fails_alone(error):
    """H8: the others of its commit are stored after all, by halves; it is asked for again."""
    shelf = Shelf("w-3", error=error)
    told = Told(Committer(shelf, CLOCK.monotonic))
    told.submit(a_parcel(0))
    assert shelf.began.wait(10)
    for number in range(1, 6):
        told.submit(a_parcel(number))
    shelf.open.set()
    told.committer.close()
    all_of_them, good, rest = [f"w-{n}" for n in range(1, 6)], ["w-1", "w-2"], ["w-3", "w-4", "w-5"]
    assert shelf.batches == [["w-0"], all_of_them, good, rest, ["w-3"], ["w-4", "w-5"]]
    assert {id_: answer.status for id_, answer in told.answers.items()} == {
        **{f"w-{n}": 200 for n in (0, 1, 2, 4, 5)}, "w-3": 503
    }  # fmt: skip
    assert told.answers["w-3"].retry_after


def test_who_waited_too_long_is_not_stored_any_more():
    """What was answered 503 meanwhile is the provider's to send again."""
    clock = ManualClock()
    shelf = Shelf()
    told = Told(Committer(shelf, clock.monotonic, patience=4.0))
    told.submit(a_parcel(1))
    assert shelf.began.wait(10)
    told.submit(a_parcel(2))
    clock.advance(5)
    shelf.open.set()
    told.committer.close()
    assert shelf.batches == [["w-1"]]
    assert (told.answers["w-1"].status, told.answers["w-2"].status) == (200, 503)


def test_a_locked_ledger_does_not_try_each_for_its_whole_patience():
    """When a commit fails because the ledger is locked, those whose patience it took are not tried again."""
    clock = ManualClock()
    tried = []

    def locked(parcels):
        tried.append(len(parcels))
        clock.advance(5)
        raise LedgerError("ledger: locked for more than 5 s")

    told = Told(Committer(locked, clock.monotonic))
    waiting = (lambda answer, n=n: told.answers.setdefault(n, answer) for n in range(50))
    until = clock.monotonic() + 4.0
    batch = [_Waiting(a_parcel(n), done, until) for n, done in enumerate(waiting)]
    told.committer._commit(batch)
    assert tried == [50]
    assert [answer.status for answer in told.answers.values()] == [503] * 50


def test_the_queue_is_bounded(monkeypatch):
    """More than may wait is refused at once, by number and by bytes; what is closed takes nothing."""
    shelf = Shelf()
    monkeypatch.setattr(module, "ROOM", 3)
    told = Told(Committer(shelf, CLOCK.monotonic))
    told.submit(a_parcel(0))
    assert shelf.began.wait(10)
    assert [told.submit(a_parcel(number)) for number in range(1, 6)] == [True, True, True, False, False]
    monkeypatch.setattr(module, "ROOM", 100)
    monkeypatch.setattr(module, "ROOM_BYTES", 1)
    assert not told.submit(a_parcel(9))
    shelf.open.set()
    told.committer.close()
    assert len(told.answers) == 4
    assert not told.submit(a_parcel(10))


def queued(*parcels) -> deque[_Waiting]:
    """Deliveries in the order they came."""
    return deque(_Waiting(parcel, lambda _answer: None, 1.0) for parcel in parcels)


def ids(waiting) -> list[str]:
    """Who they are."""
    return [one.parcel.arrival.id for one in waiting]


def test_deliveries_that_may_be_one_are_not_entered_together():
    """H4: the same id or, where ids change, the same bytes: the first goes, the others wait, order is kept."""
    queue = queued(
        a_parcel(1), a_parcel(2), a_parcel(1, id_="w-1-again"), a_parcel(7, id_="w-2"), a_parcel(7), a_parcel(3)
    )
    assert ids(together(queue, 10)) == ["w-1", "w-2", "w-3"]
    assert ids(together(queue, 10)) == ["w-1-again", "w-2"]
    assert ids(together(queue, 10)) == ["w-7"]
    assert not queue


def test_the_same_id_at_two_sources_is_two_deliveries():
    """An id is the source's."""
    other = a_source(name="other", webhook=a_webhook("orders/create"))
    assert len(together(queued(a_parcel(1), a_parcel(1, source=other)), 10)) == 2


def test_a_commit_is_bounded_in_number_and_bytes(monkeypatch):
    """X5: a large one goes alone; the first always goes."""
    assert ids(together(queued(*map(a_parcel, range(5))), 2)) == ["w-0", "w-1"]
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    assert ids(together(queued(*map(a_parcel, range(5))), 10)) == ["w-0"]
