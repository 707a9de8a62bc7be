"""Transactions with the installed executable and a fake on loopback: followed, asked about, given up, settled."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.server import serve
from reconcile.sandbox.stripe import FakeStripe

CONFIG = """\
ledger: sqlite:///reconcile.db
sources:
  pay:
    connector: stripe
    api_key: sk_test_dummy
    base_url: BASE_URL
    retry: [1s]
    ladder: LADDER
    http: {attempts: 1}
    webhook:
      url: https://hooks.acme.example/webhooks/pay
      secret: whsec_dummy_hush
      topics: [payment_intent.succeeded, payment_intent.canceled]
    handler: acme:handlers
"""
HANDLER = """\
from pathlib import Path
from reconcile import Handlers

handlers = Handlers()

@handlers.on("*")
def take(event):
    with Path(__file__).with_name("effects").open("a") as effects:
        effects.write(f"{event.topic} {event.subject.id} {event.origin} {event.data['data']['object']['amount']}\\n")
"""


@contextlib.contextmanager
def stripe(project, ladder="[5m, 30m]"):
    """A fake account on loopback, and the project configured for it."""
    fake = FakeStripe(clock=SettableClock(datetime.now(UTC)), throttle=False)
    with serve(fake) as served:
        project.configure(CONFIG.replace("BASE_URL", served.url).replace("LADDER", ladder), HANDLER)
        yield fake


def processing(fake, amount=1999):
    intent = fake.create_payment_intent(amount)
    fake.start_processing(intent)
    return intent


def test_a_pending_payment_is_followed_to_its_end(project):
    """P5: named by hand, asked about, ended, delivered once by the handler's own road; and never again."""
    with stripe(project) as fake:
        intent = processing(fake)
        track = ("transactions", "track", intent, "--source", "pay", "--amount", "1999", "--currency", "usd")
        assert (
            project.call(*track, "--at", "1d").stdout
            == f"pay payment_intent/{intent}: followed, and 1999 usd expected\n"
        )
        assert project.call(*track).stdout == f"pay payment_intent/{intent}: followed already, and 1999 usd expected\n"
        dry = project.call_json("run", "status-checks", "--dry-run")
        assert (dry["transactions"]["checked"], fake.requests) == (1, [])
        assert dry["notes"] == [f"pay: would ask about 1 transaction: payment_intent/{intent}"]
        report = project.call_json("run", "status-checks")
        assert report["transactions"] == {"checked": 1, "resolved": 0, "pending": 1, "unresolved": 0}
        assert report["returned"] == 0
        shown = project.call_json("transactions", "show", intent)
        assert (shown["state"], shown["raw"], shown["attempts"]) == ("pending", "processing", 1)
        assert datetime.fromisoformat(shown["next_at"]) > datetime.now(UTC) + timedelta(minutes=29)
        fake.succeed(intent)
        report = project.json("transactions", "check", intent)
        assert report["transactions"] == {"checked": 1, "resolved": 1, "pending": 0, "unresolved": 0}
        again = project.json("run", "status-checks", "dispatch")
        assert (again["transactions"]["checked"], again["returned"]) == (0, 0)
    assert project.effects() == [f"payment_intent.succeeded {intent} status_check 1999"]
    assert "no open transactions" in project.call("transactions", "list").stdout
    settled = project.call_json("transactions", "list", "--state", "settled")
    assert [one["id"] for one in settled["transactions"]] == [intent]


def test_who_asks_about_one_transaction_is_told_of_it(project):
    """Counts and other people's gaps are no answer: that the provider does not know it must be read at once (P)."""
    with stripe(project):
        project.call("transactions", "track", "pi_typo", "--source", "pay", "--at", "1d")
        said = project.call("transactions", "check", "pi_typo").stdout
    assert "its provider does not know it" in next(line for line in said.splitlines() if "pi_typo" in line)


