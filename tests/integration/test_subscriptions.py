"""The subscriptions job against honest providers: S1, S3, S5 and S6, on a clock that only moves when told to."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta

import pytest
from support.running import a_bench
from support.subscribing import (
    OTHERS,
    PAY_URL,
    SHOP_TOPICS,
    SHOP_URL,
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
from reconcile.ledger import leases
from reconcile.ledger.process import Holder
from reconcile.sandbox.wire_faults import answers, html, unreachable

OLD, NEW = "2026-07-29.dahlia", "2026-10-28.endive"


def test_s1_every_topic_ends_with_one_enabled_subscription(bench):
    """S1: from nothing, each (topic, address) has exactly one; the second check finds that and asks for nothing."""
    shop, pay = add_shop(bench), add_stripe(bench)
    found, report = check(bench)
    assert found == rows("missing", "created", *SHOP_TOPICS, *TOPICS)
    assert report.exit_code == 0
    assert hooks(shop) == sorted(SHOP_TOPICS)
    assert [(set(one.enabled_events), one.enabled) for one in endpoints(pay)] == [(set(TOPICS), True)]
    before = len(mutations(shop)), len(mutations(pay))
    again, report = check(bench)
    assert again == rows("ok", "none", *SHOP_TOPICS, *TOPICS)
    assert (len(mutations(shop)), len(mutations(pay)), report.exit_code) == (*before, 0)
    assert report.streams == []


def test_s1_on_every_engine(databases, tmp_path):
    """S1, S3: the same whatever the ledger is kept in, with a key in the environment: made, replaced, pruned, told."""
    with a_bench(databases, tmp_path) as bench:
        bench.env[VARIABLE] = b64encode(b"k" * 32).decode()
        pay = add_stripe(bench)
        require(bench, OLD)
        assert check(bench)[0] == rows("missing", "created", *TOPICS)
        bench.text = bench.text.replace(OLD, NEW)
        assert check(bench, prune=True)[0] == rows("wrong_version", "created", *TOPICS)
        assert list(kept(bench).values()) == [one.secret for one in endpoints(pay)]
        assert [one.id for one in ours(bench)] == [one.id for one in endpoints(pay)]
        assert len(told(bench)) == 2
        assert check(bench)[0] == rows("ok", "none", *TOPICS)


def test_s6_a_disabled_endpoint_is_enabled(bench):
    """S6: present but disabled is as good as missing; Stripe wants `disabled=false`."""
    pay = add_stripe(bench)
    endpoint = pay.subscribe(PAY_URL, [*TOPICS, "payout.paid"])
    endpoint.enabled = False
    found, _ = check(bench)
    assert found == rows("disabled", "enabled", *TOPICS)
    assert endpoint.enabled
    assert set(endpoint.enabled_events) == {*TOPICS, "payout.paid"}
    assert check(bench)[0] == rows("ok", "none", *TOPICS)


def test_s6_lacking_topics_are_added_and_nobodys_are_taken(bench):
    """S6, S3: what others subscribed to stays, also what they add while we look."""
    pay = add_stripe(bench)
    endpoint = pay.subscribe(PAY_URL, ["payout.paid", TOPICS[0]])

    def meanwhile(request, handle):
        answer = handle(request)
        endpoint.enabled_events = (*endpoint.enabled_events, "payout.failed")
        return answer

    bench.faults["pay"].add(meanwhile, path=r"/webhook_endpoints\?")
    found, _ = check(bench)
    assert found == [(TOPICS[0], "ok", "none"), (TOPICS[1], "wrong_topics", "updated")]
    assert set(endpoint.enabled_events) == {*TOPICS, "payout.paid", "payout.failed"}


def test_ours_at_another_address_is_moved(bench):
    """One that is recorded as ours and sends elsewhere now is brought back, with its secret."""
    shop, pay = add_shop(bench), add_stripe(bench)
    check(bench)
    (endpoint,) = endpoints(pay)
    endpoint.url = OTHERS
    next(iter(shop.hooks)).address = OTHERS
    found, _ = check(bench)
    assert sorted(found) == sorted(
        [
            (SHOP_TOPICS[0], "wrong_url", "updated"),
            (SHOP_TOPICS[1], "ok", "none"),
            *rows("wrong_url", "updated", *TOPICS),
        ]
    )
    assert (endpoint.url, hooks(shop), hooks(shop, OTHERS)) == (PAY_URL, sorted(SHOP_TOPICS), [])


def test_a_new_address_in_the_configuration_moves_ours(bench):
    """The same from the other side: no second subscription, and nothing of the first is lost."""
    shop, pay = add_shop(bench), add_stripe(bench)
    check(bench)
    bench.text = bench.text.replace("https://hooks.example/", "https://hooks2.example/")
    found, _ = check(bench)
    assert found == rows("wrong_url", "updated", *SHOP_TOPICS, *TOPICS)
    assert hooks(shop, "https://hooks2.example/acme") == sorted(SHOP_TOPICS)
    assert len(endpoints(pay, "https://hooks2.example/pay")) == len(pay.endpoints.of(pay.main_account)) == 1


def test_s3_foreign_ones_are_never_touched(bench):
    """S3: what sends elsewhere and is not recorded as ours stays as it is, also with --prune."""
    shop, pay = add_shop(bench), add_stripe(bench)
    theirs = shop.subscribe(SHOP_TOPICS[0], OTHERS), pay.subscribe(OTHERS, ["*"])
    theirs[1].enabled = False
    same_address = pay.subscribe(PAY_URL, [*TOPICS])
    check(bench)
    check(bench, prune=True)
    assert hooks(shop, OTHERS) == [SHOP_TOPICS[0]]
    assert [(one.enabled, one.enabled_events) for one in endpoints(pay, OTHERS)] == [(False, ("*",))]
    assert endpoints(pay) == [same_address]
    assert ours(bench) == []


def test_a_queues_address_is_no_url_of_ours(bench):
    """Shopify also delivers to queues: their addresses are compared as text and left alone."""
    shop = add_shop(bench)
    shop.subscribe(SHOP_TOPICS[0], "arn:aws:events:us-east-1::event-source/aws.partner/shopify.com/1/acme")
    shop.subscribe(SHOP_TOPICS[0], "pubsub://acme:orders")
    assert check(bench)[0] == rows("missing", "created", *SHOP_TOPICS)


@pytest.mark.parametrize("prune", [False, True])
def test_another_version_takes_another_endpoint(bench, prune):
    """S6: Stripe fixes the version when an endpoint is made, so another one is made; ours goes with --prune only."""
    pay = add_stripe(bench)
    require(bench, OLD)
    check(bench)
    bench.text = bench.text.replace(OLD, NEW)
    found, report = check(bench, prune=prune)
    assert found == rows("wrong_version", "created", *TOPICS)
    assert sorted(one.api_version for one in endpoints(pay)) == ([NEW] if prune else [OLD, NEW])
    again, report = check(bench)
    if prune:
        assert (again, report.exit_code) == (rows("ok", "none", *TOPICS), 0)
    else:
        assert (again, report.exit_code) == (rows("duplicate", "reported", *TOPICS), 3)
        check(bench, prune=True)
        assert [one.api_version for one in endpoints(pay)] == [NEW]


def test_what_is_still_needed_is_not_pruned_when_its_successor_could_not_be_made(bench):
    """S1, S3: with --prune too, the old endpoint stays as long as nothing has taken its place."""
    pay = add_stripe(bench)
    require(bench, OLD)
    check(bench)
    bench.text = bench.text.replace(OLD, NEW)
    bench.faults["pay"].add(answers(400), method="POST", path="webhook", times=0)
    _, report = check(bench, prune=True)
    assert ([one.api_version for one in endpoints(pay)], report.exit_code) == ([OLD], 4)


def test_an_accepted_version_need_not_be_the_wanted_one(bench):
    """Any of the versions the handler understands will do, and so does one that is not said."""
    pay = add_stripe(bench)
    require(bench, NEW, OLD)
    endpoint = pay.subscribe(PAY_URL, TOPICS, api_version=OLD)
    assert check(bench)[0] == rows("ok", "none", *TOPICS)
    endpoint.api_version = None
    assert check(bench)[0] == rows("ok", "none", *TOPICS)


def test_a_shopify_version_is_made_anew_in_its_place_with_prune(bench):
    """Shopify lets there be one only: ours is deleted and made anew when allowed to; else a person is told."""
    shop = add_shop(bench)
    check(bench)
    for hook in shop.hooks:
        hook.api_version = "2026-07"
    require(bench, "2026-10")
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("wrong_version", "reported", *SHOP_TOPICS), 3)
    assert "--prune makes it anew" in told(bench, open_only=True)[0]
    found, report = check(bench, prune=True)
    assert (found, report.exit_code) == (rows("wrong_version", "created", *SHOP_TOPICS), 0)
    assert {hook.api_version for hook in shop.hooks} == {"2026-10"}
    assert told(bench, open_only=True) == []


def test_a_version_the_app_insists_on_is_for_a_person(bench):
    """Where the app's own settings decide, making it anew changes nothing, and that is said."""
    add_shop(bench, hook_version="2026-07")
    require(bench, "2026-10")
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("wrong_version", "reported", *SHOP_TOPICS), 3)
    assert "app's own settings" in told(bench, open_only=True)[0]


