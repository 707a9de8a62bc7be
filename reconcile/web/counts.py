"""What this process counts, for Prometheus: no ids in labels, and no more topics than are configured."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from reconcile.topics import Topics

#: Upper bounds of the classes of a handler's time, in seconds.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
#: What a topic that is not configured is counted under.
OTHER = "other"

_Labels = tuple[str, ...]


class _Times:
    """How often something took how long."""

    def __init__(self) -> None:
        self.classes = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.classes[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """The counts added up, as Prometheus has them."""
        bounds = [*map(str, BUCKETS), "+Inf"]
        sums = [sum(self.classes[: place + 1]) for place in range(len(self.classes))]
        return list(zip(bounds, sums, strict=True))


class Counts:
    """A `Metrics` that remembers. `topics` gives the configured topics of a source, None if it has none."""

    def __init__(self, topics: Callable[[str], Topics | None]) -> None:
        self._topics = topics
        self._lock = threading.Lock()
        self._received: Counter[_Labels] = Counter()
        self._refused: Counter[_Labels] = Counter()
        self._calls: Counter[_Labels] = Counter()
        self._times: dict[_Labels, _Times] = {}
        self._requests: Counter[_Labels] = Counter()
        self._waited: dict[_Labels, float] = {}
        self._skew: dict[_Labels, float] = {}

    def received(self, source: str, topic: str, how: str) -> None:
        """A delivery was stored."""
        with self._lock:
            self._received[source, self._known(source, topic), how] += 1

    def refused(self, source: str, reason: str, topic: str) -> None:
        """A delivery was not."""
        with self._lock:
            self._refused[source, self._known(source, topic) if topic else "", reason] += 1

    def called(self, source: str, topic: str, outcome: str, seconds: float) -> None:
        """A handler was called."""
        with self._lock:
            known = self._known(source, topic)
            self._calls[source, known, outcome] += 1
            if outcome != "released":  # given back, not answered: it took no time of its own
                self._times.setdefault((source, known), _Times()).add(max(0.0, seconds))

    def requested(self, source: str, code: str) -> None:
        """A provider was asked."""
        with self._lock:
            self._requests[source, code] += 1

    def waited(self, source: str, seconds: float) -> None:
        """A request waited."""
        with self._lock:
            self._waited[source,] = self._waited.get((source,), 0.0) + seconds

    def skewed(self, source: str, seconds: float) -> None:
        """The clocks differ."""
        with self._lock:
            self._skew[source,] = seconds

    def collect(self) -> Iterator[Metric]:
        """Everything counted so far."""
        with self._lock:
            yield _counter(
                "reconcile_webhooks", "Deliveries stored.", ("source", "topic", "result"), dict(self._received)
            )
            yield _counter(
                "reconcile_webhooks_rejected", "Deliveries refused.", ("source", "topic", "reason"), dict(self._refused)
            )
            yield _counter(
                "reconcile_handler_calls",
                "Handler calls by what came of them.",
                ("source", "topic", "outcome"),
                dict(self._calls),
            )
            yield _counter(
                "reconcile_provider_requests", "Requests to providers.", ("source", "code"), dict(self._requests)
            )
            yield _counter(
                "reconcile_rate_limit_wait_seconds", "Waited for rate limits.", ("source",), dict(self._waited)
            )
            yield _counter(
                "reconcile_duplicates", "What came, or may have taken effect, twice.", ("kind",), self._duplicates()
            )
            yield self._skews()
            yield self._durations()

    def _known(self, source: str, topic: str) -> str:
        """The configured name that `topic` falls under: a label of the configuration's, never of a sender's."""
        topics = self._topics(source)
        patterns = topics.patterns(topic) if topics is not None else []
        return patterns[0] if patterns else OTHER

    def _duplicates(self) -> dict[_Labels, float]:
        deliveries = sum(number for (*_, how), number in self._received.items() if how in ("duplicate", "absorbed"))
        effects = sum(number for (*_, outcome), number in self._calls.items() if outcome == "lost")
        return {("delivery",): deliveries, ("effect",): effects}

    def _skews(self) -> Metric:
        family = GaugeMetricFamily(
            "reconcile_clock_skew_seconds", "How far our clock is ahead of the provider's.", labels=("source",)
        )
        for labels, seconds in self._skew.items():
            family.add_metric(labels, seconds)
        return family

    def _durations(self) -> Metric:
        name, text = "reconcile_handler_duration_seconds", "How long handlers took."
        family = HistogramMetricFamily(name, text, labels=("source", "topic"))
        for labels, times in self._times.items():
            family.add_metric(labels, times.buckets(), times.total)
        return family


def _counter(name: str, text: str, labels: _Labels, values: dict[_Labels, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for found, value in values.items():
        family.add_metric(found, value)
    return family
