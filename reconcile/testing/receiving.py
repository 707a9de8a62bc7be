"""Live deliveries: who may bring them, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconcile.connector import Delivery, Receives, Signs
from reconcile.errors import DeliveryRefused
from reconcile.model import Event, Origin
from reconcile.testing.worlds import NOW, Bench, Sample, has, lower

_GARBAGE = [
    "",
    "x",
    "=",
    ",",
    "t=",
    "t=1,v1=",
    "v1=",
    "\x00",
    "é" * 44,
    "\udcff",
    "A" * 100_000,
    "t=" + "9" * 5000 + ",v1=a",
]


class ReceivingContract(Bench):
    """`verify`, `identify`, `describe` and `sign`."""

    def deliveries(self) -> Iterator[tuple[Any, Sample]]:
        """Every delivery of every world, and those of none."""
        for sample in self.samples():
            yield self.connector(), sample
        for connector, world, _ in self.each():
            if has(connector, Receives):
                for sample in world.deliveries:
                    yield connector, sample

    def test_it_has_deliveries_to_try(self) -> None:
        """A connector that receives is tried with real deliveries."""
        assert not has(self.connector(), Receives) or any(True for _ in self.deliveries())

    def test_genuine_deliveries_are_accepted(self) -> None:
        """What the provider sends is verified, identified and described."""
        for connector, sample in self.deliveries():
            connector.verify(_delivery(sample), [self.secret])
            identity = connector.identify(_delivery(sample))
            assert identity.id
            assert identity.topic == sample.topic
            assert connector.describe(identity.topic, sample.body, lower(sample.headers)).topic == sample.topic

    def test_any_secret_of_a_rotation_is_accepted(self) -> None:
        """While a secret is being changed, both the old and the new one count, in any order."""
        for connector, sample in self.deliveries():
            connector.verify(_delivery(sample), ["another_dummy", self.secret])
            connector.verify(_delivery(sample), [self.secret, "another_dummy"])

    def test_a_changed_byte_is_refused(self) -> None:
        """One bit of the body, a byte more or a byte less, and it is not what was signed (X3)."""
        for connector, sample in self.deliveries() if self.body_is_signed else ():
            flipped = bytes([sample.body[0] ^ 1]) + sample.body[1:]
            for body in (flipped, sample.body + b" ", sample.body[:-1], b""):
                _refused(connector, replace(_delivery(sample), body=body), [self.secret])

    @pytest.mark.parametrize("secrets", [[], [""], ["  "], ["wrong_dummy"], ["", "wrong_dummy"], ["sécrèt"]])
    def test_other_secrets_are_refused(self, secrets: list[str]) -> None:
        """No secret, an empty one, or another one: 401, never a pass for want of a key."""
        for connector, sample in self.deliveries():
            _refused(connector, _delivery(sample), secrets)

    def test_mangled_headers_are_refused(self) -> None:
        """Whatever a header holds (nothing, half of itself, no ASCII, megabytes) the answer is 4xx, never a crash."""
        for connector, sample in self.deliveries():
            signature = _signature_headers(connector, sample, self.secret)
            assert signature, "removing no single header makes the signature fail"
            for name in signature:
                for value in [*_GARBAGE, *_halves(lower(sample.headers)[name])]:
                    changed = {**lower(sample.headers), name: value}
                    _refused(connector, Delivery(changed, sample.body, NOW), [self.secret])
            break

    def test_the_official_vector_is_accepted(self) -> None:
        """A delivery signed by the provider's own code is accepted, and with one byte more it is not."""
        if self.vector is None:
            return
        vector = self.vector
        delivery = Delivery(lower(vector.headers), vector.body, vector.received_at)
        self.connector().verify(delivery, [vector.secret])
        _refused(self.connector(), replace(delivery, body=vector.body + b" "), [vector.secret])

    def test_its_own_signature_is_accepted(self) -> None:
        """A replay signed now is what the receiver's code accepts now, and identifies alike (H10)."""
        for connector, sample in self.deliveries():
            if has(connector, Signs):
                event = _event(connector, sample)
                signed = Delivery(lower(connector.sign(event, self.secret, NOW)), event.body, NOW)
                connector.verify(signed, [self.secret])
                assert connector.identify(signed).topic == sample.topic
                assert connector.sign(event, self.secret, NOW) == connector.sign(event, self.secret, NOW)
                _refused(connector, signed, ["wrong_dummy"])

    def test_nothing_is_signed_with_an_empty_secret(self) -> None:
        """An empty secret raises: a signature anyone can make is none."""
        for connector, sample in self.deliveries():
            if has(connector, Signs):
                for secret in ("", " "):
                    with pytest.raises(ValueError):  # noqa: PT011 - the message is the connector's own
                        connector.sign(_event(connector, sample), secret, NOW)

    @pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"\xff\xfe", b"[" * 100_000, b"null"])
    def test_unreadable_bodies_are_value_errors(self, body: bytes) -> None:
        """A signed body that cannot be read is a `ValueError`, which the inbox knows how to keep."""
        connector = self.connector()
        if has(connector, Receives):
            for topic in connector.facts.topics:
                with pytest.raises(ValueError):  # noqa: PT011 - the message is the connector's own
                    connector.describe(topic.name, body, {})

    def test_an_old_signature_is_refused_where_time_is_signed(self) -> None:
        """Where a time is signed, ten minutes either way are too far; where none is, time plays no part."""
        for connector, sample in self.deliveries():
            verdicts = {_verdict(connector, sample, self.secret, minutes) for minutes in (-10, 10)}
            assert len(verdicts) == 1, "one direction of time is checked and the other is not"


def _delivery(sample: Sample) -> Delivery:
    return Delivery(lower(sample.headers), sample.body, NOW)


def _refused(connector: Receives, delivery: Delivery, secrets: list[str]) -> None:
    with pytest.raises(DeliveryRefused) as refusal:
        connector.verify(delivery, secrets)
    assert 400 <= refusal.value.status < 500


def _verdict(connector: Receives, sample: Sample, secret: str, minutes: int) -> bool:
    try:
        connector.verify(replace(_delivery(sample), received_at=NOW + timedelta(minutes=minutes)), [secret])
    except DeliveryRefused:
        return False
    return True


def _signature_headers(connector: Receives, sample: Sample, secret: str) -> list[str]:
    """The headers without which the delivery is refused: those that carry the signature."""
    headers = lower(sample.headers)
    found = []
    for name in headers:
        try:
            connector.verify(Delivery({k: v for k, v in headers.items() if k != name}, sample.body, NOW), [secret])
        except DeliveryRefused:
            found.append(name)
    return found


def _halves(value: str) -> list[str]:
    return [value[:-1], value[: len(value) // 2], value[1:], value[:-1] + "\udcff", value[:-1] + "\u0660"]


def _event(connector: Receives, sample: Sample) -> Event:
    headers = lower(sample.headers)
    identity = connector.identify(_delivery(sample))
    said = connector.describe(identity.topic, sample.body, headers)
    return Event(
        id=identity.id,
        source="contract",
        topic=identity.topic,
        subject=said.subject,
        version=said.version,
        occurred_at=said.occurred_at,
        data=None,
        body=sample.body,
        headers=headers,
        api_version=said.api_version,
        origin=Origin.LIVE,
    )