def test_another_format_is_changed(bench):
    """A handler of JSON cannot read XML: as good as missing (S6)."""
    shop = add_shop(bench)
    check(bench)
    hook = next(iter(shop.hooks))
    hook.format = "xml"
    assert (hook.topic, "wrong_version", "updated") in check(bench)[0]
    assert hook.format == "json"


def test_duplicates_are_reported(bench):
    """S1: two that send the same are an incident until one is gone, and nobody's is deleted."""
    pay = add_stripe(bench)
    pay.subscribe(PAY_URL, TOPICS)
    second = pay.subscribe(PAY_URL, ["*"])
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("duplicate", "reported", *TOPICS), 3)
    assert len(told(bench, open_only=True)) == 1
    pay.endpoints.remove(second.id)
    found, report = check(bench)
    assert (found, report.exit_code, told(bench, open_only=True)) == (rows("ok", "none", *TOPICS), 0, [])


def test_s5_a_dry_run_changes_nothing(bench):
    """S5: whatever is wrong, a dry run sends no mutating request, writes nothing, and says what would be done."""
    shop, pay = add_shop(bench), add_stripe(bench)
    pay.subscribe(PAY_URL, [TOPICS[0]]).enabled = False
    shop.subscribe(SHOP_TOPICS[1], SHOP_URL)
    found, report = check(bench, dry_run=True)
    assert found == [
        (SHOP_TOPICS[0], "missing", "created"),
        (SHOP_TOPICS[1], "ok", "none"),
        (TOPICS[0], "disabled", "enabled"),
        (TOPICS[1], "wrong_topics", "updated"),
    ]
    assert report.exit_code == 3
    assert mutations(shop) == mutations(pay) == []
    assert ours(bench) == ours(bench, "acme") == told(bench) == []
    assert list(bench.folder.glob("*.secrets")) == []


