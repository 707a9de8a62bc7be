"""When requests may start."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import ManualClock
from support.http import Script, make_client

from reconcile.clock import Stop
from reconcile.errors import Stopped
from reconcile.http import RateBudget


class FrozenClock(ManualClock):
    """Time stands still, so what is promised can be read off the waits."""

    def wait(self, seconds, stop=None):
        with self._lock:
            self.waits.append(seconds)


def test_starts_are_one_interval_apart():
    """At 2 a second the first starts at once and each other half a second after the one before."""
    clock = ManualClock()
    budget = RateBudget(2.0, clock)
    starts = []
    for _ in range(4):
        budget.acquire()
        starts.append(clock.monotonic())
    assert starts == [0.0, 0.5, 1.0, 1.5]


def test_a_quiet_time_earns_nothing():
    """After an idle hour, requests are spaced as ever."""
    clock = ManualClock()
    budget = RateBudget(2.0, clock)
    clock.advance(3600)
    assert [budget.acquire() for _ in range(3)] == [0.0, 0.5, 0.5]


def test_threads_share_one_rate():
    """Sixteen threads asking at one instant are promised sixteen different turns."""
    clock = FrozenClock()
    budget = RateBudget(10.0, clock)
    with ThreadPoolExecutor(16) as pool:
        waited = list(pool.map(lambda _: budget.acquire(), range(64)))
    assert sorted(waited) == pytest.approx([turn / 10 for turn in range(64)])


def test_nobody_starts_during_a_pause():
    """A pause holds everyone, and is not shortened by a smaller one."""
    clock = ManualClock()
    budget = RateBudget(10.0, clock)
    budget.pause(30)
    budget.pause(5)
    budget.pause(-1)
    budget.pause(float("nan"))
    budget.acquire()
    assert clock.monotonic() == 30.0


def test_a_pause_reaches_those_already_waiting_and_its_end_is_no_stampede():
    """A turn promised before a 429 is put behind it, one interval after the others."""
    clock = ManualClock()
    budget = RateBudget(1.0, clock)
    budget.acquire()
    paused = []

    def pause_once(seconds, stop=None):
        if not paused:
            paused.append(seconds)
            budget.pause(20)
        ManualClock.wait(clock, seconds, stop)

    clock.wait = pause_once
    budget.acquire()
    starts = [clock.monotonic()]
    for _ in range(2):
        budget.acquire()
        starts.append(clock.monotonic())
    assert paused == [1.0]
    assert starts == [20.0, 21.0, 22.0]


@given(
    rate=st.floats(0.1, 100),
    events=st.lists(st.tuples(st.sampled_from("ratp"), st.floats(0, 5)), max_size=60),
)
def test_no_stretch_of_time_holds_more_than_the_rate_allows(rate, events):
    """Whatever the callers do, k intervals see at most k + 1 starts, and none lies in a pause."""
    clock = ManualClock()
    budget = RateBudget(rate, clock)
    starts, quiet_until = [], 0.0
    for kind, seconds in events:
        if kind == "p":
            budget.pause(seconds)
            quiet_until = max(quiet_until, clock.monotonic() + seconds)
        elif kind == "t":
            clock.advance(seconds)
        else:
            budget.acquire()
            starts.append(clock.monotonic())
            assert starts[-1] >= quiet_until - 1e-6
    for first, start in enumerate(starts):
        for last in range(first, len(starts)):
            allowed = 1 + (starts[last] - start) * rate
            assert last - first + 1 <= allowed + 1e-6


@pytest.mark.parametrize("latency", [0.01, 0.2, 0.49])
def test_a_rate_limited_listing_takes_no_longer_than_its_rate(latency):
    """Wall time is within 1.1 of pages ÷ rate: the answer's own time is not added to the interval."""
    clock = ManualClock()

    def provider(_request):
        clock.advance(latency)
        return httpx.Response(200, json=[])

    client = make_client(provider, clock=clock, budget=RateBudget(2.0, clock))
    for page in range(40):
        client.get(f"/orders.json?page={page}")
    assert clock.monotonic() <= 1.1 * 40 / 2.0
    assert client.waited == pytest.approx(clock.monotonic() - 40 * latency, abs=0.5)


def test_a_stop_ends_the_wait_for_a_turn():
    """L2: a stopped client waits for no turn and sends nothing."""
    stop = Stop()
    clock = ManualClock()
    provider = Script(httpx.Response(200))
    client = make_client(provider, clock=clock, stop=stop, budget=RateBudget(0.001, clock))
    client.get("/x")
    stop.set()
    with pytest.raises(Stopped):
        client.get("/x")
    assert len(provider.seen) == 1


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_must_be_one(rate):
    """A budget nobody could ever spend is refused."""
    with pytest.raises(ValueError, match="a rate is more than 0"):
        RateBudget(rate, ManualClock())
