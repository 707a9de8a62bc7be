"""Handlers that take a session, in real workers on real databases: effect and mark are one commit, or neither is."""

from __future__ import annotations

import os

import pytest
from support.effects import APP, claimed, effects
from support.pools import collect, pool, run, verdicts
from support.rows import change, event, outcomes, states

from reconcile.ledger import gaps
from reconcile.model import GapKind
from reconcile.targets.model import Verdict

HANDLERS = (
    APP
    + """
from sqlmodel import Field, SQLModel
from sqlalchemy.exc import SQLAlchemyError

class Effect(SQLModel, table=True):
    __tablename__ = "app_effect"
    note: str = Field(primary_key=True)

@handlers.on("writes", "writes.*")
def writes(event, session): write(session, event)

@handlers.on("orm")
def orm(event, session): session.add(Effect(note=event.id))

@handlers.on("async")
async def coroutine(event, session):
    await asyncio.sleep(0)
    write(session, event)

@handlers.on("untouched")
def untouched(event, session): ...

@handlers.on("without")
def without(event): ...

@handlers.on("raises")
def raises(event, session):
    write(session, event)
    raise ValueError("after writing")

@handlers.on("crashes")
def crashes(event, session):
    write(session, event)
    os.kill(os.getpid(), signal.SIGKILL)

@handlers.on("hangs")
def hangs(event, session):
    write(session, event)
    threading.Event().wait()

@handlers.on("calls.*")
def calls(event, session):
    write(session, event)
    getattr(session, event.topic.partition(".")[2])()

@handlers.on("closes_with")
def closes_with(event, session):
    with session: write(session, event)

@handlers.on("ends.transaction")
def ends_transaction(event, session):
    write(session, event)
    session.get_transaction().rollback()

@handlers.on("ends.sql")
def ends_sql(event, session):
    write(session, event)
    session.connection().exec_driver_sql("ROLLBACK")

@handlers.on("savepoint")
def savepoint(event, session):
    write(session, event)
    try:
        with session.begin_nested(): write(session, event)
    except SQLAlchemyError: pass

@handlers.on("swallows.flush")
def swallows_flush(event, session):
    write(session, event)
    session.add(Effect(note=event.id))
    try: session.flush()
    except SQLAlchemyError: pass

@handlers.on("swallows.statement")
def swallows_statement(event, session):
    write(session, event)
    try: session.connection().exec_driver_sql("select * from there_is_no_such_table")
    except SQLAlchemyError: pass

@handlers.on("bad_flush")
def bad_flush(event, session):
    write(session, event)
    session.add(Effect(note=event.id))
"""
)


@pytest.fixture
def target(tmp_path, ledger_url):
    """One worker on the ledger."""
    made = pool(tmp_path, HANDLERS, url=ledger_url)
    yield made
    made.close()


@pytest.mark.parametrize("topic", ["writes", "orm", "async", "untouched"])
def test_effect_and_mark_are_one(ledger, target, topic):
    """H2: what the handler wrote is there, the event is handled, the attempt noted, the claim and its gaps ended."""
    (job,) = claimed(ledger, [topic])
    with ledger.write() as tx:
        gaps.open_(tx, "shop", GapKind.DEAD, f"evt_{job.seq}", reason="it was dead", seq=job.seq)
    outcome = run(target, [job])[topic]
    assert (outcome.verdict, outcome.marked, outcome.error) == (Verdict.HANDLED, True, "")
    row = event(ledger, job.seq)
    assert (row.state, row.attempts, row.claim_owner, row.claim_until) == ("handled", 1, "", None)
    assert (row.claim_fence, row.handled_at) == (3, outcome.finished_at)
    assert outcomes(ledger, job.seq) == ["handled"]
    assert effects(ledger) == ([] if topic == "untouched" else [job.event.id])
    with ledger.read() as tx:
        assert gaps.find(tx) == []


def test_a_handler_without_session_is_marked_by_the_dispatcher(ledger, target):
    """Beside one that takes a session, a function that does not leaves the mark to whoever dispatched it."""
    (job,) = claimed(ledger, ["without"])
    outcome = run(target, [job])["without"]
    assert (outcome.verdict, outcome.marked) == (Verdict.HANDLED, False)
    assert states(ledger, job.seq) == ["claimed"]


@pytest.mark.parametrize(
    ("topic", "error"),
    [
        ("raises", "ValueError: after writing"),
        ("crashes", "the worker was killed by SIGKILL"),
        ("calls.commit", "SessionMisused: session.commit() is not for handlers"),
        ("calls.rollback", "SessionMisused: session.rollback() is not for handlers"),
        ("calls.close", "SessionMisused: session.close() is not for handlers"),
        ("calls.begin", "SessionMisused: session.begin() is not for handlers"),
        ("calls.reset", "SessionMisused: session.reset() is not for handlers"),
        ("calls.invalidate", "SessionMisused: session.invalidate() is not for handlers"),
        ("calls.prepare", "SessionMisused: session.prepare() is not for handlers"),
        ("closes_with", "SessionMisused: session.close() is not for handlers"),
        ("ends.transaction", "the handler ended the session's transaction by itself"),
        ("ends.sql", "its transaction was ended"),
        ("swallows.flush", "the handler went on after a database error"),
        ("bad_flush", "what the handler left in its session could not be written"),
    ],
)
def test_no_mark_no_effect(ledger, target, topic, error):
    """H2: a handler that raises, crashes or tampers with its transaction leaves nothing; the next event is handled."""
    job, good = claimed(ledger, [topic, "writes"])
    found = run(target, [job, good])
    assert (found[topic].verdict, found[topic].marked) == (Verdict.FAILED, False)
    assert found[topic].error.startswith(error)
    assert found["writes"].marked
    assert states(ledger, job.seq, good.seq) == ["claimed", "handled"]
    assert outcomes(ledger, job.seq) == []
    assert effects(ledger) == [good.event.id]


