"""What a connector states about itself."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from reconcile.connector import Connector, FilterBy, ListsItems, ReadsItems, Rebuilds, StreamKind
from reconcile.connector.finding import connector_class
from reconcile.model import Occurrence
from reconcile.testing.worlds import Bench, has


class FactsContract(Bench):
    """The table is consistent, and the settings are strict and discreet."""

    def test_it_is_a_connector(self) -> None:
        """It is found by its entry point and has what every connector has; rebuilding needs a list to rebuild from."""
        connector = self.connector()
        assert isinstance(connector, Connector)
        assert connector.origin().startswith("https://")
        assert connector.accounts()
        assert has(connector, ListsItems) or not has(connector, Rebuilds)
        by_change = any(stream.filter_by is FilterBy.UPDATED for stream in connector.facts.streams)
        assert has(connector, ReadsItems) or not by_change

    def test_facts_name_their_source(self) -> None:
        """Somebody can look up what is claimed."""
        assert self.connector().facts.docs.startswith("https://")

    def test_streams_are_distinct_and_complete(self) -> None:
        """Every stream has its own name, a page size, and a resource exactly if it lists resources."""
        streams = self.connector().facts.streams
        assert len({stream.name for stream in streams}) == len(streams)
        for stream in streams:
            assert stream.page_size > 0
            assert bool(stream.resource) == (stream.kind is StreamKind.LIST), stream.name
            assert (stream.filter_by is FilterBy.EVENT) == (stream.kind is StreamKind.LOG), stream.name

    def test_topics_are_distinct_and_accounted_for(self) -> None:
        """Every topic is proven by a list that exists, or says why no list proves it."""
        facts = self.connector().facts
        lists = {stream.name: stream for stream in facts.streams if stream.kind is StreamKind.LIST}
        logged = any(stream.kind is StreamKind.LOG for stream in facts.streams)
        assert len({topic.name for topic in facts.topics}) == len(facts.topics)
        for topic in facts.topics:
            assert topic.stream in lists or (not topic.stream and (topic.unrebuildable or logged)), topic.name
            if topic.kind is Occurrence.STATE:
                assert topic.stream in lists, topic.name
                assert lists[topic.stream].filter_by is FilterBy.UPDATED, topic.name

    def test_the_rate_is_a_rate(self) -> None:
        """A source always has a pace of its own."""
        assert self.connector().facts.rate > 0

    def test_unknown_settings_are_refused(self) -> None:
        """A misspelt key is an error, never ignored."""
        with pytest.raises(ValidationError):
            connector_class(self.name).Settings.model_validate({**self.settings, "no_such_setting": 1})

    def test_secrets_are_not_shown(self) -> None:
        """Neither the connector nor its settings show a credential (X1)."""
        settings = connector_class(self.name).Settings.model_validate(dict(self.settings))
        shown = repr(settings) + str(settings) + repr(self.connector())
        for _, value in settings:
            assert not isinstance(value, SecretStr) or value.get_secret_value() not in shown
