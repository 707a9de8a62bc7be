"""What providers publish about recovering lost webhooks, sentence by sentence, each as something this program does.

Stripe: docs.stripe.com/webhooks/process-undelivered-events.
Shopify: shopify.dev/docs/apps/build/webhooks/best-practices.
The sentences are told here in words of our own, in the order of their pages.
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from support.pending import deliver
from support.running import Bench, at_failpoint, stream_of
from support.subscribing import SHOP_TOPICS, SHOP_URL, TOPICS, add_shop, add_stripe, hooks, mutations

DAY = 86_400


@pytest.fixture
def bench(empty):
    """A shop and a Stripe account, both known for a day."""
    empty.shop, empty.stripe = add_shop(empty), add_stripe(empty)
    empty.run("backfill", since=timedelta(hours=1))
    empty.clock.advance(DAY)
    return empty


def paid(bench: Bench, number: int = 1) -> list[str]:
    """So many charges, a minute apart, nobody was told of."""
    ids = []
    for _ in range(number):
        intent = bench.stripe.create_payment_intent(1000)
        ids.append(bench.stripe.succeed(intent))
        bench.clock.advance(60)
    bench.clock.advance(600)
    return ids


class TestStripe:
    """Processing undelivered events by hand."""

    def test_what_stripe_would_send_again_for_three_days_is_processed_now(self, bench):
        """Nobody needs to wait for the automatic retries: one run processes what they would bring."""
        charge = paid(bench)[0]
        bench.run("backfill", "dispatch", since=None)
        assert bench.handled("pay", "charge.succeeded") == {charge: 1}

    def test_the_list_begins_before_the_outage_and_asks_for_the_types_wanted(self, bench):
        """Events are listed from before the stretch that nobody heard of, and only those of subscribed types."""
        paid(bench)
        bench.stripe.requests.clear()
        bench.run("backfill", since=None)
        asked = [seen for seen in bench.stripe.requests if seen.path == "/v1/events"]
        wanted = {value for seen in asked for name, value in parse_qsl(seen.query) if name.startswith("types[")}
        assert wanted == set(TOPICS)
        assert any(name in ("ending_before", "created[gte]") for seen in asked for name, _ in parse_qsl(seen.query))

    def test_what_counts_as_delivered_is_found_all_the_same(self, bench):
        """`delivery_success=false` leaves out what no endpoint was owed; here each event is held against the record."""
        assert not bench.stripe.endpoints.of(bench.stripe.main_account)  # so Stripe calls all of it delivered
        charge = paid(bench)[0]
        bench.run("backfill", "dispatch", since=None)
        assert bench.handled("pay") == {charge: 1}

    def test_only_thirty_days_are_listed_and_what_is_older_is_said(self, bench):
        """What the log forgot is not passed over: lists are read for it, and what they cannot show is a gap."""
        bench.clock.advance(40 * DAY)
        report = bench.run("backfill", since=None)
        assert {one.stream for one in report.streams if one.source == "pay"} > {"events"}
        assert any(gap.kind == "beyond_retention" and gap.source == "pay" for gap in report.gaps)

    def test_ten_by_default_become_all_of_them(self, bench):
        """Every page is fetched, however many there are."""
        charges = paid(bench, 130)
        bench.run("backfill", "dispatch", since=None, force=True)
        assert bench.handled("pay", "charge.succeeded") == dict.fromkeys(charges, 1)

    def test_they_are_processed_in_the_order_they_were_created(self, bench):
        """A subject's events reach the handler oldest first."""
        charge = paid(bench)[0]
        bench.stripe.refund(charge, 100)
        bench.clock.advance(600)
        bench.run("backfill", "dispatch", since=None)
        told = [topic for source, topic, id_ in bench.effects if (source, id_) == ("pay", charge)]
        assert told == ["charge.succeeded", "charge.refunded"]

    def test_running_it_twice_in_a_row_processes_nothing_twice(self, bench):
        """The first way to process an event twice."""
        charge = paid(bench)[0]
        for _ in range(2):
            bench.run("backfill", "dispatch", since=timedelta(hours=12), recheck=True)
        assert bench.handled("pay") == {charge: 1}

    def test_a_resend_in_the_midst_of_it_processes_nothing_twice(self, bench):
        """The second way: the automatic retry arrives while the run has the same event in its hands."""
        charge = paid(bench)[0]
        with at_failpoint("page.committed", lambda: deliver(bench, "pay", bench.stripe, "charge.succeeded", charge)):
            bench.run("backfill", "dispatch", since=None)
        assert bench.handled("pay") == {charge: 1}

    def test_an_event_is_marked_before_and_after(self, bench):
        """Processing and processed are states of its row: claimed, then handled."""
        paid(bench)
        bench.run("backfill", since=None)
        seen = []
        with at_failpoint("dispatch.claimed", lambda: seen.extend(bench.recorded("pay"))):
            bench.run("dispatch", since=None)
        assert [state for _, _, state in seen] == ["claimed"]
        assert [state for _, _, state in bench.recorded("pay")] == ["handled"]

    def test_a_later_retry_of_what_was_processed_is_ignored_and_answered_well(self, bench):
        """Stripe goes on sending it, for it knows nothing of us: 200 ends that, and the handler is left alone."""
        charge = paid(bench)[0]
        bench.run("backfill", "dispatch", since=None)
        assert deliver(bench, "pay", bench.stripe, "charge.succeeded", charge) == 200
        bench.run("dispatch", since=None)
        assert bench.handled("pay") == {charge: 1}


