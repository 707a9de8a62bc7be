"""Leases: one holder, named to the others, fenced when lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.ledgers import elsewhere, ended_process, later

from reconcile.errors import Busy, LeaseLost
from reconcile.ledger import leases
from reconcile.ledger.leases import Holder


def test_second_runner_is_told_who_holds(ledger):
    """L1: a held lease is refused with its holder's host, pid and since when."""
    one = elsewhere()
    with ledger.write() as tx:
        lease = leases.acquire(tx, "shop", "backfill", one)
    with (
        ledger.write() as tx,
        pytest.raises(Busy, match=rf"backfill of shop is held by far\.example:{one.pid} since 20"),
    ):
        leases.acquire(tx, "shop", "backfill", Holder.me())
    assert lease.fence == 1


def test_own_process_is_busy_too(ledger):
    """L1: two threads of one process do not share a lease."""
    me = Holder.me()
    with ledger.write() as tx:
        leases.acquire(tx, "shop", "backfill", me)
    with ledger.write() as tx, pytest.raises(Busy):
        leases.acquire(tx, "shop", "backfill", me)


def test_other_jobs_and_sources_are_free(ledger):
    """A lease is on (source, job) only."""
    with ledger.write() as tx:
        leases.acquire(tx, "shop", "backfill", elsewhere())
        leases.acquire(tx, "shop", "subscriptions", Holder.me())
        leases.acquire(tx, "payments", "backfill", Holder.me())


def test_expired_lease_is_taken_over(ledger):
    """L1: after 30 s without renewal anyone may take it, under a higher fencing number."""
    with ledger.write() as tx:
        old = leases.acquire(tx, "shop", "backfill", elsewhere())
    with ledger.write() as tx, pytest.raises(Busy):
        leases.acquire(later(tx, 29), "shop", "backfill", Holder.me())
    with ledger.write() as tx:
        new = leases.acquire(later(tx, 31), "shop", "backfill", Holder.me())
    assert new.fence == old.fence + 1


def test_ended_process_is_taken_over_at_once(ledger):
    """L3: a holder on this host whose process is gone does not make anyone wait."""
    with ledger.write() as tx:
        leases.acquire(tx, "shop", "backfill", ended_process())
        assert leases.acquire(tx, "shop", "backfill", Holder.me()).fence == 2


def test_reused_pid_is_taken_over_at_once(ledger):
    """L3: another process that got the dead holder's pid is not mistaken for it."""
    me = Holder.me()
    realm = me.process_started.partition("/")[0]
    with ledger.write() as tx:
        leases.acquire(tx, "shop", "backfill", replace(me, process_started=f"{realm}/1"))
        assert leases.acquire(tx, "shop", "backfill", me).fence == 2


def test_another_container_is_not_judged(ledger):
    """L1: a pid of another process namespace says nothing, so its lease must run out."""
    me = Holder.me()
    with ledger.write() as tx:
        leases.acquire(tx, "shop", "backfill", replace(me, process_started="otherboot-1/1"))
        with pytest.raises(Busy):
            leases.acquire(tx, "shop", "backfill", me)


def test_renewed_lease_lives_on(ledger):
    """A renewal counts 30 s from now on."""
    with ledger.write() as tx:
        lease = leases.acquire(tx, "shop", "backfill", elsewhere())
        renewed = leases.renew(later(tx, 20), lease)
        assert renewed.until == lease.until + (later(tx, 20).now - tx.now)
        with pytest.raises(Busy):
            leases.acquire(later(tx, 45), "shop", "backfill", Holder.me())


def test_lease_nobody_took_is_renewed_late(ledger):
    """A lease that ran out is still its holder's as long as nobody took it."""
    with ledger.write() as tx:
        lease = leases.acquire(tx, "shop", "backfill", elsewhere())
        leases.check(later(tx, 90), lease)
        leases.renew(later(tx, 90), lease)


def test_lost_lease_commits_nothing(ledger):
    """L1: after a takeover every check and renewal of the old holder fails, and its transaction leaves nothing."""
    with ledger.write() as tx:
        old = leases.acquire(tx, "shop", "backfill", elsewhere())
    with ledger.write() as tx:
        new = leases.acquire(later(tx, 31), "shop", "backfill", Holder.me())

    def write_under(lease):
        with ledger.write() as tx:
            leases.acquire(tx, "shop", "written", Holder.me())
            leases.check(tx, lease)

    with pytest.raises(LeaseLost, match="backfill of shop was taken by another runner"):
        write_under(old)
    with ledger.write() as tx, pytest.raises(LeaseLost):
        leases.renew(tx, old)
    write_under(new)
    with ledger.write() as tx:
        assert leases.acquire(later(tx, 31), "shop", "written", Holder.me()).fence == 2


def test_release_frees_and_keeps_the_fence_rising(ledger):
    """A released lease is free at once; fencing numbers never repeat."""
    with ledger.write() as tx:
        leases.release(tx, leases.acquire(tx, "shop", "backfill", elsewhere()))
        assert leases.acquire(tx, "shop", "backfill", Holder.me()).fence == 2


def test_release_of_a_lost_lease_changes_nothing(ledger):
    """L1: the old holder, giving up late, does not take the new one's lease away."""
    with ledger.write() as tx:
        old = leases.acquire(tx, "shop", "backfill", elsewhere())
        new = leases.acquire(later(tx, 31), "shop", "backfill", Holder.me())
        leases.release(tx, old)
        leases.check(tx, new)
