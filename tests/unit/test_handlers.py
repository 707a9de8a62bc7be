"""The registry an application's functions are entered in."""

from __future__ import annotations

import functools

import pytest

from reconcile import Handlers
from reconcile.errors import ConfigError
from reconcile.handlers import match, takes_session


def test_a_function_takes_the_topics_it_was_registered_for():
    """Each topic finds its function, which stays a plain function; others find none."""
    handlers = Handlers()

    @handlers.on("orders/create", "orders/updated")
    def save(event):
        return event

    assert save(1) == 1
    assert handlers.find("orders/create") is handlers.find("orders/updated") is save
    assert handlers.find("orders/cancelled") is None
    assert handlers.topics_taken() == {"orders/create", "orders/updated"}
    assert handlers.functions() == (save,)


@pytest.mark.parametrize(
    ("topic", "winner"),
    [
        ("charge.refunded", "charge.refunded"),
        ("charge.dispute.created", "charge.dispute.*"),
        ("charge.captured", "charge.*"),
        ("chargeback", "*"),
        ("", "*"),
    ],
)
def test_the_most_exact_topic_wins(topic, winner):
    """Written out beats a wildcard, a longer wildcard a shorter one, whatever the order of registration."""
    assert match(topic, ["*", "charge.*", "charge.refunded", "charge.dispute.*"]) == winner
    assert match(topic, ["charge.dispute.*", "charge.refunded", "charge.*", "*"]) == winner


def test_a_topic_is_taken_once():
    """A second function for a topic is an error that names both."""
    handlers = Handlers()
    handlers.on("orders/create")(one_argument)
    with pytest.raises(ConfigError, match=r"two handlers take 'orders/create': .*one_argument and .*two_arguments"):
        handlers.on("orders/create")(two_arguments)


@pytest.mark.parametrize(
    ("topics", "message"),
    [
        ((), "names no topic"),
        ((lambda event: None,), "write @handlers.on"),
        ((3,), "a topic is text"),
        (("",), "a topic is text"),
        (("*.refunded",), "only at the end"),
    ],
)
def test_topics_that_cannot_be(topics, message):
    """A bad topic is refused where it is written."""
    with pytest.raises(ConfigError, match=message):
        Handlers().on(*topics)


def one_argument(event):
    """A handler."""


def two_arguments(event, db):
    """A handler that takes a session, whatever it calls it."""


class Callable:
    """A handler that is an object."""

    def __call__(self, event, session=None):
        """Handle."""


@functools.wraps(two_arguments)
def wrapped(*args, **kwargs):
    """A decorated handler: its signature is the wrapped one's."""


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (one_argument, False),
        (two_arguments, True),
        (Callable(), True),
        (wrapped, True),
        (lambda event, *args: None, False),
        (lambda *args: None, False),
        (lambda event, session, third=None: None, True),
        (lambda event, *, log=None: None, False),
        (functools.partial(two_arguments, db=None), False),
    ],
)
def test_the_second_positional_argument_is_the_session(function, expected):
    """One argument is the event, a second one the session, by place and not by name."""
    assert takes_session(function) is expected


def generator(event):
    """A handler that would never run."""
    yield event


async def async_generator(event):
    """The same, async."""
    yield event


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: None, "takes no argument"),
        (lambda a, b, c: None, r"asks for \(a, b, c\)"),
        (lambda event, *, session: None, r"asks for \(event, session\)"),
        (generator, "is a generator"),
        (async_generator, "is a generator"),
        (dict.update, "does not say which arguments it takes"),
    ],
)
def test_functions_that_cannot_be_called_so(function, message):
    """What could never be called with (event) or (event, session) is refused before anything is delivered."""
    with pytest.raises(ConfigError, match=message):
        takes_session(function)
