"""The keys of a `connector: shopify` source."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

_SHOP = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")


def _shop(name: str) -> str:
    if not _SHOP.fullmatch(name):
        raise ValueError("must be the shop's own name, such as acme.myshopify.com")
    return name


Shop = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True), AfterValidator(_shop)]
Version = Annotated[str, StringConstraints(pattern=r"^(20\d\d-(01|04|07|10)|unstable)$")]


class ShopifySettings(BaseModel):
    """`shop` is `NAME.myshopify.com`. Either `access_token`, or `client_id` and `client_secret`.

    An app made in the Dev Dashboard has no lasting token: its id and secret are exchanged for one that lives
    24 hours, whenever it is needed (client-credentials grant).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shop: Shop
    access_token: SecretStr | None = Field(default=None, min_length=1)
    client_id: str | None = Field(default=None, min_length=1)
    client_secret: SecretStr | None = Field(default=None, min_length=1)
    api_version: Version = "2026-10"

    @model_validator(mode="after")
    def _one_way_in(self) -> ShopifySettings:
        pair = (self.client_id, self.client_secret)
        if self.access_token is not None and pair != (None, None):
            raise ValueError("give access_token, or client_id with client_secret, not both")
        if self.access_token is None and None in pair:
            raise ValueError("needs access_token, or client_id together with client_secret")
        return self
