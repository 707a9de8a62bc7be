"""Webhook subscriptions: what was made is listed, an unknown outcome is told as one, and nobody's topics are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from reconcile.connector import ManagesSubscriptions, Mend, SeesSubscriptions, Wanted
from reconcile.connector.hooks import hands_out_secrets
from reconcile.errors import BadAnswer, CredentialsRefused, Retriable
from reconcile.http import ProviderClient
from reconcile.sandbox.clock import SettableClock
from reconcile.testing.worlds import NOW, Bench, Handle, client_for, has

URL, ELSEWHERE = "https://hooks.contract.example/in", "https://elsewhere.example/hook"
_NO_LISTS = {"html": b"<html></html>", "nothing": b"", "empty object": b"{}", "list": b"[]", "null": b"null"}


def _died(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("connection reset by peer", request=request)


#: What a client hears after its request was done all the same.
_UNHEARD: dict[str, Callable[[httpx.Request], httpx.Response]] = {
    "connection lost": _died,
    "500": lambda _: httpx.Response(500),
    "503": lambda _: httpx.Response(503),
}


class SubscribingContract(Bench):
    """For connectors that manage subscriptions; those that only see them are tried as far as that goes."""

    def test_what_is_no_list_of_subscriptions_is_an_error(self) -> None:
        """HTML, nothing and JSON of another shape are errors: nothing may be taken for missing (C9)."""
        connector = self.connector()
        if has(connector, SeesSubscriptions):
            for body in _NO_LISTS.values():
                with pytest.raises(BadAnswer):
                    list(connector.subscriptions(client_for(connector, _answering(200, body))))
            for status, error in ((401, CredentialsRefused), (403, CredentialsRefused), (500, Retriable)):
                with pytest.raises(error):
                    list(connector.subscriptions(client_for(connector, _answering(status))))

    def test_what_was_made_is_listed(self) -> None:
        """Each is listed as it was asked for, enabled; a secret is in the answer that made it and nowhere else."""
        for connector, client, wanted in self.wants():
            made = [connector.create(client, one) for one in wanted]
            listed = {one.id: one for one in connector.subscriptions(client)}
            assert len({one.id for one in made}) == len(wanted)
            for one, asked in zip(made, wanted, strict=True):
                found = listed[one.id]
                assert (found.url, set(found.topics), found.enabled) == (URL, set(asked.topics), True)
                assert found == replace(one, secret="")
                assert one.secret not in repr(one) or not one.secret
                assert hands_out_secrets(connector) or not one.secret  # else nobody sees first whether it can be kept
                assert connector.mend(found, asked) is Mend.UPDATE

    def test_wanted_is_pure_and_whole(self) -> None:
        """Every topic is in exactly one wanted subscription, at the address given."""
        for connector, _, wanted in self.wants():
            topics = [topic for one in wanted for topic in one.topics]
            assert sorted(topics) == sorted(set(topics))
            assert {one.url for one in wanted} == {URL}
            assert list(connector.wanted(URL, self.subscribed(), "")) == list(wanted)

    @pytest.mark.parametrize("fault", _UNHEARD)
    def test_an_unknown_outcome_is_told_as_one(self, fault: str) -> None:
        """It leaves as `Retriable` after one request: whether it was made is for the caller to look up (S2)."""
        for connector, handle in self.managed():
            wanted = _keyed(connector.wanted(URL, self.subscribed(), "")[0])
            sent: list[str] = []
            unheard = client_for(connector, _unheard(handle, _UNHEARD[fault], sent))
            with pytest.raises(Retriable):
                connector.create(unheard, wanted)
            assert sent == ["POST"]
            listed = [one for one in connector.subscriptions(client_for(connector, handle)) if one.url == URL]
            assert [set(one.topics) for one in listed] == [set(wanted.topics)]

    def test_a_key_brings_the_first_answer_again(self) -> None:
        """Where keys are listed, the same request under the same key makes no second one and tells the secret (S4)."""
        for connector, client, wanted in self.wants():
            asked = _keyed(wanted[0])
            made = connector.create(client, asked)
            (listed,) = [one for one in connector.subscriptions(client) if one.id == made.id]
            if listed.mark:
                assert listed.mark == asked.key
                assert connector.create(client, asked) == made
                assert len([one for one in connector.subscriptions(client) if one.url == URL]) == 1

    def test_a_change_takes_nothing_from_anyone(self) -> None:
        """What is moved and given topics is enabled, has them all, and keeps those it had (S3)."""
        for connector, client, wanted in self.wants():
            made = connector.create(client, replace(wanted[0], url=ELSEWHERE))
            goal = replace(wanted[0], topics=_more(connector, wanted[0], self.subscribed()))
            changed = connector.update(client, made, goal)
            assert changed is not None
            assert (changed.id, changed.url, changed.enabled) == (made.id, URL, True)
            assert set(changed.topics) >= {*made.topics, *goal.topics}
            assert changed.secret == ""
            assert changed in list(connector.subscriptions(client))

    def test_what_cannot_be_changed_is_left_alone(self) -> None:
        """Where `mend` names another way, `update` is None and sends nothing that changes anything."""
        for connector, client, wanted in self.wants():
            made = connector.create(client, wanted[0])
            for goal in (replace(wanted[0], api_version="2019-01"), replace(wanted[0], topics=self.subscribed())):
                if connector.mend(made, goal) is not Mend.UPDATE:
                    before = client.mutations
                    assert connector.update(client, made, goal) is None
                    assert client.mutations == before

    def test_deleting_twice_is_no_error(self) -> None:
        """One that is gone already is what was wanted; the others stay."""
        for connector, client, wanted in self.wants():
            kept = connector.create(client, replace(wanted[0], url=ELSEWHERE))
            made = connector.create(client, wanted[0])
            connector.delete(client, made)
            connector.delete(client, made)
            assert [one.id for one in connector.subscriptions(client) if one.url in (URL, ELSEWHERE)] == [kept.id]

    def test_seeing_changes_nothing(self) -> None:
        """Listing sends only requests that ask (S5)."""
        for connector, client, _ in self.wants():
            list(connector.subscriptions(client))
            assert client.mutations == 0

    def subscribed(self) -> tuple[str, ...]:
        """Two topics of the connector's facts, to be subscribed to."""
        return tuple(topic.name for topic in self.connector().facts.topics[:2])

    def managed(self) -> Iterator[tuple[Any, Handle]]:
        """The connector and a provider, if it manages subscriptions at all."""
        connector = self.connector()
        if has(connector, ManagesSubscriptions):
            world = next(iter(self.worlds(SettableClock(NOW))), None)
            assert world is not None, "worlds() gives no provider to make subscriptions at"
            yield connector, world.handle

    def wants(self) -> Iterator[tuple[Any, ProviderClient, list[Wanted]]]:
        """The same with a client, and what two topics take."""
        for connector, handle in self.managed():
            yield connector, client_for(connector, handle), list(connector.wanted(URL, self.subscribed(), ""))


def _keyed(wanted: Wanted) -> Wanted:
    return replace(wanted, key="reconcile-contract")


def _more(connector: ManagesSubscriptions, wanted: Wanted, topics: tuple[str, ...]) -> tuple[str, ...]:
    """Another topic besides, where one subscription can hold several."""
    single = len(connector.wanted(URL, topics, "")) > 1
    return wanted.topics if single else (*wanted.topics, *topics)


def _answering(status: int, body: bytes = b"") -> Handle:
    return lambda _: httpx.Response(status, headers={"Content-Type": "application/json"}, content=body)


def _unheard(handle: Handle, after: Handle, sent: list[str]) -> Handle:
    """Requests that change something are done, and then answered otherwise."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return handle(request)
        sent.append(request.method)
        handle(request)
        return after(request)

    return answer
