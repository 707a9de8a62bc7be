"""The reference pages say what the code says."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from support import gateways
from support.docs import ROOT, blocks, streams_table, table, topics_table

from connectors.gateway import GatewaySettings, settings_auth, settings_list, settings_webhook
from connectors.gateway import settings as gateway_settings
from connectors.gateway.strict import Strict
from connectors.shopify import ShopifySettings
from connectors.stripe import StripeSettings
from reconcile import report
from reconcile.config import alerts, handler, model
from reconcile.config.base import Frozen
from reconcile.connector.finding import connector_class, connector_names
from reconcile.model import GapKind

REFERENCE = ROOT / "docs/reference"
CONFIGURATION = REFERENCE / "configuration.md"
REPORT = REFERENCE / "report.md"
#: What a model has and no file can say, and what is read from elsewhere in the file.
NOT_KEYS = {
    "Config": ({"path", "warnings", "keys"}, {"defaults"}),
    "SourceConfig": ({"name", "settings", *model.Tuning.model_fields}, set()),
    "GatewaySettings": ({"base_url", "webhook"}, set()),  # every source has them
}
MODELS = {
    one.__name__: one
    for one in (
        ShopifySettings,
        StripeSettings,
        *(
            one
            for module in (model, handler, alerts, gateway_settings, settings_auth, settings_list, settings_webhook)
            for one in vars(module).values()
            if isinstance(one, type) and issubclass(one, Frozen | Strict)
        ),
    )
    if one not in (Frozen, Strict)
}


def first_column(text):
    return re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", MODELS)
def test_every_key_of_the_configuration_is_documented(name):
    """Each model has a table with a row for each of its keys, and for no other."""
    left_out, added = NOT_KEYS.get(name, (set(), set()))
    keys = {field.alias or key for key, field in MODELS[name].model_fields.items() if key not in left_out}
    assert set(first_column(table(CONFIGURATION, f"keys {name}"))) == keys | added


def test_every_connector_has_its_facts_documented():
    """No connector can be installed with this project and not be in the page of what can be recovered."""
    page = REFERENCE / "providers.md"
    example = {"gateway": connector_class("gateway")(GatewaySettings.model_validate(gateways.PLAIN))}
    for name in connector_names():
        facts = example.get(name, connector_class(name)).facts
        assert table(page, f"streams {name}") == streams_table(facts), name
        assert table(page, f"topics {name}") == topics_table(facts), name


def section(title):
    found = re.search(rf"^##+ {re.escape(title)}$(.*?)(?=^##|\Z)", REPORT.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def documented(title):
    """The names in the first column of a section, several in a row allowed."""
    rows = re.findall(r"^\| (`[^|]+`) \|", section(title), flags=re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize(
    ("title", "shape", "beside"),
    [
        ("The document", report.RunReport, {"error"}),
        ("A stream", report.StreamReport, set()),
        ("A handler", report.HandlerReport, set()),
        ("A gap", report.GapReport, set()),
    ],
)
def test_every_field_of_the_report_is_documented(title, shape, beside):
    """A row for each field of the JSON document, and for no other."""
    fields = {field.name for field in dataclasses.fields(shape)} - {"bug", "repaired"}
    assert set(documented(title)) == fields | beside


def test_the_example_report_has_the_documents_shape():
    """The example on the page is valid JSON with exactly the document's fields, and its classes add up (C2)."""
    ((_, text),) = blocks(REPORT, "json")
    example = json.loads(text)
    assert set(example) == set(documented("The document")) - {"error"}
    stream = example["streams"][0]
    assert sum(stream[name] for name in documented("Classes")) == stream["listed"]
    assert set(stream) == set(documented("A stream"))
    assert set(example["handlers"][0]) == set(documented("A handler"))


def test_every_kind_of_gap_is_explained():
    """The concepts name each kind, also those nothing opens yet."""
    text = (ROOT / "docs/explanation/concepts.md").read_text()
    assert {kind for kind in GapKind if f"`{kind}`" not in text} == set()
