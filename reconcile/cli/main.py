"""The entry point: runs a command and turns every way it can end into an exit code and one clear message."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer
from typer.main import get_command

from reconcile.cli.app import app
from reconcile.cli.state import State
from reconcile.errors import ReconcileError
from reconcile.report import RunReport

#: Commands whose one JSON document is a run report, also when they fail before there is a run.
_REPORTING = ("run", "baseline")
_VALUED = ("--config", "--log-format")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (default: the process's) name; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    state = State.of_process()
    try:
        code = get_command(app).main(words, prog_name="reconcile", standalone_mode=False, obj=state)
        return int(code or 0)
    except typer.TyperException as error:
        return _fail(state, words, _usage(error), error.exit_code)
    except ReconcileError as error:
        return _fail(state, words, str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(state, words, "interrupted", 130)
    except Exception as error:  # noqa: BLE001 - the outermost place: a bug must end in its exit code, not in a leak
        state.apologise(error)
        return _fail(state, words, f"a bug: {type(error).__name__}", 1)


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    hint = f"\nsee `{context.command_path} --help`" if context else ""
    return f"{error.format_message()}{hint}"


def _fail(state: State, words: Sequence[str], message: str, code: int) -> int:
    if message:
        state.output.say(f"reconcile: {message}")
    if "--json" in words and not state.output.documents:
        state.output.json(_shape(state, words) | {"error": message, "exit_code": code})
    return code


def _shape(state: State, words: Sequence[str]) -> dict[str, object]:
    """What the document holds beside the error."""
    if _command(words) not in _REPORTING:
        return {}
    now = state.clock.now()
    return RunReport("", now, finished_at=now, dry_run="--dry-run" in words).as_json()


def _command(words: Sequence[str]) -> str:
    rest = iter(words)
    for word in rest:
        if word in _VALUED:
            next(rest, None)
        elif not word.startswith("-"):
            return word
    return ""