def test_what_is_given_up_is_settled_by_hand_or_asked_about_again(project):
    """P3: the ladder's end is exit 3 and a row of `transactions list`; `resolve` ends it, `reopen` begins it anew."""
    with stripe(project, ladder="[1s]") as fake:
        intent, other = processing(fake), processing(fake)
        for id_ in (intent, other):
            project.call("transactions", "track", id_, "--source", "pay", "--at", "1d")
        report = project.call_json("run", "status-checks")
        assert report["transactions"] == {"checked": 2, "resolved": 0, "pending": 0, "unresolved": 2}
        assert report["returned"] == 3
        listed = project.call("transactions", "list", "--state", "unresolved").stdout
        assert intent in listed
        assert "2 of 2 unresolved transactions" in listed
        assert project.call("transactions", "resolve", intent).returncode == 2
        done = project.call("transactions", "resolve", f"payment_intent/{intent}", "--note", "paid in cash")
        assert done.stdout == f"pay payment_intent/{intent}: settled by hand\n"
        assert project.call_json("transactions", "show", intent)["note"] == "paid in cash"
        fake.cancel(other)
        assert "asked about from now on again" in project.call("transactions", "reopen", other).stdout
        report = project.json("run", "status-checks", "dispatch")
        assert report["transactions"] == {"checked": 1, "resolved": 1, "pending": 0, "unresolved": 0}
        assert report["returned"] == 0
    assert project.effects() == [f"payment_intent.canceled {other} status_check 1999"]


def test_another_amount_is_shown_and_exits_3(project):
    """P4: what ended over another amount is not delivered; the run, the gap and the list say so."""
    with stripe(project) as fake:
        intent = processing(fake, 2500)
        project.call("transactions", "track", intent, "--source", "pay", "--amount", "1999", "--at", "1d")
        fake.succeed(intent)
        report = project.call_json("run", "status-checks")
        assert (report["returned"], report["transactions"]["unresolved"]) == (3, 1)
        (gap,) = report["gaps"]
        assert (gap["kind"], gap["reason"]) == (
            "status_mismatch", "it ended as succeeded, but over 2500 instead of 1999",
        )  # fmt: skip
    assert "mismatch" in project.call("transactions", "list").stdout


_FOR_CI = [pytest.param(f"transaction.{place}", marks=pytest.mark.sweep) for place in ("claimed", "applied")]


@pytest.mark.parametrize("place", ["transaction.asked", *_FOR_CI])
def test_a_kill_loses_and_doubles_nothing(project, place):
    """L3, P1: SIGKILL while asking: the next run takes over at once, and each fact is handled once."""
    with stripe(project) as fake:
        intents = [processing(fake) for _ in range(3)]
        for intent in intents:
            project.call("transactions", "track", intent, "--source", "pay", "--at", "1d")
            fake.succeed(intent)
        killed = project.run("run", "status-checks", RECONCILE_FAILPOINTS=f"{place}=kill")
        assert killed.returncode == -9
        report = project.json("run", "status-checks", "dispatch")
        assert (report["transactions"]["pending"], report["returned"]) == (0, 0)
    assert sorted(project.effects()) == sorted(
        f"payment_intent.succeeded {intent} status_check 1999" for intent in intents
    )


def test_names_that_name_nothing_are_said_so(project):
    """Every error says what happened and what there is: an unknown source, type, transaction, amount."""
    with stripe(project) as fake:
        intent = processing(fake)
        for words, said in (
            (("track", intent, "--source", "till"), "no source is called till; schedules.yaml has: pay"),
            (("track", "x_1", "--source", "pay"), "say of which type x_1 is; there are: charge, checkout.session"),
            (("track", intent, "--source", "pay", "--type", "invoice"), "no type of transaction is called invoice"),
            (("track", intent, "--source", "pay", "--amount", "much"), "no amount: 'much'"),
            (("show", "pi_nowhere"), "no transaction is called pi_nowhere; `reconcile transactions list --state all`"),
            (("resolve", "pi_nowhere", "--note", " "), "must say what was done"),
        ):
            done = project.call("transactions", *words)
            assert done.returncode == 2, words
            assert said in " ".join(done.stderr.split())
        done = project.call("transactions", "show", "pi_nowhere", "--json")
        assert json.loads(done.stdout)["exit_code"] == 2
