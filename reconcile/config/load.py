"""`schedules.yaml` → `Config`, or every reason why not, each with its line and column."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path

from pydantic import ValidationError

from reconcile.config import invalid, sources, yaml
from reconcile.config.errors import Problems
from reconcile.config.handler import PythonHandler, RecordedCallable
from reconcile.config.interpolate import interpolate
from reconcile.config.key import keys
from reconcile.config.model import Config, Tuning
from reconcile.config.node import Node
from reconcile.connector.finding import connector_class

LARGEST = 1_000_000  # bytes
JOBS = "reconcile.jobs"

_SECTIONS = ("ledger", "timezone", "defaults", "sources", "schedules", "alerts")


def job_names() -> frozenset[str]:
    """Every job a schedule may name: those installed."""
    return frozenset(point.name for point in entry_points(group=JOBS))


def load(
    path: Path,
    env: Mapping[str, str],
    connectors: sources.Connectors = connector_class,
    jobs: Callable[[], Collection[str]] = job_names,
) -> Config:
    """Read and check the whole file. Raises `ConfigError` with all problems, in the order of the file.

    `env` is what `${NAME}` is replaced from. `connectors` finds a connector's class by name, `jobs` names the
    jobs there are.
    """
    file = _read(path)
    problems = Problems(str(path))
    root = _substituted(yaml.parse(file.text, problems), env, problems)
    if not isinstance(root.value, dict):
        raise problems.unreadable(root.at, "must be a mapping with the key sources; see `reconcile init`")
    config = _build(root, path, problems, connectors, jobs())
    if problems or config is None:
        raise problems.error()
    warnings = _warnings(config, path) if file.open_to_others else ()
    return config.model_copy(update={"warnings": warnings, "keys": keys(env)})


@dataclass(frozen=True, slots=True)
class _File:
    text: str
    open_to_others: bool


def _read(path: Path) -> _File:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
            mode = os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        message = "not found; write one with `reconcile init`, or name yours with --config"
        raise Problems(str(path)).unreadable(None, message) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise Problems(str(path)).unreadable(None, f"cannot be read: {reason}") from None
    return _File(_decoded(content, path), bool(mode & (stat.S_IWGRP | stat.S_IWOTH)))


def _decoded(content: bytes, path: Path) -> str:
    if len(content) > LARGEST:
        raise Problems(str(path)).unreadable(None, "is larger than 1 MB; is it the right file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problems(str(path)).unreadable(None, "is not UTF-8; save it as UTF-8") from None


def _substituted(node: Node, env: Mapping[str, str], problems: Problems) -> Node:
    """The tree with every variable replaced."""
    if isinstance(node.value, dict):
        return replace(node, value={key: _substituted(n, env, problems) for key, n in node.value.items()})
    if isinstance(node.value, tuple):
        return replace(node, value=tuple(_substituted(n, env, problems) for n in node.value))
    if not isinstance(node.value, str) or node.broken:
        return node
    result = interpolate(node.value, env)
    for message in result.problems:
        problems.mark(node, message, show=False)
    return replace(node, value=result.text, from_env=result.from_env, broken=bool(result.problems))


def _build(
    root: Node, path: Path, problems: Problems, connectors: sources.Connectors, jobs: Collection[str]
) -> Config | None:
    for key in root.items.keys() - set(_SECTIONS):
        problems.add(root.items[key], invalid.unknown_key(key, _SECTIONS), at_key=True, show=False)
    found = sources.build(root, problems, connectors)
    _check_defaults(root, problems)
    rest = {key: root.items[key].plain() for key in ("ledger", "timezone", "schedules", "alerts") if key in root.items}
    context = {"sources": tuple(root.entry("sources").items), "jobs": jobs}
    try:
        return Config.model_validate({**rest, "path": path, "sources": found}, context=context, by_name=False)
    except ValidationError as error:
        invalid.report(error, root, problems)
        return None


def _check_defaults(root: Node, problems: Problems) -> None:
    defaults = root.items.get("defaults")
    if defaults:
        try:
            Tuning.model_validate(defaults.plain(), by_name=False)
        except ValidationError as error:
            invalid.report(error, defaults, problems, invalid.keys_of(Tuning))


def _warnings(config: Config, path: Path) -> tuple[str, ...]:
    """What the operator should know of a file that others may write to."""
    names_code = any(
        isinstance(source.handler, PythonHandler) or isinstance(source.recorded, RecordedCallable)
        for source in config.sources.values()
    )
    if not names_code:
        return ()
    return (f"{path}: others may write to it, and it names Python code to run; do: chmod go-w {path}",)
