"""What a provider may answer instead of a list."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from reconcile.connector import ListsItems
from reconcile.errors import BadAnswer, CredentialsRefused, ProviderError
from reconcile.testing.worlds import Bench, Handle, World, client_for, ids_of, pages_of

_NOT_A_LIST: dict[str, tuple[str, bytes]] = {
    "html": ("text/html", b"<!doctype html><title>Maintenance</title>"),
    "html called json": ("application/json", b"<html></html>"),
    "nothing": ("application/json", b""),
    "null": ("application/json", b"null"),
    "empty object": ("application/json", b"{}"),
    "empty list": ("application/json", b"[]"),
    "text": ("application/json", b'"ok"'),
    "cut short": ("application/json", b'{"data": [{"id": "'),
    "not utf-8": ("application/json", b'{"data": "\xff\xfe"}'),
    "deeply nested": ("application/json", b"[" * 100_000),
}


class AnswersContract(Bench):
    """200 is not proof (C9), and 401 is not an empty list."""

    @pytest.mark.parametrize("answer", _NOT_A_LIST)
    def test_what_is_no_list_is_an_error(self, answer: str) -> None:
        """HTML, nothing and JSON of another shape are errors, never "nothing missing" (C9)."""
        kind, body = _NOT_A_LIST[answer]
        for connector, world, _ in self.each():
            broken = _with(world, lambda _: httpx.Response(200, headers={"Content-Type": kind}, content=body))
            with pytest.raises(BadAnswer):
                pages_of(connector, broken, world.window)

    def test_a_missing_key_is_an_error(self) -> None:
        """Whichever key is left out, null or of another type: everything is still found, or it is an error (C9)."""
        for connector, world, _ in self.each():
            refused = 0
            for broken in _damaged(connector, world, self.optional_keys):
                try:
                    found = [item for page in pages_of(connector, broken, world.window) for item in page.items]
                except BadAnswer:
                    refused += 1
                else:
                    assert ids_of(found) >= world.ids, world.stream
            assert refused, f"{world.stream}: no damage to the answer was noticed"

    @pytest.mark.parametrize("status", [401, 403])
    def test_refused_credentials_are_said(self, status: int) -> None:
        """401 and 403 end the stream at once, with an error that is not retried."""
        for connector, world, _ in self.each():
            asked: list[httpx.Request] = []

            def refuse(request: httpx.Request, asked: list[httpx.Request] = asked) -> httpx.Response:
                asked.append(request)
                return httpx.Response(status, json={"error": "no"})

            with pytest.raises(CredentialsRefused):
                connector.greet(client_for(connector, refuse))
            with pytest.raises(CredentialsRefused):
                pages_of(connector, _with(world, refuse), world.window)
            assert len(asked) <= 6, "refused credentials were tried again and again"

    def test_trouble_is_never_an_empty_list(self) -> None:
        """A provider that answers 500, whatever is asked, ends in an error."""
        for connector, world, _ in self.each():
            with pytest.raises(ProviderError):
                pages_of(connector, _with(world, lambda _: httpx.Response(500)), world.window)

    def test_credentials_stay_at_home(self) -> None:
        """Every request of a listing goes to the connector's own origin (X2), and carries its headers."""
        for connector, world, _ in self.each():
            asked: list[httpx.Request] = []

            def watch(
                request: httpx.Request, asked: list[httpx.Request] = asked, handle: Handle = world.handle
            ) -> httpx.Response:
                asked.append(request)
                return handle(request)

            pages_of(connector, _with(world, watch), world.window)
            assert asked
            assert {f"{one.url.scheme}://{one.url.host}" for one in asked} == {connector.origin()}

    def test_it_greets(self) -> None:
        """The first request says which account this is; a credential never shows in what it says."""
        for connector, world, _ in self.each():
            greeting = connector.greet(client_for(connector, world.handle))
            assert greeting.account
            assert all(limit.tzinfo is not None for limit in greeting.limits.values())


def _with(world: World, handle: Handle) -> World:
    return World(handle, world.stream, world.window, world.ids)


def _damaged(connector: ListsItems, world: World, optional: frozenset[str]) -> Iterator[World]:
    """The world once for each key of its answers' outermost object: without it, null, and as a text."""
    damages: list[Callable[[dict[str, Any], str], object]] = [
        lambda body, key: body.pop(key, None),
        lambda body, key: body.update({key: None}),
        lambda body, key: body.update({key: "unexpected"}),
    ]
    for key in sorted(_keys(connector, world) - optional):
        for damage in damages:
            yield _with(world, _damaging(world.handle, key, damage))


def _keys(connector: ListsItems, world: World) -> set[str]:
    seen: set[str] = set()

    def watch(request: httpx.Request) -> httpx.Response:
        answer = world.handle(request)
        body = json.loads(answer.content)
        seen.update(body if isinstance(body, dict) else ())
        return answer

    pages_of(connector, _with(world, watch), world.window)
    return seen


def _damaging(handle: Handle, key: str, damage: Callable[[dict[str, Any], str], object]) -> Handle:
    def answer(request: httpx.Request) -> httpx.Response:
        whole = handle(request)
        body = json.loads(whole.content)
        if isinstance(body, dict) and key in body:
            damage(body, key)
        kept = {name: value for name, value in whole.headers.items() if name != "content-length"}
        return httpx.Response(whole.status_code, headers=kept, content=json.dumps(body).encode())

    return answer
