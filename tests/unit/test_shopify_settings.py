"""The keys of a Shopify source."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from connectors.shopify import ShopifySettings

GOOD = {"shop": "acme.myshopify.com", "access_token": "shpat_dummy"}


def test_a_shop_is_written_in_lower_case():
    """The account of a shop does not depend on how its name was typed (C12)."""
    assert ShopifySettings.model_validate({**GOOD, "shop": "ACME.myshopify.com"}).shop == "acme.myshopify.com"


@pytest.mark.parametrize(
    "change",
    [
        {"shop": "acme"},
        {"shop": "https://acme.myshopify.com"},
        {"shop": "acme.myshopify.com.evil.example"},
        {"shop": "acme.myshopify.com@evil.example"},
        {"shop": ".myshopify.com"},
        {"access_token": ""},
        {"access_token": None},
        {"client_id": "id"},
        {"client_id": "id", "client_secret": "s"},
        {"access_token": None, "client_id": "id"},
        {"access_token": None, "client_id": "id", "client_secret": ""},
        {"api_version": "2026-11"},
        {"api_version": "latest"},
        {"api_version": ""},
        {"token": "x"},
    ],
)
def test_what_cannot_work_is_refused(change):
    """A wrong shop, half a credential, both kinds of one, or an unknown key is an error before any request."""
    values = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(ValidationError):
        ShopifySettings.model_validate(values)


def test_an_app_may_bring_its_id_and_secret():
    """Apps of the Dev Dashboard have no lasting token."""
    settings = ShopifySettings(shop="acme.myshopify.com", client_id="id", client_secret="shpss_dummy")
    assert settings.api_version == "2026-10"
    assert "shpss_dummy" not in repr(settings)
