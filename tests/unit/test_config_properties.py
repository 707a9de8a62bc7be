"""Promises that hold for any text: no secret is ever shown, and nothing but a `ConfigError` is ever raised."""

from __future__ import annotations

import json
import re
import traceback

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.config import VALID, load_text, problems_of

from reconcile.errors import ConfigError

# a word no message of ours has in it, inside any text that may be around it
secrets = st.builds(
    "{}Zq7{}".format,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text("aZq7 :/@\\'\"{}$\n", max_size=8),
)
KEYS = (
    "access_token: @",
    "pin: [@]",
    "webhook: {url: @, secret: @, topics: [@]}",
    "webhook: {url: 'https://a.example', secret: [@, ''], topics: [a/b, @, @]}",
    "handler: @",
    "recorded: {database: @, query: @}",
    "base_url: @",
    "note: bad @",
    "late: @",
    "valve: @",
    "settle: @",
    "retry: [@]",
    "streams: [orders, @]",
    "http: {max_body: @, rate: @, attempts: @}",
    "connector: @",
)
SECTIONS = (
    "ledger: @",
    "timezone: @",
    "defaults: {timeout: @}",
    "schedules: [{job: @, cron: @, every: @, sources: [@]}]",
    "alerts: {smtp: @, from: @, to: [@], third_parties: {acme: [@]}}",
)
SECRET_KEYS = (
    "access_token: @",
    "pin: @",
    "webhook: {secret: @, topics: []}",
    "webhook: {secret: [@], topics: [a, a]}",
    "recorded: {database: @}",
)
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def said(text, env, folder):
    """Everything a failing load lets out: its lines, and the traceback with all that it chains."""
    try:
        load_text(text, env, folder)
    except ConfigError as error:
        return "".join(traceback.format_exception(error)) + repr(error)
    return ""


def with_key(key):
    """`VALID` with `key` in its source, in the place of one that is there already."""
    name = key.partition(":")[0]
    kept = [line for line in VALID.splitlines() if not line.startswith(f"    {name}:")]
    return "\n".join([*kept, f"    {key}", "    settle: wrong"]) + "\n"


@pytest.mark.parametrize("key", KEYS)
@given(secret=secrets)
@quick
def test_what_came_from_the_environment_is_never_shown(key, secret, tmp_path):
    """No part of a source may show a value from the environment, whatever is wrong with it (X1)."""
    text = with_key(key.replace("bad @", '"bad ${SECRET}"').replace("@", '"${SECRET}"'))
    shown = said(text, {"SECRET": secret}, tmp_path)
    assert "settle" in shown
    assert "Zq7" not in shown


@pytest.mark.parametrize("section", SECTIONS)
@given(secret=secrets)
@quick
def test_what_came_even_partly_from_the_environment_is_never_shown(section, secret, tmp_path):
    """No other section may show it either, not even with text around it (X1)."""
    text = VALID + section.replace("@", '"x-${SECRET}-y"') + "\nvalve: 1\n"
    shown = said(text, {"SECRET": secret}, tmp_path)
    assert shown
    assert "Zq7" not in shown


@pytest.mark.parametrize("key", SECRET_KEYS)
@given(secret=secrets)
@quick
def test_a_secret_written_into_the_file_is_never_shown(key, secret, tmp_path):
    """A secret's value is not shown even when the file itself holds it (X1)."""
    quoted = json.dumps(secret.replace("${", "$${"))
    shown = said(with_key(key.replace("@", quoted)), {}, tmp_path)
    assert "settle" in shown
    assert "Zq7" not in shown


@pytest.mark.parametrize("key", ["ledger: @", "alerts: {smtp: @}"])
@given(secret=secrets)
@quick
def test_a_password_in_a_url_of_the_file_is_never_shown(key, secret, tmp_path):
    """Neither the ledger's nor the mail server's URL is shown, as each may hold a password (X1)."""
    quoted = json.dumps("mysql://me:" + secret.replace("${", "") + "@host/x")
    shown = said(VALID + key.replace("@", quoted) + "\n", {}, tmp_path)
    assert shown
    assert "Zq7" not in shown


WORDS = re.findall(
    r"\S+",
    "sources: acme: connector: shop webhook: {topics: handler: http: defaults: schedules: [{every: cron: alerts: "
    "timezone: &a *a !!str ${X} ${ <<: --- ... %YAML - ? | > # @ ` = ~ 0x 1_0 12:30:00 \\ \\U \\x , ' \" { } [ ]",
)
fragments = st.sampled_from([*WORDS, "\n", "\n  ", "\n    ", "\t", "\r", "\ufeff", " ", ": "])


@given(st.one_of(st.text(max_size=80), st.binary(max_size=80), st.lists(fragments, max_size=40).map("".join)))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_configuration_or_a_configuration_error(tmp_path, text):
    """Whatever a file holds, reading it ends with a configuration or a `ConfigError`."""
    with pytest.raises(ConfigError):
        load_text(text, {}, tmp_path)


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=8,
)
names = st.sampled_from(
    [key.partition(":")[0] for key in KEYS] + ["url", "secret", "topics", "database", "query", "rate", "shop"]
)
sources = st.dictionaries(names, st.one_of(values, st.dictionaries(names, values, max_size=3)), max_size=4)


@given(
    source=sources,
    rest=st.dictionaries(st.sampled_from([section.partition(":")[0] for section in SECTIONS]), values, max_size=3),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_anywhere_is_accepted_or_a_configuration_error(tmp_path, source, rest):
    """Whatever stands for a value, of whatever type, is accepted or said to be wrong, never a crash."""
    base = {"connector": "shop", "shop": "acme.example", "access_token": "shpat_dummy"}
    text = json.dumps({"sources": {"acme": {**base, **source}}, **rest}).replace("${", "$")
    for line in problems_of(text, {}, tmp_path):
        assert re.fullmatch(r"(:\d+:\d+( .+)?)?: .+", line)
