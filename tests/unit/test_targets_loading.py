"""From `module:attribute` to a handler, or to an error that says what to do."""

from __future__ import annotations

import sys

import pytest

from reconcile.errors import ConfigError
from reconcile.targets.loading import load_handler, make_importable, topics_nobody_takes


@pytest.fixture
def app(tmp_path, monkeypatch):
    """Writes a module beside the configuration file and loads an attribute of it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def load(code, attribute="handle", module="app_of_a_test"):
        (tmp_path / f"{module}.py").write_text(code)
        return load_handler(f"{module}:{attribute}", tmp_path)

    yield load
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_function_takes_every_topic(app):
    """A plain callable is given whatever comes; whether it takes a session is read off it."""
    loaded = app("def handle(event, db): ...")
    assert (loaded.topics, loaded.takes_session) == (None, True)
    assert loaded.route("anything").takes_session


def test_a_registry_takes_its_topics(app):
    """Of a registry each function is asked by itself whether it takes a session."""
    loaded = app(
        "from reconcile import Handlers\nhandle = Handlers()\n"
        "@handle.on('a')\ndef one(event): ...\n@handle.on('b.*')\ndef two(event, session): ..."
    )
    assert (loaded.topics, loaded.takes_session) == ({"a", "b.*"}, True)
    assert not loaded.route("a").takes_session
    assert loaded.route("b.c").takes_session
    assert loaded.route("c") is None


def test_an_attribute_of_an_attribute(app):
    """`module:object.method` is found."""
    assert app("class App:\n    def handle(self, event): ...\napp = App()", "app.handle").takes_session is False


@pytest.mark.parametrize(
    ("code", "attribute", "message"),
    [
        ("", "handle", r"handler app_of_a_test:handle: module app_of_a_test has no 'handle'"),
        ("handle = 3", "handle", r"app_of_a_test:handle is int; it must be a function or a Handlers"),
        ("def handle(): ...", "handle", r"handler app_of_a_test:handle: app_of_a_test.handle takes no argument"),
        ("from reconcile import Handlers\nhandle = Handlers()", "handle", r"takes no topic"),
        ("import no_such_package", "handle", r"importing app_of_a_test failed: ModuleNotFoundError: No module named"),
        (
            "raise ValueError('no \\x1b[31mcolour')",
            "handle",
            r"failed: ValueError: no \[31mcolour \(.*app_of_a_test.py:1",
        ),
        ("import sys; sys.exit(3)", "handle", r"importing app_of_a_test failed: SystemExit: 3"),
        ("def handle(:", "handle", r"importing app_of_a_test failed: SyntaxError: .*\(app_of_a_test.py, line 1\)$"),
    ],
)
def test_what_cannot_be_loaded(app, code, attribute, message):
    """The error names the reference and the module and quotes the original message, on one line."""
    with pytest.raises(ConfigError, match=message) as caught:
        app(code, attribute)
    assert "\n" not in str(caught.value)


def test_a_module_that_is_not_there(tmp_path):
    """The remedy says where an application may lie."""
    with pytest.raises(ConfigError, match="there is no module 'nobodys_app'; put it beside the configuration file"):
        load_handler("nobodys_app.webhooks:handle", tmp_path)


@pytest.mark.parametrize(
    "reference",
    ["app", "app:", ":handle", "app:handle()", "app.:handle", "../app:handle", "app:handle;x", "app:h\n", "äpp:handle"],
)
def test_references_are_names_and_nothing_else(reference):
    """A reference is matched against a pattern before anything is imported; nothing is ever evaluated."""
    with pytest.raises(ConfigError, match="not of the form"):
        load_handler(reference)


def test_the_folder_comes_last_on_the_path(tmp_path, monkeypatch):
    """A folder beside the configuration can never hide an installed package."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    make_importable(tmp_path)
    make_importable(tmp_path)
    assert sys.path[-1] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


def test_topics_without_a_handler_are_named():
    """A topic of `webhook.topics` that nothing takes is found before it is delivered."""
    assert topics_nobody_takes({"orders/*", "refunds/create"}, ["orders/create", "refunds/update"]) == (
        "refunds/update",
    )
    assert topics_nobody_takes(None, ["anything"]) == ()