class TestShopify:
    """Best practices: recovery, idempotency, reconciliation jobs."""

    def test_a_webhook_a_day_late_is_known_for_what_it_is(self, bench):
        """An old state that arrives after a newer one was handled is marked late, not taken for news."""
        order = bench.shop.create_order()
        deliver(bench, "acme", bench.shop, "orders/create", order)
        bench.shop.update_order(order, note="first")
        first = bench.shop.truth[-1]
        bench.clock.advance(60)
        bench.shop.update_order(order, note="second")
        bench.clock.advance(DAY)
        bench.run("backfill", "dispatch", since=None)
        told = len(bench.effects)
        assert deliver(bench, "acme", bench.shop, first.topic, order) == 200
        bench.run("dispatch", since=None)
        assert len(bench.effects) == told

    def test_after_downtime_only_lacking_subscriptions_are_made(self, bench):
        """All that exist are fetched; one that is there is left alone, one that is gone is made."""
        bench.shop.subscribe(SHOP_TOPICS[0], SHOP_URL)
        bench.run("subscriptions", since=None)
        assert hooks(bench.shop) == sorted(SHOP_TOPICS)
        assert mutations(bench.shop) == [("POST", "webhooks.json")]

    def test_what_was_missed_is_fetched_and_fed_to_the_same_handler(self, bench):
        """The outage's data goes through the code that handles webhooks."""
        order = bench.shop.create_order()
        bench.clock.advance(600)
        bench.run("backfill", "dispatch", since=None)
        assert bench.handled("acme", "orders/create") == {str(order): 1}

    def test_the_same_webhook_twice_is_handled_once(self, bench):
        """Duplicates are answered 200 and change nothing."""
        order = bench.shop.create_order()
        for _ in range(2):
            assert deliver(bench, "acme", bench.shop, "orders/create", order) == 200
        bench.run("dispatch", since=None)
        assert bench.handled("acme") == {str(order): 1}

    def test_webhooks_are_not_relied_upon_alone(self, bench):
        """Some arrive, some never do: in the end each is handled once."""
        orders = [bench.shop.create_order() for _ in range(6)]
        for order in orders[::2]:
            deliver(bench, "acme", bench.shop, "orders/create", order)
        bench.clock.advance(600)
        bench.run("backfill", "dispatch", since=None)
        assert bench.handled("acme", "orders/create") == {str(order): 1 for order in orders}

    def test_what_changed_since_the_job_last_ran_is_asked_for_by_its_time(self, bench):
        """A run asks for what was updated since the last one proved everything, not for all there is."""
        bench.run("backfill", since=None)
        bench.shop.requests.clear()
        bench.clock.advance(DAY)
        report = bench.run("backfill", since=None)
        asked = [dict(parse_qsl(seen.query)) for seen in bench.shop.requests if seen.path.endswith("/orders.json")]
        assert asked
        assert all("updated_at_min" in params and "updated_at_max" in params for params in asked)
        assert stream_of(report, "acme").covered