def test_what_was_lost_is_backfilled_in_the_same_run(bench):
    """A repaired source is read and its events delivered, also when only the subscriptions were asked for."""
    shop, pay = add_shop(bench), add_stripe(bench)
    bench.run(since=timedelta(days=1))
    bench.clock.advance(3600)
    shop.hooks.remove(next(hook.id for hook in shop.hooks if hook.topic == "orders/create"))
    lost = shop.create_order()
    bench.clock.advance(600)
    _, report = check(bench)
    assert {one.source for one in report.streams} == {"acme"}
    assert bench.handled("acme", "orders/create") == {str(lost): 1}
    assert report.exit_code == 0
    assert "repaired" not in report.as_json()
    _, report = check(bench)
    assert report.streams == []
    assert mutations(pay)


def test_what_is_read_before_and_after_a_repair_is_counted_once_each(bench):
    """C2: in the order `backfill subscriptions` a stream is read twice; its items add up, and are told in one row."""
    shop = add_shop(bench)
    for _ in range(3):
        shop.create_order()
    bench.clock.advance(600)
    report = bench.run("backfill", "subscriptions")
    (stream,) = report.streams
    assert (stream.listed, stream.backfilled, stream.events) == (6, 3, 3)
    assert stream.already_handled + stream.pending == 3


