"""What a pool and its workers say to each other arrives as it was said."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model import Event, Origin, Subject
from reconcile.targets import wire
from reconcile.targets.model import Job

instants = st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
words = st.text(st.characters(exclude_categories=["Cs"]))
events = st.builds(
    Event,
    id=words,
    source=words,
    topic=words,
    subject=st.none() | st.builds(Subject, type=words, id=words),
    version=st.none() | st.integers(-(2**63), 2**63 - 1),
    occurred_at=st.none() | instants,
    data=st.just({"a": [1, 2.5, None, "x"]}),
    body=st.just(b' {"a": [1, 2.5, null, "x"]}'),
    headers=st.dictionaries(words, words),
    api_version=words,
    origin=st.sampled_from(Origin),
    reconstructed=st.booleans(),
    late=st.booleans(),
    attempt=st.integers(1, 9),
    idempotency_key=words,
)


@given(events)
def test_an_event_arrives_as_it_was(event):
    """H9: the handler in a worker is given the same object, bytes included, as one in our own process."""
    sent = wire.frame(wire.call_of(Job(7, 3, "me", event, 2)))
    (payload,) = wire.Frames().feed(sent)
    call = wire.to_worker.decode(payload)
    assert wire.event_of(call) == event
    assert (call.seq, call.fence, call.number) == (7, 3, 2)


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"", None),
        (b'{"big": 123456789012345678901234567890}', {"big": 123456789012345678901234567890}),
        (b'{"lone": "\\ud800"}', {"lone": "\ufffd"}),
        (b"{not json", None),
        (b"[" * 100_000, None),
    ],
)
def test_bodies_that_are_special(body, data):
    """Form bodies bring their parsed data along; JSON is parsed in the worker, whatever is in it."""
    event = Event("e", "s", "t", None, None, None, data, body, {}, "", Origin.LIVE)
    (payload,) = wire.Frames().feed(wire.frame(wire.call_of(Job(1, 1, "me", event, 1))))
    arrived = wire.event_of(wire.to_worker.decode(payload))
    assert (arrived.data, arrived.body) == (data, body)


@given(st.lists(st.binary(max_size=40)), st.integers(1, 7))
def test_messages_are_cut_where_they_end(bodies, step):
    """However the bytes are torn on their way, the messages come out whole and in order."""
    told = [
        wire.Done(n, "handled", body.hex(), NOW, NOW, 0.5, marked=True, retire=False) for n, body in enumerate(bodies)
    ]
    stream, frames, heard = b"".join(map(wire.frame, told)), wire.Frames(), []
    for start in range(0, len(stream), step):
        heard += [wire.from_worker.decode(payload) for payload in frames.feed(stream[start : start + step])]
    assert heard == told


def test_what_nobody_says_is_refused():
    """A message that is none of ours is an error, never guessed at."""
    with pytest.raises(msgspec.ValidationError):
        wire.from_worker.decode(msgspec.msgpack.encode(["surprise", 1]))


NOW = datetime(2024, 1, 1, tzinfo=UTC)
