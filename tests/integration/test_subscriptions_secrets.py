"""Subscriptions whose making nobody heard of (S2), and signing secrets that are shown once (S4, X1)."""

from __future__ import annotations

import json
import stat
from base64 import b64encode
from datetime import timedelta

import pytest
from support.running import at_failpoint
from support.subscribing import (
    SHOP_TOPICS,
    TOPICS,
    add_shop,
    add_stripe,
    check,
    endpoints,
    hooks,
    kept,
    mutations,
    ours,
    require,
    rows,
    told,
)

from reconcile.config.key import VARIABLE
from reconcile.ledger.subscriptions import Secrecy
from reconcile.receiver import Receiver
from reconcile.sandbox.wire_faults import answer_lost, answers, done_then, html, reset, truncated_silently
from reconcile.vault import Vault

KEY, OTHER_KEY = (b64encode(bytes([letter]) * 32).decode() for letter in b"ko")
MAKING = {"method": "POST", "path": "webhook"}
LOST = {
    "connection lost": answer_lost(),
    "500": done_then(500),
    "503": done_then(503),
    "cut short": truncated_silently(),
}


@pytest.fixture(params=["file", "ledger"])
def place(request, bench):
    """Where secrets are kept: with a key in the ledger, without one in a file."""
    if request.param == "ledger":
        bench.env[VARIABLE] = KEY
    return request.param


def received(bench, fake) -> list[int]:
    """The statuses our receiver answers what the provider sends, with a receiver of another process."""
    config = bench.config()
    sources = {name: (source, bench.context().connector(source)) for name, source in config.sources.items()}
    receiver = Receiver(bench.ledger, sources.get, bench.clock, kept=Vault.of(config, bench.ledger).secrets)
    sent = [one for one in fake.outbox if fake.owed(one)]
    return [receiver.receive("pay", fake.headers_of(one), one.body).status for one in sent]


@pytest.mark.parametrize("fault", LOST)
def test_s2_an_unknown_outcome_is_looked_up_before_it_is_tried_again(bench, fault):
    """S2: the answer got lost and the endpoint is there: it is found, nothing is made twice, the secret is known."""
    pay = add_stripe(bench)
    bench.faults["pay"].add(LOST[fault], **MAKING)
    found, report = check(bench)
    (endpoint,) = endpoints(pay)
    assert (found, report.exit_code) == (rows("missing", "created", *TOPICS), 0)
    assert list(kept(bench).values()) == [endpoint.secret]
    asked = [seen.method for seen in pay.requests if "webhook" in seen.path]
    assert asked[:4] == ["GET", "POST", "GET", "POST"]


@pytest.mark.parametrize("fault", LOST)
def test_s2_the_same_at_shopify(bench, fault):
    """S2: one of two subscriptions was made and nobody heard of it: it is found by what it is."""
    shop = add_shop(bench)
    bench.faults["acme"].add(LOST[fault], **MAKING)
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("missing", "created", *SHOP_TOPICS), 0)
    assert hooks(shop) == sorted(SHOP_TOPICS)
    assert len(mutations(shop)) == 2
    assert [one.secret for one in ours(bench, "acme")] == [Secrecy.NONE, Secrecy.NONE]


@pytest.mark.parametrize("fault", [reset(), answers(500), answers(503), html()], ids=["reset", "500", "503", "html"])
def test_s2_what_was_not_made_is_made_again(bench, fault):
    """S2: the list shows that nothing came of it, so it is tried again, once made."""
    shop, pay = add_shop(bench), add_stripe(bench)
    for name in ("acme", "pay"):
        bench.faults[name].add(fault, **MAKING)
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("missing", "created", *SHOP_TOPICS, *TOPICS), 0)
    assert (hooks(shop), len(endpoints(pay))) == (sorted(SHOP_TOPICS), 1)


