"""Many at once over real HTTP: each is answered by its own fate, and each event is stored once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from support.receiving import by_shopify, by_stripe, intent, order, receiving, sources

from reconcile.clock import SystemClock
from reconcile.errors import LedgerError
from reconcile.inbox import record
from reconcile.ledger import Ledger, gaps
from reconcile.ledger.integrity import problems
from reconcile.ledger.tables_alerts import incidents
from reconcile.metrics import Unmeasured
from reconcile.model import GapKind
from reconcile.receiving import parcel

CLIENTS = 64


@contextmanager
def open_at(url: str):
    """A ledger for a block."""
    ledger = Ledger.open(url, SystemClock())
    yield ledger
    ledger.close()


def unstorable(tx, book, arrivals):
    """`record`, but for deliveries that break whatever transaction they are in."""
    if any(arrival.id.startswith("poison") for arrival in arrivals):
        raise LedgerError("ledger: the database refused")
    return record(tx, book, arrivals)


def crowd() -> list[tuple[str, str, dict[str, str], bytes]]:
    """(what it is, source, headers, body): new ones, repeats by id and by bytes, poison, unreadable, forged."""
    sent = []
    for n in range(60):
        body = order(n)
        sent.append(("genuine", "shop", by_shopify(body, f"w-{n}"), body))
        sent.append(("genuine", "shop", by_shopify(body, f"w-{n}"), body))
        sent.append(("genuine", "shop", by_shopify(body, f"w-{n}-again"), body))
        sent.append(("genuine", "pay", by_stripe(intent(n)), intent(n)))
        if n % 3 == 0:
            sent.append(("genuine", "pay", by_stripe(intent(n)), intent(n)))
            unreadable = b"[%d" % n
            sent.append(("genuine", "shop", by_shopify(unreadable, f"unreadable-{n}"), unreadable))
            sent.append(("poison", "shop", by_shopify(order(1000 + n), f"poison-{n}"), order(1000 + n)))
            sent.append(("forged", "shop", by_shopify(order(n), f"w-{n}", secret="whsec_dummy_other"), order(n)))
            sent.append(("forged", "pay", by_stripe(intent(n), 900), intent(n)))
    return sent


def test_a_crowd_of_good_and_bad_is_told_apart(ledger, monkeypatch):
    """H4, H6, H8, X3: 64 at once: repeats are one event, poison and forgery fail alone, nobody else notices."""
    monkeypatch.setattr(parcel.inbox, "record", unstorable)
    with receiving(ledger) as door, ThreadPoolExecutor(CLIENTS) as pool:
        sent = crowd()
        answers = list(pool.map(lambda one: door.post(*one[1:]), sent))
    fates = Counter((one[0], status) for one, (status, _) in zip(sent, answers, strict=True))
    assert set(fates) == {("genuine", 200), ("poison", 503), ("forged", 401)}, fates
    rows = door.rows()
    assert Counter(row.source for row in rows) == {"shop": 60 + 20, "pay": 60}
    assert sorted(row.body for row in rows if row.source == "pay") == sorted(intent(n) for n in range(60))
    assert all(row.duplicates == 2 for row in rows if row.state == "waiting" and row.source == "shop")
    new = [answer for status, answer in answers if answer.endswith(b'{"status":"new"}')]
    assert len(new) == len(rows)
    with ledger.read() as tx:
        assert gaps.count(tx) == {("shop", GapKind.DEAD): 20}
        assert problems(tx) == []


def commits(monkeypatch) -> list[int]:
    """How many deliveries each commit holds, from now on."""
    sizes: list[int] = []
    store = parcel.store

    def counting(ledger, parcels):
        sizes.append(len(parcels))
        return store(ledger, parcels)

    monkeypatch.setattr(parcel, "store", counting)
    return sizes


def test_deliveries_that_come_together_are_stored_by_few_commits(ledger, monkeypatch):
    """The point of it: far fewer commits than deliveries, and none of them lost."""
    sizes = commits(monkeypatch)
    with receiving(ledger) as door, ThreadPoolExecutor(CLIENTS) as pool:
        bodies = [order(n) for n in range(256)]
        with ledger.write():  # nothing can be committed meanwhile
            pending = [
                pool.submit(door.post, "shop", by_shopify(body, f"w-{n}"), body) for n, body in enumerate(bodies)
            ]
        assert {future.result()[0] for future in pending} == {200}
    assert sum(sizes) == len(door.rows()) == 256
    assert max(sizes) > 1
    assert set(door.woken) == {"shop"}
    assert len(door.woken) == len(sizes)


def only_from(network: str, **more) -> dict:
    """The sources, with a door in front."""
    return dict(sources(allow_from=(network,), **more))


@pytest.mark.parametrize(
    ("network", "proxies", "forwarded", "status"),
    [
        ("203.0.113.0/24", (), "203.0.113.9", 403),  # 127.0.0.1 is nobody's proxy here
        ("127.0.0.0/8", (), "203.0.113.9", 200),
        ("203.0.113.0/24", ("127.0.0.1",), "203.0.113.9", 200),
        ("203.0.113.0/24", ("127.0.0.1",), "203.0.113.9, 198.51.100.1", 403),
        ("203.0.113.0/24", ("127.0.0.1", "198.51.100.0/24"), "203.0.113.9, 198.51.100.1", 200),
        ("203.0.113.0/24", ("127.0.0.1",), "garbage", 403),
        ("203.0.113.0/24", ("127.0.0.1",), "", 403),
    ],
)
def test_deliveries_come_from_where_they_may(sqlite_databases, tmp_path, network, proxies, forwarded, status):
    """`allow_from`: a genuine signature from elsewhere is refused, and `X-Forwarded-For` is a proxy's word only."""
    with sqlite_databases.fresh(tmp_path) as url, open_at(url) as ledger:
        more = {"trusted_proxies": proxies} if proxies else {}
        with receiving(ledger, only_from(network, **more)) as door:
            headers = {**by_shopify(order()), "X-Forwarded-For": forwarded}
            assert door.post("shop", headers, order())[0] == status
            assert len(door.rows()) == (status == 200)


