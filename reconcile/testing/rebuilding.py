"""From a listed resource to events that handlers cannot tell from live ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconcile.connector import Rebuilds, Receives, StreamKind
from reconcile.model import Candidate, Description, Occurrence, Snapshot, instant, iso
from reconcile.testing.worlds import Bench, World, has, items_of, lower


class RebuildingContract(Bench):
    """`rebuild` is pure, and says the same as `describe`."""

    def rebuilt(self) -> Iterator[tuple[Any, World, Snapshot, list[Candidate]]]:
        """Every snapshot of every world, and all the facts it proves."""
        for connector, world, facts in self.each():
            if has(connector, Rebuilds) and facts.kind is StreamKind.LIST:
                topics = _topics(connector, world)
                for item in items_of(connector, world, world.window):
                    if isinstance(item, Snapshot):
                        yield connector, world, item, list(connector.rebuild(item, topics))

    def test_lists_prove_something(self) -> None:
        """Some listed resource proves some fact: a rule that never matches would pass every other test here."""
        if has(self.connector(), Rebuilds):
            assert any(facts for *_, facts in self.rebuilt())

    def test_facts_are_of_the_topics_asked_for(self) -> None:
        """Asking for one topic gives that topic's facts alone, and for none, none."""
        for connector, _, item, facts in self.rebuilt():
            for topic in {fact.topic for fact in facts}:
                alone = connector.rebuild(item, frozenset({topic}))
                assert [one.key for one in alone] == [one.key for one in facts if one.topic == topic]
            assert not list(connector.rebuild(item, frozenset()))

    def test_facts_agree_with_the_table(self) -> None:
        """A fact's kind is its topic's, its subject the resource's, its instants aware, its order that of time."""
        for connector, _, item, facts in self.rebuilt():
            for fact in facts:
                assert fact.kind is connector.facts.topic(fact.topic).kind, fact.topic
                assert fact.subject == item.subject, fact.topic
                assert fact.occurred_at.tzinfo is not None, fact.topic
                assert (fact.kind in (Occurrence.DATED, Occurrence.STATE)) == bool(fact.occurrence), fact.topic
            times = [fact.occurred_at for fact in facts]
            assert times == sorted(times)

    def test_keys_are_stable_and_distinct(self) -> None:
        """The same snapshot proves the same facts twice, none of them double, whatever else it was asked."""
        for connector, world, item, facts in self.rebuilt():
            again = [fact.key for fact in connector.rebuild(item, _topics(connector, world))]
            assert again == [fact.key for fact in facts]
            assert len(set(again)) == len(again)

    def test_a_state_is_known_by_its_version(self) -> None:
        """A state's fact carries the snapshot's version, and is told from others by it alone."""
        for _, _, item, facts in self.rebuilt():
            for fact in facts:
                if fact.kind is Occurrence.STATE:
                    assert fact.version == fact.carried == item.version, fact.topic
                    assert fact.occurrence == iso(instant(item.version)), fact.topic

    def test_a_rebuilt_body_describes_itself(self) -> None:
        """`describe` reads from a rebuilt body the very fact it was built for: a live twin is known (H4, H9)."""
        for connector, _, _, facts in self.rebuilt():
            for fact in facts:
                if has(connector, Receives) and not fact.reason:
                    said = connector.describe(fact.topic, fact.body(), {})
                    assert (said.topic, said.key, said.kind) == (fact.topic, fact.key, fact.kind)
                    assert fact.kind is not Occurrence.STATE or said.version == fact.version
                    assert fact.body() == fact.body()

    def test_a_live_delivery_is_the_fact_its_list_proves(self) -> None:
        """What was delivered for a listed resource is found under the same key when it is rebuilt (H4)."""
        proven: dict[str, set[str]] = {}
        for _, world, _, facts in self.rebuilt():
            proven.setdefault(str(world.stream), set()).update(fact.key for fact in facts)
        for connector, world, _ in self.each():
            topics = {topic.name for topic in connector.facts.topics if topic.stream == world.stream.name}
            for said in _newest(connector, world):
                if said.topic in topics and said.kind is not Occurrence.REPEATED:
                    assert said.key in proven[str(world.stream)], said.key


def _topics(connector: Any, world: World) -> frozenset[str]:
    return frozenset(topic.name for topic in connector.facts.topics if topic.stream == world.stream.name)


def _newest(connector: Any, world: World) -> list[Description]:
    """What the deliveries say; of several states of one resource, the newest, which is all that a list can show."""
    said = [connector.describe(sample.topic, sample.body, lower(sample.headers)) for sample in world.deliveries]
    newest: dict[tuple[str, str], Description] = {}
    for one in said:
        once = one.key if one.kind is not Occurrence.STATE else str(one.subject)
        held = newest.get((one.topic, once))
        if held is None or (one.version or 0) >= (held.version or 0):
            newest[one.topic, once] = one
    return list(newest.values())