def test_s2_a_request_that_is_still_at_work_is_asked_again_later(bench):
    """S2, S4: 409 while the first request is being carried out: what it made counts once its secret is known."""
    pay = add_stripe(bench)
    bench.faults["pay"].add(answer_lost(), **MAKING)
    bench.faults["pay"].add(answers(409), nth=2, **MAKING)
    found, report = check(bench)
    assert (found, report.exit_code, kept(bench)) == (rows("missing", "reported", *TOPICS), 4, {})
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("ok", "none", *TOPICS), 0)
    assert list(kept(bench).values()) == [one.secret for one in endpoints(pay)]


def test_s2_a_list_that_lags_makes_no_second_one(bench):
    """S2: made, unheard of and not listed yet: the same key brings the first answer, at Stripe never a second one."""
    pay = add_stripe(bench)
    pay.endpoints.lag = 3600.0
    bench.faults["pay"].add(answer_lost(), **MAKING)
    check(bench)
    (endpoint,) = endpoints(pay)
    assert list(kept(bench).values()) == [endpoint.secret]


def test_s2_an_attempt_that_is_not_listed_yet_is_not_given_up(bench):
    """S2, S4: killed, and the list lags: the next run forgets nothing, and the one after has the one endpoint."""
    pay = add_stripe(bench)
    pay.endpoints.lag = 600.0

    class Killed(BaseException):
        """As a SIGKILL: nothing of ours catches it."""

    def kill():
        raise Killed

    with at_failpoint("subscription.made", kill), pytest.raises(Killed):
        check(bench)
    (first,) = ours(bench)
    bench.clock.advance(120)
    bench.faults["pay"].add(answers(503), times=0, **MAKING)
    check(bench)
    assert first.key in [one.key for one in ours(bench)]
    bench.faults["pay"].clear()
    bench.clock.advance(1200)
    check(bench)
    made = {one.id: one for one in ours(bench) if one.id}
    assert endpoints(pay)[0].id in made
    assert kept(bench)[endpoints(pay)[0].id] == endpoints(pay)[0].secret


def test_s2_what_another_made_meanwhile_counts(bench):
    """422 `has already been taken`: it is listed again and treated as there, and not recorded as ours."""
    shop = add_shop(bench)

    def first(request, handle):
        shop.subscribe(SHOP_TOPICS[0], "https://hooks.example/acme")
        return handle(request)

    bench.faults["acme"].add(first, **MAKING)
    found, report = check(bench)
    assert (found, report.exit_code) == ([(SHOP_TOPICS[0], "ok", "none"), (SHOP_TOPICS[1], "missing", "created")], 0)
    assert hooks(shop) == sorted(SHOP_TOPICS)
    assert [one.topics for one in ours(bench, "acme")] == [(SHOP_TOPICS[1],)]


@pytest.mark.parametrize("status", [400, 401])
def test_s2_a_refusal_after_a_lost_answer_forgets_nothing(bench, status):
    """S4: made, its answer lost, and asking again refused: what sends to us is not good before its secret is known."""
    pay = add_stripe(bench)
    bench.faults["pay"].add(answer_lost(), **MAKING)
    bench.faults["pay"].add(answers(status), nth=2, **MAKING)
    _, report = check(bench)
    assert (report.exit_code, kept(bench)) == (4, {})
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("ok", "none", *TOPICS), 0)
    assert list(kept(bench).values()) == [one.secret for one in endpoints(pay)]


def test_s2_nobody_ever_answers(bench):
    """S2: a provider that does not answer is asked twice; the next run gets the secret of the one that was made."""
    pay = add_stripe(bench)
    rule = bench.faults["pay"].add(answer_lost(), times=0, **MAKING)
    _, report = check(bench)
    assert (report.exit_code, rule.happened) == (4, 2)
    bench.faults["pay"].clear()
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("ok", "none", *TOPICS), 0)
    assert list(kept(bench).values()) == [one.secret for one in endpoints(pay)]
    assert {one.source for one in report.streams} == {"pay"}, "what was lost meanwhile is looked for"