def test_a_default_run_backfills_once(bench):
    """Subscriptions come first in a run, so its own backfill is the one that is needed."""
    shop = add_shop(bench)
    bench.run(since=timedelta(days=1))
    for hook in list(shop.hooks):
        shop.hooks.remove(hook.id)
    bench.clock.advance(600)
    report = bench.run(since=None)
    assert [one.stream for one in report.streams] == ["orders"]
    assert {row["action"] for row in report.subscriptions} == {"created"}


@pytest.mark.parametrize(
    "fault", [answers(403), unreachable(), html(), answers(500)], ids=["403", "down", "html", "500"]
)
def test_one_broken_source_stops_no_other(bench, fault):
    """What a provider does not answer is said of its source alone; nothing is taken for missing (C9)."""
    shop, pay = add_shop(bench), add_stripe(bench)
    bench.faults["acme"].add(fault, times=0)
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("missing", "created", *TOPICS), 4)
    assert len(report.errors) == 1
    assert report.errors[0].startswith("acme: ")
    assert (hooks(shop), len(endpoints(pay))) == ([], 1)


def test_one_refused_topic_stops_no_other(bench):
    """A topic the app may not have is reported and told; the others are made."""
    shop = add_shop(bench)
    bench.text = bench.text.replace("orders/create,", "orders/create, orders/unknown,")
    found, report = check(bench)
    assert ("orders/unknown", "missing", "reported") in found
    assert hooks(shop) == sorted(SHOP_TOPICS)
    assert report.exit_code == 4
    (incident,) = told(bench, open_only=True)
    assert "Invalid topic specified: orders/unknown" in incident


def test_a_full_account_says_so(bench):
    """Stripe allows 16 endpoints of an account: the message tells that, and what to do."""
    pay = add_stripe(bench)
    for number in range(16):
        pay.subscribe(f"{OTHERS}/{number}", ["*"])
    found, report = check(bench)
    assert (found, report.exit_code) == (rows("missing", "reported", *TOPICS), 4)
    assert "16 webhook endpoints" in report.errors[0]
    assert endpoints(pay) == []


def test_another_runner_holds_it(bench):
    """L1: one lease for each source's subscriptions; who comes second is told so and exits 75."""
    add_stripe(bench)
    with bench.ledger.write() as tx:
        leases.acquire(tx, "pay", "subscriptions", Holder.me())
    found, report = check(bench)
    assert (found, report.exit_code) == ([], 75)
    assert "is held by" in report.errors[0]


def test_nothing_to_manage_is_said(bench):
    """A source without an address has nothing to manage, and says so; nothing is asked of its provider."""
    shop = add_shop(bench)
    bench.text = bench.text.replace(f'url: "{SHOP_URL}", ', "")
    found, report = check(bench)
    assert (found, report.exit_code) == ([], 0)
    assert any("webhook.url is not set" in note for note in report.notes)
    assert shop.requests == []


def test_connected_accounts_have_an_endpoint_of_their_own_kind(bench):
    """A source that reads connected accounts makes a `connect` endpoint, and stays content with it."""
    pay = add_stripe(bench, more="accounts: [acct_2]")
    pay.connect("acct_2")
    check(bench)
    assert [one.connect for one in endpoints(pay)] == [True]
    assert check(bench)[0] == rows("ok", "none", *TOPICS)


def test_wildcards_become_what_the_provider_takes(bench):
    """Stripe knows no `charge.*` in an endpoint, and Shopify no wildcard at all."""
    shop, pay = add_shop(bench), add_stripe(bench)
    bench.text = bench.text.replace(", ".join(TOPICS), "'charge.*'").replace(", ".join(SHOP_TOPICS), "'refunds/*'")
    check(bench)
    (endpoint,) = endpoints(pay)
    assert {"charge.succeeded", "charge.dispute.created"} < set(endpoint.enabled_events)
    assert hooks(shop) == ["refunds/create"]
    assert {row[1] for row in check(bench)[0]} == {"ok"}
