"""Two small connectors that exist only here, and a way to load configuration text with them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from reconcile.config import load
from reconcile.connector import Facts, FilterBy, StreamFacts, StreamKind
from reconcile.errors import ConfigError

VALID = """\
sources:
  acme:
    connector: shop
    shop: acme.example
    access_token: shpat_dummy
"""

# what a test may find in its environment; none of it may ever be shown
ENV = {
    "WORD": "hush-hush",
    "EMPTY": "",
    "HTTP": "http://hush.example/x",
    "NUM": "-7",
    "TOKEN": "tok_hush",
    "TOPIC": "hush",
}


def in_source(*lines):
    """`VALID`, with more keys of its source from line 6 on."""
    return VALID + "".join(f"    {line}\n" for line in lines)


def below(*lines):
    """`VALID`, with more top-level keys from line 6 on."""
    return VALID + "".join(f"{line}\n" for line in lines)


class ShopSettings(BaseModel):
    """Keys of every sort: plain, secret, counted, and one whose validator is careless."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shop: str = Field(pattern=r"^[a-z.]+$")
    access_token: SecretStr = Field(min_length=1)
    pages: int = Field(default=10, ge=1)
    note: str = ""
    pin: SecretStr | None = None

    @field_validator("note")
    @classmethod
    def _repeats_what_it_refuses(cls, note: str) -> str:
        if note.startswith("bad"):
            raise ValueError(f"must not begin with bad, but is {note}")
        return note

    @field_validator("access_token")
    @classmethod
    def _says_what_it_wants(cls, token: SecretStr) -> SecretStr:
        if not token.get_secret_value().startswith("shpat_"):
            raise ValueError("must begin with shpat_")
        return token


class Shop:
    """A provider with two lists."""

    facts = Facts(
        docs="https://docs.example",
        streams=tuple(
            StreamFacts(name, StreamKind.LIST, FilterBy.UPDATED, page_size=50, resource=name)
            for name in ("orders", "refunds")
        ),
        topics=(),
        rate=2.0,
    )
    Settings: ClassVar[type[BaseModel]] = ShopSettings

    def __init__(self, settings: ShopSettings) -> None:
        self.settings = settings


class PaySettings(BaseModel):
    """One key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: SecretStr = Field(min_length=1)


class Pay:
    """A provider that says nothing of its topics, and whose facts are known of an instance only."""

    Settings: ClassVar[type[BaseModel]] = PaySettings

    def __init__(self, settings: PaySettings) -> None:
        self.settings = settings


def fakes(name):
    """As `connector_class`, of the two classes here and one that cannot be imported."""
    if name == "halved":
        raise ImportError("half of it is missing")
    found = {"pay": Pay, "shop": Shop}
    if name not in found:
        raise ConfigError(f"no connector is called {name!r}; there are: pay, shop")
    return found[name]


def load_text(text, env=None, folder=None):
    """Load `text` as `schedules.yaml` of `folder` (else of the working directory)."""
    assert folder or not Path("pyproject.toml").exists(), "this would write over the repository's own file"
    path = (folder or Path()) / "schedules.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    path.chmod(0o600)
    return load(path, env or {}, connectors=fakes)


def problems_of(text, env=None, folder=None):
    """Every problem `text` has, each without the file's name in front; none if it loads."""
    try:
        load_text(text, env, folder)
    except ConfigError as error:
        return tuple(line.partition("schedules.yaml")[2] for line in error.problems)
    return ()
