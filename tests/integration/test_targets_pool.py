"""Real worker processes: a handler may do its worst and harms only its own event."""

from __future__ import annotations

import os

import pytest
from support.pools import an_event, collect, jobs, pool, run, verdicts

from reconcile.errors import ConfigError
from reconcile.targets.model import Job, Verdict

APP = """
import ctypes, faulthandler

@handlers.on("ok", "ok.*")
def ok(event): ...

@handlers.on("pid")
def pid(event): raise ValueError(os.getpid())

@handlers.on("raises")
def raises(event): raise ValueError("no such order")

@handlers.on("exits")
def exits(event): sys.exit("leaving")

@handlers.on("interrupts")
def interrupts(event): raise KeyboardInterrupt

@handlers.on("base")
def base(event):
    class Odd(BaseException): ...
    raise Odd("odd")

@handlers.on("segfaults")
def segfaults(event):
    faulthandler.disable()
    ctypes.string_at(0)

@handlers.on("vanishes")
def vanishes(event): os._exit(7)

@handlers.on("kills")
def kills(event): os.kill(os.getpid(), signal.SIGKILL)

@handlers.on("leaks_thread")
def leaks_thread(event): threading.Thread(target=threading.Event().wait).start()

@handlers.on("leaks_daemon")
def leaks_daemon(event): threading.Thread(target=threading.Event().wait, daemon=True).start()

@handlers.on("leaves_loop")
def leaves_loop(event): asyncio.set_event_loop(asyncio.new_event_loop())

@handlers.on("forks")
def forks(event):
    if os.fork() == 0: return

@handlers.on("prints")
def prints(event):
    print("x" * 100_000)
    os.write(1, b"\\0\\0\\0\\5hello")

@handlers.on("async")
async def coroutine(event):
    await asyncio.sleep(0)
    raise LookupError("from async")

@handlers.on("async_ok")
async def coroutine_ok(event): await asyncio.sleep(0)

@handlers.on("generates")
def generates(event): return (n for n in range(3))

@handlers.on("modules")
def modules(event): raise ValueError("sqlalchemy" in sys.modules)
"""


@pytest.fixture
def target(tmp_path):
    """One worker."""
    made = pool(tmp_path, APP)
    yield made
    made.close()


def worker_of(target) -> str:
    """The process id of the worker that takes the next event."""
    return run(target, jobs("pid"))["pid"].error.split()[1]


@pytest.mark.parametrize(
    ("topic", "error"),
    [
        ("exits", "SystemExit: leaving"),
        ("interrupts", "KeyboardInterrupt"),
        ("base", "Odd: odd"),
        ("segfaults", "the worker was killed by SIGSEGV while it ran this event"),
        ("vanishes", "the worker ended with status 7 while it ran this event"),
        ("kills", "the worker was killed by SIGKILL while it ran this event"),
    ],
)
def test_what_would_end_us_ends_a_worker(target, topic, error):
    """H8: the event that did it failed, with its reason; those before and behind it are handled, by a new worker."""
    before = worker_of(target)
    outcomes = run(target, jobs("ok.1", "ok.2", topic, "ok.3", "ok.4", "ok.5"))
    failed = outcomes.pop(topic)
    assert (failed.verdict, failed.marked) == (Verdict.FAILED, False)
    assert failed.error.startswith(error)
    assert set(verdicts(outcomes).values()) == {Verdict.HANDLED}
    assert worker_of(target) != before


@pytest.mark.parametrize(
    ("topic", "error"),
    [
        ("raises", "ValueError: no such order (pool_app"),
        ("async", "LookupError: from async (pool_app"),
        ("generates", "TypeError: the handler returned a generator"),
        ("nobody", "no handler takes nobody; register one with @handlers.on"),
    ],
)
def test_an_exception_costs_no_worker(target, topic, error):
    """H8: an ordinary error is a failed attempt; the worker goes on."""
    before = worker_of(target)
    outcomes = run(target, jobs(topic, "ok", "async_ok"))
    assert outcomes[topic].verdict is Verdict.FAILED
    assert error.removesuffix(" (pool_app") in outcomes[topic].error
    assert verdicts(outcomes)["ok"] is verdicts(outcomes)["async_ok"] is Verdict.HANDLED
    assert worker_of(target) == before