def test_too_many_a_second_are_asked_to_come_again(sqlite_databases, tmp_path):
    """`rate_limit`: 429 with `Retry-After`; forged ones neither pass nor use it up."""
    with sqlite_databases.fresh(tmp_path) as url, open_at(url) as ledger:
        slow = dict(sources(rate_limit=2 / 3600))
        flags = Flags()
        with receiving(ledger, slow, metrics=flags) as door:
            forged = by_shopify(order(), secret="whsec_dummy_other")
            assert {door.post("shop", forged, order())[0] for _ in range(5)} == {401}
            assert door.post("shop", by_shopify(order(1), "w-1"), order(1))[0] == 200
            status, answer = door.post("shop", by_shopify(order(2), "w-2"), order(2))
            assert status == 429
            assert b"retry-after: 1800" in answer.lower()
            assert len(door.rows()) == 1
        assert flags.turned_away == [("signature", "")] * 5 + [("rate", "orders/create")]


class Flags(Unmeasured):
    """Counts what was stored."""

    def __init__(self) -> None:
        self.stored: list[tuple[str, str, str]] = []
        self.turned_away: list[tuple[str, str]] = []

    def refused(self, source, reason, topic):
        """One."""
        self.turned_away.append((reason, topic))

    def received(self, source, topic, how):
        """One."""
        self.stored.append((source, topic, how))


def test_a_version_nobody_expects_is_stored_and_reported(ledger):
    """`api_versions`: never dropped; an open incident says so, and a repeat with another word in it adds none."""
    metrics = Flags()
    with receiving(ledger, dict(sources(api_versions=("2026-10",))), metrics=metrics) as door:
        expected = {**by_shopify(order(1), "w-1"), "X-Shopify-API-Version": "2026-10"}
        assert door.post("shop", expected, order(1))[0] == 200
        other = {**by_shopify(order(2), "w-2"), "X-Shopify-API-Version": "2027-01"}
        assert door.post("shop", other, order(2))[0] == 200
        replayed = {**other, "X-Shopify-API-Version": "1999-01"}
        assert door.post("shop", replayed, order(2))[0] == 200
    assert [(row.state, row.api_version) for row in door.rows()] == [("waiting", "2026-10"), ("waiting", "2027-01")]
    assert metrics.stored == [("shop", "orders/create", how) for how in ("new", "new", "duplicate")]
    with ledger.read() as tx:
        (told,) = tx.connection.execute(incidents.select())
    assert (told.source, told.kind, told.key, told.state) == ("shop", "api_version", "2027-01", "open")
    assert "2026-10" in told.summary


def test_a_secret_that_the_ledger_keeps_is_accepted_as_soon_as_it_is_there(sqlite_databases, tmp_path):
    """S4: noticed without a restart, at the first delivery that is signed with it."""
    kept: list[str] = []
    with (
        sqlite_databases.fresh(tmp_path) as url,
        open_at(url) as ledger,
        receiving(ledger, kept=lambda _source: kept) as door,
    ):
        door.receiver._entry("shop").keys._monotonic = iter(range(1000, 9000, 60)).__next__
        headers = by_shopify(order(), secret="whsec_dummy_new")
        assert door.post("shop", headers, order())[0] == 401
        kept.append("whsec_dummy_new")
        assert door.post("shop", headers, order())[0] == 200
        assert door.post("shop", by_shopify(order(2), "w-2"), order(2))[0] == 200
