"""The configuration `reconcile init` writes, which is the one in this repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconcile import runner
from reconcile.config import load, starter
from reconcile.errors import ConfigError

ROOT = Path(__file__).parents[2]
ENV = {
    "SHOPIFY_ACCESS_TOKEN": "shpat_dummy",
    "SHOPIFY_WEBHOOK_SECRET": "whsec_dummy_shop",
    "STRIPE_API_KEY": "sk_test_dummy",
    "STRIPE_WEBHOOK_SECRET": "whsec_dummy",
}


@pytest.fixture
def path(tmp_path):
    """The starter, written where a newcomer would."""
    path = tmp_path / "schedules.yaml"
    path.write_text(starter(), encoding="utf-8")
    return path


def test_the_repository_shows_what_init_writes():
    """There is one starter: the file in the repository is it, to the byte."""
    assert (ROOT / "schedules.yaml").read_text(encoding="utf-8") == starter()


def test_it_loads_with_its_variables_set(path):
    """With the real connectors installed and the variables it names set, the starter is a valid configuration."""
    config = load(path, ENV)
    assert {name: source.connector for name, source in config.sources.items()} == {
        "acme-shop": "shopify",
        "payments": "stripe",
    }
    assert {schedule.job for schedule in config.schedules} == set(runner.installed())


def test_it_calls_no_handler_until_one_is_named(path):
    """A newcomer's first run finds what was lost and touches nothing."""
    assert all(source.handler is None for source in load(path, ENV).sources.values())


def test_without_its_variables_each_is_named_with_its_line(path):
    """A newcomer learns at once which variables to set, and where they are asked for."""
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    named = [re.search(r"variable (\w+) is not set", line)[1] for line in caught.value.problems]
    assert named == list(ENV)
    lines = starter().splitlines()
    for problem, name in zip(caught.value.problems, named, strict=True):
        number = int(re.search(r"schedules\.yaml:(\d+):\d+ ", problem)[1])
        assert f"${{{name}}}" in lines[number - 1]


def test_what_is_commented_out_would_load_too(path):
    """Every key shown behind a `#` is a key there is, in a form that is accepted."""
    text = re.sub(r"^(    )# (\w+: )", r"\1\2", starter(), flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    sources = load(path, ENV).sources
    assert sources["acme-shop"].streams == ("orders",)
    assert all(source.handler for source in sources.values())