def test_s4_a_secret_that_cannot_be_had_counts_for_nothing(bench):
    """S4: Stripe answers 500 under that key for ever: the endpoint is not good, another one with a known secret is."""
    pay = add_stripe(bench)
    pay.done_badly = 1
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("missing", "reported", *TOPICS), 4)
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("missing", "created", *TOPICS), 0)
    assert len(endpoints(pay)) == 2
    (secret,) = kept(bench).values()
    assert secret in [one.secret for one in endpoints(pay)]
    assert sorted(one.secret for one in ours(bench)) == [Secrecy.NONE, Secrecy.KEPT], "the one is still asked about"
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("duplicate", "reported", *TOPICS), 3)
    check(bench, prune=True)
    assert [one.secret for one in endpoints(pay)] == [secret]
    assert check(bench)[0] == rows("ok", "none", *TOPICS)


def test_s4_endpoints_that_are_good_for_nothing_do_not_pile_up(bench):
    """S4: while every making ends so, two are made and then none; with --prune they go before another is made."""
    pay = add_stripe(bench)
    pay.done_badly = 10
    for _ in range(4):
        found, report = check(bench)
        assert (found, report.exit_code) == (rows("missing", "reported", *TOPICS), 4)
    assert len(endpoints(pay)) == 2
    assert "--prune" in report.errors[0]
    pay.done_badly = 0
    found, report = check(bench, prune=True)
    assert (found, report.exit_code, len(endpoints(pay))) == (rows("missing", "created", *TOPICS), 0, 1)


def test_s4_our_receiver_accepts_the_new_secret(bench, place):
    """S4: what the new endpoint sends is verified at once beside the configured secret, wherever it is kept."""
    pay = add_stripe(bench)
    pay.create_payment_intent()
    check(bench)
    pay.succeed(pay.create_payment_intent())
    assert received(bench, pay) == [200]
    assert endpoints(pay)[0].secret not in (bench.folder / "schedules.yaml").read_text()


def test_s4_it_is_kept_encrypted_or_where_nobody_else_reads(bench, place):
    """X1: in the ledger only as what $RECONCILE_KEY opens; else in a file of mode 0600; nowhere else at all."""
    pay = add_stripe(bench)
    _, report = check(bench)
    secret = endpoints(pay)[0].secret
    holding = [path.name for path in bench.folder.iterdir() if secret.encode() in path.read_bytes()]
    if place == "ledger":
        assert holding == []
    else:
        assert holding == ["ledger.db.pay.secrets"]
        assert stat.S_IMODE((bench.folder / holding[0]).stat().st_mode) == 0o600
    assert secret not in json.dumps(report.as_json())
    assert not [summary for summary in told(bench) if secret in summary]
    assert any("new signing secret" in summary for summary in told(bench))
    assert any("new signing secret" in note for note in report.notes)


def test_s4_nothing_is_made_whose_secret_could_not_be_kept(bench):
    """S4: Stripe shows it once: where no file can be written nothing is asked for. A shop has none, and is mended."""
    fake, shop = add_stripe(bench), add_shop(bench)
    (bench.folder / "ledger.db.pay.secrets.new").mkdir()  # as good as a folder that is read-only, also for root
    found, report = check(bench)
    assert endpoints(fake) == []
    assert mutations(fake) == []
    assert hooks(shop) == sorted(SHOP_TOPICS)
    assert rows("missing", "reported", *TOPICS) == [row for row in found if row[0] in TOPICS]
    assert report.exit_code == 4
    assert "set $RECONCILE_KEY, which keeps secrets in the ledger, or let the file be written" in told(bench)[0]
    bench.env[VARIABLE] = KEY
    assert check(bench)[1].exit_code in (0, 3)
    assert len(endpoints(fake)) == 1
    assert len(kept(bench)) == 1