@pytest.mark.parametrize(
    ("topic", "replaced"), [("leaks_thread", True), ("leaves_loop", True), ("leaks_daemon", False)]
)
def test_a_spoilt_worker_is_replaced(target, topic, replaced):
    """A thread that keeps a process alive, or an event loop left behind, is no failure, but the worker is done."""
    before = worker_of(target)
    assert verdicts(run(target, jobs(topic))) == {topic: Verdict.HANDLED}
    assert (worker_of(target) != before) is replaced


def test_a_fork_of_a_handler_is_not_taken_for_the_worker(target):
    """The child process that a handler forgot in its fork says nothing in the worker's name."""
    assert verdicts(run(target, jobs("forks", "ok"))) == {"forks": Verdict.HANDLED, "ok": Verdict.HANDLED}
    assert target.in_flight() == 0


def test_what_a_handler_prints_disturbs_nothing(capfd, tmp_path):
    """A handler's standard output goes to our standard error: our own result on stdout stays whole."""
    target = pool(tmp_path, APP)
    assert verdicts(run(target, jobs("prints", "ok"))) == {"prints": Verdict.HANDLED, "ok": Verdict.HANDLED}
    target.close()
    out, err = capfd.readouterr()
    assert (out, err.count("x" * 100_000)) == ("", 1)


def test_a_worker_without_session_loads_no_database_library(target):
    """Starting a worker costs what its handler needs."""
    assert run(target, jobs("modules"))["modules"].error.startswith("ValueError: False")


def test_many_jobs_over_several_workers(tmp_path):
    """Every job is answered once, however they are spread; nothing is left in flight."""
    target = pool(tmp_path, APP, workers=3)
    found = []
    given = [Job(n, 1, "me", an_event("ok", b'{"a":"%s"}' % (b"x" * 3000), id=f"evt_{n}"), 1) for n in range(500)]
    target.submit(given)
    found = collect(target, 500)
    target.close()
    assert sorted(outcome.job.seq for outcome in found) == list(range(500))
    assert {outcome.verdict for outcome in found} == {Verdict.HANDLED}
    assert target.in_flight() == 0
    assert list(target.outcomes(0.0)) == []


def test_large_bodies_pass(tmp_path):
    """A body larger than every socket buffer arrives whole, and those queued behind it."""
    target = pool(
        tmp_path, '@handlers.on("*")\ndef size(event): raise ValueError(len(event.body), event.data["a"][-1])'
    )
    given = [Job(n, 1, "me", an_event(str(n), b'{"a":"%s!"}' % (b"x" * 9_000_000)), 1) for n in range(3)]
    outcomes = run(target, given)
    target.close()
    assert all(outcome.error.startswith("ValueError: (9000009, '!')") for outcome in outcomes.values())


def test_a_hung_handler_is_killed_at_its_timeout(tmp_path):
    """H8: a hung call fails as timed out; what was queued behind it is handled by the worker that takes over."""
    code = """
    @handlers.on("hangs")
    def hangs(event): threading.Event().wait()
    @handlers.on("spins")
    def spins(event):
        import re
        re.match(r"(a+)+$", "a" * 60 + "b")  # inside C code, holding the interpreter's lock
    @handlers.on("*")
    def ok(event): ...
    """
    target = pool(tmp_path, code, timeout=1.0)
    outcomes = run(target, jobs("ok.1", "hangs", "ok.2", "spins", "ok.3"))
    target.close()
    assert {topic: found.error for topic, found in outcomes.items()} == {
        "ok.1": "", "ok.2": "", "ok.3": "", "hangs": "timed out after 1 s", "spins": "timed out after 1 s",
    }  # fmt: skip
    assert outcomes["hangs"].verdict is outcomes["spins"].verdict is Verdict.FAILED
    assert (outcomes["hangs"].finished_at - outcomes["hangs"].started_at).total_seconds() >= 1.0


