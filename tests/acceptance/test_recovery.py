"""It holds when everything goes wrong at once: real processes, real HTTP, real databases, kill -9."""

from __future__ import annotations

import contextlib
import subprocess

import pytest
from support.recovery import Providers, Service, differences, service

from reconcile.sandbox.faults import Faults
from reconcile.sandbox.seeds import Dice
from reconcile.sandbox.wire_faults import after

ORDERS = 300
SEED = 20240601
#: Where a run is killed: before and after commits of its own, and around those of a handler.
PLACES = (
    "page.before_commit=kill",
    "page.committed=kill",
    "window.before_cover=kill",
    "valve.before_release=kill",
    "dispatch.claimed=kill",
    "dispatch.before_mark=kill",
)


def split(deliveries, dice):
    """(sent at once, 5 % of it twice and all of it a little out of order; lost, and sent again after the repair)."""
    sent, late = [], []
    for one in deliveries:
        fate = dice.random()
        if fate < 0.10:
            late.append(one)
        elif fate >= 0.20:  # what is between is lost for good
            sent += [one, one] if fate < 0.25 else [one]
    for place in range(0, len(sent), 7):
        part = sent[place : place + 7]
        dice.shuffle(part)
        sent[place : place + 7] = part
    return sent, late


def receive(app: Service, sent, dice: Dice) -> None:
    """Deliver while the receiver dies in the middle, twice; what it did not take is sent again."""
    part = len(sent) // 3
    for place in (0, part):
        app.start_server()
        deadly = dice.randrange(part // 2, part)
        batch = [*app.take_refused(), *sent[place : place + part]]
        app.deliver(batch, lambda number, deadly=deadly: app.server.kill() if number == deadly else None)
        app.kill_server()
    app.start_server()
    app.deliver([*app.take_refused(), *sent[2 * part :]])


def repair_with_deaths(app: Service, dice: Dice) -> dict:
    """Runs that are killed at a place and at a moment, and then one that is left alone: its report."""
    killed = app.start_run("--since", "1d", failpoints=f"{dice.choice(PLACES)}@{dice.randint(1, 2)}")
    killed.communicate(timeout=60)
    killed = app.start_run("--since", "1d")
    with contextlib.suppress(subprocess.TimeoutExpired):
        killed.wait(timeout=dice.uniform(1.5, 4.0))
    killed.kill()
    killed.communicate()
    return app.run("--since", "1d")


def change_between_pages(providers: Providers, faults: Faults, orders: list[int]) -> None:
    """Whenever a page of orders was read, one that the listing shows changes."""

    def change(_request, _answer):
        if orders:
            providers.shop.update_order(orders.pop(), note="changed while it was listed")

    faults.add(after(change), path=r"/orders\.json", times=0)


@pytest.mark.timeout(240)
def test_every_effect_happens_once_however_the_processes_die(ledger_url, tmp_path):
    """Deliveries lost, doubled, late; processes killed: effects equal what happened (H1, H2, H4, H7, L3, C6, C7)."""
    dice = Dice(f"{SEED} {ledger_url.partition(':')[0]}")  # each engine dies at other moments
    providers = Providers.made(SEED)
    providers.live_through(ORDERS)
    providers.clock.catch_up()
    sent, late = split(providers.owed(), dice)
    with service(tmp_path, ledger_url, providers) as (app, shop_faults, _):
        receive(app, sent, dice)
        changed = [int(one.subject_id) for one in providers.shop.truth[:60:6]]
        change_between_pages(providers, shop_faults, changed)
        repair = repair_with_deaths(app, dice)
        assert repair["exit_code"] == 0, repair
        assert len(changed) < 10
        shop_faults.clear()
        # The provider tries again after the repair, with the bodies of before.
        app.deliver([*app.take_refused(), *late])
        app.deliver([*app.take_refused(), *providers.owed()[::2]])
        providers.clock.advance(200)  # what happened during the runs is older than `settle` now
        last = app.run()
        assert last["exit_code"] == 0, last
        assert app.stop_server() == 143
        assert differences(providers, app.effects()) == {}
        stays_quiet(app, providers)


def stays_quiet(app: Service, providers: Providers) -> None:
    """A run that reads everything once more finds it all handled, calls no handler and changes nothing (H12)."""
    effects, mutations = len(app.effects()), providers.mutations()
    quiet = app.run("--since", "1d", "--recheck")
    assert quiet["exit_code"] == 0, quiet
    assert sum(stream["listed"] for stream in quiet["streams"]) >= 2 * ORDERS
    assert [handler["handled"] for handler in quiet["handlers"]] == [0, 0]
    assert (len(app.effects()), providers.mutations()) == (effects, mutations)