@pytest.mark.parametrize("point", ["subscription.asked", "subscription.made", "subscription.recorded"])
def test_s4_a_crash_loses_no_secret(bench, place, point):
    """S4, L3: killed before the answer was kept, or after: the next run has the one endpoint and its secret."""
    pay = add_stripe(bench)

    class Killed(BaseException):
        """As a SIGKILL: nothing of ours catches it."""

    def kill():
        raise Killed

    with at_failpoint(point, kill), pytest.raises(Killed):
        check(bench)
    bench.clock.advance(120)
    _, report = check(bench)
    (endpoint,) = endpoints(pay)
    assert (list(kept(bench).values()), report.exit_code) == ([endpoint.secret], 0)
    assert [one.id for one in ours(bench) if one.id] == [endpoint.id]
    assert check(bench)[0] == rows("ok", "none", *TOPICS)


@pytest.mark.parametrize("fault", [answers(503), answers(409), truncated_silently()])
def test_s4_a_secret_that_cannot_be_asked_for_now_is_asked_for_later(bench, fault):
    """S4: killed before the answer was kept, and the provider has trouble afterwards: within a day nothing is lost."""
    pay = add_stripe(bench)
    bench.faults["pay"].add(answer_lost(), times=2, **MAKING)
    check(bench)
    bench.faults["pay"].clear()
    bench.faults["pay"].add(fault, **MAKING)
    check(bench)
    bench.clock.advance(600)
    check(bench)
    assert sorted(kept(bench).values()) == sorted(one.secret for one in endpoints(pay))


def test_s4_a_key_that_is_not_remembered_any_more_is_not_asked(bench):
    """After a day the same key would make a second endpoint: then what was made is lost, and said to be."""
    pay = add_stripe(bench)
    bench.faults["pay"].add(answer_lost(), times=0, **MAKING)
    check(bench)
    bench.faults["pay"].clear()
    made = len(endpoints(pay))
    bench.clock.advance(timedelta(hours=25).total_seconds())
    check(bench)
    assert (made, len(endpoints(pay))) == (1, 2)
    assert list(kept(bench).values()) == [endpoints(pay)[1].secret]


def test_s4_a_secret_nobody_can_open_is_an_incident(bench):
    """Another $RECONCILE_KEY than the one it was kept with: said with its remedy; the receiver goes on without it."""
    bench.env[VARIABLE] = KEY
    pay = add_stripe(bench)
    check(bench)
    bench.env[VARIABLE] = OTHER_KEY
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("ok", "none", *TOPICS), 3)
    assert "$RECONCILE_KEY" in told(bench, open_only=True)[0]
    assert kept(bench) == {}
    bench.env[VARIABLE] = f"{OTHER_KEY}, {KEY}"
    assert check(bench)[1].exit_code == 0
    assert list(kept(bench).values()) == [endpoints(pay)[0].secret]


def test_the_secret_of_a_deleted_endpoint_is_let_go_after_a_week(bench, place):
    """What is on its way may still come; a week later nobody signs with it any more."""
    pay = add_stripe(bench)
    check(bench)
    (first,) = endpoints(pay)
    pay.endpoints.remove(first.id)
    check(bench)
    assert set(kept(bench)) == {first.id, endpoints(pay)[0].id}
    bench.clock.advance(timedelta(days=6).total_seconds())
    check(bench)
    assert len(kept(bench)) == 2
    bench.clock.advance(timedelta(days=2).total_seconds())
    check(bench)
    assert list(kept(bench)) == [one.id for one in endpoints(pay)]
    assert [one.id for one in ours(bench)] == [one.id for one in endpoints(pay)]


def test_a_pruned_endpoint_takes_its_secret_along(bench, place):
    """What nobody sends with any more is accepted no longer."""
    pay = add_stripe(bench)
    require(bench, "2026-07-29.dahlia")
    check(bench)
    bench.text = bench.text.replace("2026-07-29.dahlia", "2026-10-28.endive")
    check(bench)
    assert len(kept(bench)) == 2
    check(bench, prune=True)
    assert list(kept(bench)) == [one.id for one in endpoints(pay)]
