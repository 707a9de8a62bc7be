"""What the status says right after a run, with nothing in between."""

from __future__ import annotations

from datetime import timedelta

from support.running import add_stripe

from reconcile.operator import status


def test_what_no_run_can_read_is_no_hole(bench):
    """Behind an event log a list is read up to where the log is relied on, and the log from there: no run can read
    more, so the status calls nothing else a stretch to read (C11).
    """
    add_stripe(bench, "payment_intent.succeeded")
    bench.run(since=timedelta(days=40))
    (pay,) = status.read(bench.config(), bench.ledger, bench.clock).sources
    assert {stream.stream: len(stream.holes) for stream in pay.streams} == {"events": 1, "payment_intents": 0}
    assert max(stream.lag for stream in pay.streams) < timedelta(seconds=10)
    log = next(stream for stream in pay.streams if stream.stream == "events")
    assert timedelta(days=29, hours=23) < bench.clock.now() - log.start < timedelta(days=30)
    assert log.bar.startswith("█")
