"""The app's own record: what cannot be an answer is an error, since "nothing handled" would handle all of it again."""

from __future__ import annotations

import logging
import sqlite3
import uuid

import pytest

from reconcile.errors import ConfigError
from reconcile.ledger import app_record
from reconcile.reading import recorded

KEYS = ["orders/create:1", "orders/create:2"]
GUID = "0f0e0d0c-0000-4000-8000-000000000001"


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """Asks a record written as the body of `def recorded(keys)`."""
    monkeypatch.syspath_prepend(tmp_path)

    def asked(body: str, keys: list[str] = KEYS, *, secrets: tuple[str, ...] = ()):
        name = f"books_{uuid.uuid4().hex}"
        lines = body.splitlines()
        head = lines.pop(0) if lines[0].startswith("async ") else "def recorded(keys):"
        (tmp_path / f"{name}.py").write_text("\n    ".join([head, *lines]) + "\n")
        return recorded._callable("shop", f"{name}:recorded", secrets)(keys)

    return asked


@pytest.mark.parametrize(
    "body",
    [
        "return [keys[0]]",
        "return {keys[0], 'orders/create:99'}",
        "return (key for key in keys[:1])",
        "found = keys[:1]\nkeys.clear()\nreturn found",
    ],
    ids=["list", "more than was asked", "lazy", "emptied what it was given"],
)
def test_what_is_returned_is_what_was_handled(ask, body):
    """H12: whatever collection of keys it is, and whatever the function does with the list that it was given."""
    assert ask(body) == {KEYS[0]}


def test_ids_may_be_numbers_or_uuids(ask):
    """A provider's event ids, as an app's columns hold them."""
    assert ask("return [17]", ["17", "18"]) == {"17"}
    assert ask(f"import uuid\nreturn [uuid.UUID('{GUID}')]", [GUID]) == {GUID}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("pass", "it returned NoneType"),
        ("return keys[0]", "it returned str"),
        ("return {key: False for key in keys}", "it returned dict"),
        ("return [False for key in keys]", "it returned bool where a key"),
        ("return [(key,) for key in keys]", "it returned tuple where a key"),
        ("return (1 / 0 for key in keys)", "ZeroDivisionError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("async def recorded(keys):\nreturn keys", "it returned coroutine"),
    ],
)
def test_what_cannot_be_an_answer_is_an_error(ask, body, said):
    """L6, X: exit 2 with what is wrong, never a bug of ours, and never "nothing was handled"."""
    with pytest.raises(ConfigError, match=said) as raised:
        ask(body)
    assert "nothing was recorded" in str(raised.value)


def test_its_error_shows_no_secret(ask):
    """X1: a driver quotes the URL that it cannot read."""
    body = "raise ValueError('invalid dsn: postgresql://app:dummy_hush@db/x for shpat_dummy_1')"
    with pytest.raises(ConfigError) as raised:
        ask(body, secrets=("shpat_dummy_1",))
    assert "dummy" not in str(raised.value)


@pytest.fixture
def table(tmp_path):
    """The URL of an app's table of handled events."""
    with sqlite3.connect(tmp_path / "app.db") as database:
        database.execute("create table handled (id integer, event_key text)")
        database.execute("insert into handled values (1, ?), (2, null)", (KEYS[0],))
    database.close()
    return f"sqlite:///{tmp_path / 'app.db'}"


def test_a_query_answers_by_its_first_column(table):
    """No row is "nothing handled"; a null is no key."""
    ask = app_record.of_query("shop", table, "select event_key from handled where event_key in :keys or id = 2")
    assert ask(KEYS) == {KEYS[0]}
    assert ask(["orders/create:99"]) == set()


@pytest.mark.parametrize("column", ["id, event_key", "event_key || '  '"], ids=["another column", "padded"])
def test_a_query_whose_first_column_is_no_key_is_an_error(table, column):
    """H12: it found what was handled, and says so in a way that nobody can read."""
    ask = app_record.of_query("shop", table, f"select {column} from handled where event_key in :keys")
    with pytest.raises(ConfigError, match="first column must be the key"):
        ask(KEYS)


@pytest.mark.parametrize(
    "setup",
    [
        "logging.basicConfig(force=True, level='DEBUG')",
        "logging.config.dictConfig({'version': 1, 'root': {'level': 'ERROR'}})",
    ],
)
def test_an_app_that_sets_up_logging_leaves_ours_as_it_was(ask, setup):
    """X1: what is logged from then on is redacted as before, and none of it is lost."""

    def how():
        return [
            (one.handlers[:], one.level, one.disabled) for one in (logging.getLogger(), logging.getLogger("reconcile"))
        ]

    before = how()
    assert ask(f"import logging.config\n{setup}\nreturn []") == set()
    assert how() == before


def test_a_query_that_fails_says_why_and_makes_no_file(tmp_path):
    """A mistyped table is named, and a mistyped file is not made: the app's own record is only read (F)."""
    query = "select event_key from handld where event_key in :keys"
    there, mistyped = tmp_path / "app.db", tmp_path / "ap.db"
    there.touch()
    with pytest.raises(ConfigError, match=r"failed \(OperationalError: no such table: handld\)"):
        app_record.of_query("shop", f"sqlite:///{there}", query)(["a"])
    with pytest.raises(ConfigError, match="there is no such file"):
        app_record.of_query("shop", f"sqlite:///{mistyped}", query)(["a"])
    assert not mistyped.exists()