def test_the_timeout_is_of_each_call(tmp_path):
    """Waiting behind others in a worker's queue does not count against a call."""
    code = "@handlers.on('*')\ndef slow(event): threading.Event().wait(0.4)"
    target = pool(tmp_path, code, timeout=1.0)
    outcomes = run(target, jobs(*(f"{n}" for n in range(4))))
    target.close()
    assert set(verdicts(outcomes).values()) == {Verdict.HANDLED}


def test_secrets_do_not_reach_outcomes_nor_the_process_list(tmp_path):
    """X1: configured secrets are taken out of errors; the ledger's URL is in no command line or environment."""
    code = """
    @handlers.on("*")
    def tell(event):
        me = open("/proc/self/cmdline").read() + open("/proc/self/environ").read()
        raise ValueError("whsec_dummy_canary", "dummy_password" in me)
    """
    url = "sqlite:///x?password=dummy_password"
    target = pool(tmp_path, code, url=url, secrets=["whsec_dummy_canary"])
    error = run(target, jobs("a"))["a"].error
    target.close()
    assert error.startswith("ValueError: ('***', False)")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nothing_of_that_name", "importing pool_app.* failed: ModuleNotFoundError"),
        (
            "import faulthandler; faulthandler.disable()\nimport ctypes; ctypes.string_at(0)",
            "the worker was killed by SIGSEGV while it loaded",
        ),
        ("", "takes no topic"),
    ],
)
def test_a_handler_that_cannot_be_loaded(tmp_path, code, message):
    """The pool is not made, and the error says why, even when importing ends the process."""
    with pytest.raises(ConfigError, match=message):
        pool(tmp_path, code)


def test_a_handler_that_can_no_longer_be_loaded(tmp_path):
    """When a replacement cannot start, the target as a whole is unreachable; it is tried again with the next job."""
    target = pool(tmp_path, "@handlers.on('*')\ndef ends(event): os._exit(1)")
    (app,) = tmp_path.glob("pool_app*.py")
    good = app.read_text()
    app.write_text("raise RuntimeError('half deployed')")
    first = run(target, jobs("a", "b"))
    assert sorted(verdicts(first).values()) == [Verdict.FAILED, Verdict.UNREACHABLE]
    assert any("half deployed" in outcome.error for outcome in first.values())
    app.write_text(good.replace("os._exit(1)", "..."))
    assert verdicts(run(target, jobs("c"))) == {"c": Verdict.HANDLED}
    target.close()


def test_events_that_kill_before_they_begin_do_not_loop(tmp_path, monkeypatch):
    """A job that no worker lives to begin is given up after three of them."""
    monkeypatch.setenv("RECONCILE_FAILPOINTS", "")
    code = """
    import reconcile.targets.wire as wire
    real = wire.event_of
    from reconcile.targets import worker
    def poisoned(self, call):
        if call.topic == "poison": os.kill(os.getpid(), signal.SIGKILL)
        return perform(self, call)
    main = sys.modules["__main__"]
    perform, main.Worker._perform = main.Worker._perform, poisoned
    @handlers.on("*")
    def ok(event): ...
    """
    target = pool(tmp_path, code)
    outcomes = run(target, jobs("poison", "ok"))
    target.close()
    assert verdicts(outcomes) == {"poison": Verdict.FAILED, "ok": Verdict.HANDLED}
    assert outcomes["poison"].error == "3 workers died before they could begin it"


def test_the_pool_itself_leaves_nothing_behind(tmp_path):
    """Closing ends the workers and gives every descriptor back."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts descriptors
    target = pool(tmp_path, APP, workers=2)
    run(target, jobs("ok", "exits", "ok.1"))
    target.close()
    target.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - counts descriptors
