"""Which streams a source reads, and which of its topics they show."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reconcile.connector import Facts, StreamFacts, StreamKind
from reconcile.topics import Topics


def wanted_streams(facts: Facts, topics: Topics, named: Sequence[str] | None) -> list[StreamFacts]:
    """The streams a source reads: those it names, else its event log and the lists its topics need."""
    if named is not None:
        return [stream for stream in facts.streams if stream.name in named]
    return [one for one in facts.streams if one.kind is StreamKind.LOG or topics_of(facts, one, topics)]


def topics_of(facts: Facts, stream: StreamFacts, topics: Topics) -> list[str]:
    """The subscribed topics that a list can prove facts of."""
    return [topic.name for topic in facts.topics if topic.stream == stream.name and topic.name in topics]


def is_listed(facts: Facts, name: str, lists: Collection[str]) -> bool:
    """Whether one of `lists` can prove facts of a topic; a wildcard is only listed if all it may mean is."""
    if name.endswith("*"):
        return False
    topic = facts.topic(name)
    return topic.stream in lists and not topic.unrebuildable


def unlisted(facts: Facts, topics: Topics) -> dict[str, str]:
    """The subscribed topics that neither a log nor a list shows, and why: only a live delivery brings them."""
    if any(stream.kind is StreamKind.LOG for stream in facts.streams):
        return {}
    names = topics.exact.union(topic.name for topic in facts.topics if topic.name in topics)
    found = (facts.topic(name) for name in sorted(names))
    return {topic.name: topic.unrebuildable for topic in found if not topic.stream}
