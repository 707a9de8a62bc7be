"""Logs: their two forms, and no secret in either."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from reconcile import logs
from reconcile.logs import HIDDEN, Redactor, secrets_of

SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=4, max_size=40).filter(
    lambda value: "://" not in value and value.strip() == value
)


class Nested(BaseModel):
    """A secret inside a tuple inside a model."""

    keys: tuple[SecretStr, ...]


@dataclass
class Holder:
    """A secret inside a mapping inside a dataclass."""

    found: dict[str, object]


@pytest.fixture
def log():
    """A logger that writes where the test can read; the root logger is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    redactor = Redactor(["hush-hush"])

    def start(format_):
        logs.setup(format_, redactor, stream)
        return logging.getLogger("reconcile.test"), stream

    yield start
    root.handlers[:] = handlers
    root.setLevel(level)


@given(SECRETS, st.text())
def test_no_text_keeps_a_secret(secret, around):
    """Wherever a secret's value stands in a text, it is hidden (X1)."""
    assert secret not in Redactor([secret]).text(f"{around}{secret}{around}").replace(around, "")


@given(SECRETS)
def test_a_secret_is_hidden_as_a_url_and_as_json_spell_it(secret):
    """An error may quote a request's URL, a document as PHP writes it, a page, or a header (X1)."""
    redactor = Redactor([secret])
    for spelled in (json.dumps(secret), json.dumps(secret).replace("/", "\\/"), f'"{html.escape(secret)}"'):
        assert redactor.text(spelled) == f'"{HIDDEN}"'
    assert redactor.text(quote(secret)) == redactor.text(quote(secret, safe="")) == HIDDEN
    assert redactor.text(base64.b64encode(secret.encode()).decode()).rstrip("=") == HIDDEN


def test_every_secret_of_a_configuration_is_found():
    """Models, tuples, mappings and dataclasses are searched, however deep (X1)."""
    held = Holder({"a": [Nested(keys=(SecretStr("first"), SecretStr("second")))], "b": SecretStr("third")})
    assert sorted(secrets_of(held)) == ["first", "second", "third"]


def test_the_password_of_a_url_is_hidden_on_its_own():
    """A driver's error quotes the password without the URL around it (X1)."""
    redactor = Redactor(["postgresql://app:p%40ss-word@db/app", "postgresql://db/app?password=queried-pass"])
    shown = redactor.text("auth failed for app with p@ss-word, then p%40ss-word, then queried-pass")
    assert shown == f"auth failed for app with {HIDDEN}, then {HIDDEN}, then {HIDDEN}"


def test_what_only_looks_like_a_url_is_hidden_and_so_is_the_path_of_a_switch():
    """Who knows the address of a dead-man's switch can ping it; a secret may hold `://` (X1)."""
    redactor = Redactor(["https://hc.example/5e9e7c1a-dummy-uuid", "whsec_ab://cd", "ab://cd"])
    shown = redactor.text(
        "POST https://hc.example/5e9e7c1a-dummy-uuid/start, /5e9e7c1a-dummy-uuid, whsec_ab://cd, ab://cd"
    )
    assert shown == f"POST {HIDDEN}/start, {HIDDEN}, {HIDDEN}, {HIDDEN}"


def test_a_secret_that_is_no_text_hides_nothing_and_breaks_nothing():
    """An environment may hold bytes that are no UTF-8."""
    assert Redactor(["abc\udcffdef"]).text("abc\udcffdef abc") == f"{HIDDEN} abc"


def test_a_url_without_a_user_is_no_secret():
    """The path of a ledger's file may be told."""
    assert Redactor(["sqlite:////srv/reconcile.db"]).text("/srv/reconcile.db") == "/srv/reconcile.db"


def test_what_stands_under_a_secrets_name_is_hidden_whatever_it_is():
    """A header or field that is named like a secret never shows its value (X1)."""
    shown = Redactor().value(
        {"x-shopify-access-token": "abc", "deep": [{"Authorization": 7}], "topic": "orders/create"}
    )
    assert shown == {"x-shopify-access-token": HIDDEN, "deep": [{"Authorization": HIDDEN}], "topic": "orders/create"}


def test_a_json_log_is_one_object_a_line(log):
    """Every record has its time, level and event, and the caller's own fields."""
    logger, stream = log("json")
    logger.info("run.finished", extra={"listed": 3, "note": "hush-hush\nsecond line"})
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert (found["level"], found["event"], found["listed"]) == ("info", "run.finished", 3)
    assert found["note"] == f"{HIDDEN}\nsecond line"
    assert found["ts"].endswith("Z")


@pytest.mark.parametrize("format_", ["plain", "json"])
def test_a_traceback_shows_no_secret(log, format_):
    """A secret in an exception's message is hidden in its traceback too (X1)."""
    logger, stream = log(format_)
    try:
        int("hush-hush")
    except ValueError:
        logger.exception("it failed")
    assert "hush-hush" not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


def test_plain_logs_show_controls_and_only_what_matters(log):
    """A plain log says warnings, with foreign controls made visible (X4)."""
    logger, stream = log("plain")
    logger.info("nobody needs this")
    logger.warning("a customer called \x1b[2J\u202e")
    assert stream.getvalue() == "warning: a customer called \\x1b[2J\\u202e\n"


def test_a_line_feed_in_somebodys_text_begins_no_line_of_its_own(log):
    """X4: nobody writes a record into a plain log by what they are called."""
    logger, stream = log("plain")
    logger.warning("a customer called %s", "Bob\nerror: acme-shop: all is lost\r\nwarning: x")
    lines = stream.getvalue().splitlines()
    assert [line.startswith(("error", "warning")) for line in lines] == [True, False, False]