def test_savepoints_are_free(ledger, target):
    """A part that failed may be undone with `begin_nested`; the rest is kept with the mark."""
    (job,) = claimed(ledger, ["savepoint"])
    assert run(target, [job])["savepoint"].marked
    assert effects(ledger) == [job.event.id]


def test_a_swallowed_statement_error(ledger, target):
    """PostgreSQL undoes the transaction on any error: that is a failure. SQLite undoes the statement only."""
    (job,) = claimed(ledger, ["swallows.statement"])
    outcome = run(target, [job])["swallows.statement"]
    if ledger.dialect == "sqlite":
        assert (outcome.marked, effects(ledger)) == (True, [job.event.id])
    else:
        assert (outcome.verdict, effects(ledger)) == (Verdict.FAILED, [])
        assert outcome.error.startswith("the handler swallowed a database error")


def test_a_hung_transaction_is_undone(ledger, tmp_path, ledger_url):
    """H2, H8: at its timeout the worker is killed, its transaction undone, the ledger free for the next event."""
    hung, good = claimed(ledger, ["hangs", "writes"])
    target = pool(tmp_path, HANDLERS, url=ledger_url, timeout=1.5)
    found = run(target, [hung, good])
    target.close()
    assert (found["hangs"].error, found["writes"].marked) == ("timed out after 1.5 s", True)
    assert effects(ledger) == [good.event.id]


@pytest.mark.parametrize(
    "taken", [{"claim_fence": 4}, {"state": "waiting"}, {"state": "dead"}], ids=["fence", "waiting", "dead"]
)
def test_a_lost_claim_keeps_nothing(ledger, target, taken):
    """H1: whoever took the event over meanwhile has it; the effect of the late one is undone."""
    (job,) = claimed(ledger, ["writes"])
    change(ledger, job.seq, **taken)
    outcome = run(target, [job])["writes"]
    assert (outcome.verdict, outcome.marked, effects(ledger)) == (Verdict.LOST, False, [])
    assert outcomes(ledger, job.seq) == []
    assert event(ledger, job.seq).attempts == 0


@pytest.mark.parametrize(
    ("place", "kept"),
    [("target.before_call", 0), ("target.called", 0), ("handler.before_commit", 0), ("handler.committed", 1)],
)
def test_killed_at_every_place(ledger, tmp_path, ledger_url, monkeypatch, place, kept):
    """H2, L3: a worker killed anywhere leaves both effect and mark, or neither, and claims no mark."""
    jobs = claimed(ledger, ["writes", "writes.2", "writes.3"])
    monkeypatch.setenv("RECONCILE_FAILPOINTS", f"{place}=kill@2")
    target = pool(tmp_path, HANDLERS, url=ledger_url)
    found = run(target, jobs)
    target.close()
    second = found["writes.2"]
    assert (second.verdict, second.marked) == (Verdict.FAILED, False)
    assert found["writes"].marked
    assert found["writes.3"].marked
    assert states(ledger, second.job.seq) == (["handled"] if kept else ["claimed"])
    assert len(effects(ledger)) == 2 + kept


def test_sqlite_has_one_worker_and_postgresql_several(ledger, tmp_path, ledger_url):
    """SQLite has one writer: its handlers run one at a time."""
    target = pool(tmp_path, HANDLERS, url=ledger_url, workers=3)
    jobs = claimed(ledger, [f"writes.{n}" for n in range(40)])
    found = run(target, jobs)
    workers = len(target._crew._children)
    target.close()
    assert all(outcome.marked for outcome in found.values())
    assert len(effects(ledger)) == 40
    assert workers == (1 if ledger.dialect == "sqlite" else 3)


def test_the_transaction_begins_at_the_first_statement(ledger, tmp_path, ledger_url):
    """A handler that is about to call out before it writes does not keep the ledger from others."""
    code = APP + "@handlers.on('late')\ndef late(event, session):\n    open(PIPE).read()\n    write(session, event)"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    target = pool(tmp_path, code.replace("PIPE", repr(str(pipe))), url=ledger_url)
    (job,) = claimed(ledger, ["late"])
    target.submit([job])
    with pipe.open("w"):  # returns once the handler has opened its end: it is running now
        change(ledger, job.seq, error="somebody else wrote")
    (outcome,) = collect(target, 1)
    target.close()
    assert outcome.marked
    assert states(ledger, job.seq) == ["handled"]


def test_verdicts_are_all_told(ledger, target):
    """A mixed batch over crashes and failures answers each job once."""
    given = claimed(ledger, ["writes", "raises", "crashes", "writes.2", "untouched", "calls.commit", "orm"])
    found = verdicts(run(target, given))
    assert sorted(found) == sorted(job.event.topic for job in given)
    assert [topic for topic, verdict in found.items() if verdict is Verdict.FAILED] == [
        "raises",
        "crashes",
        "calls.commit",
    ]
