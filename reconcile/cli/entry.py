"""The entry point: runs a command and turns every way it can end into an exit code and one clear message."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence

import typer
from typer.main import get_command

from reconcile.cli.app import application
from reconcile.cli.signals import Terminated, interruptible
from reconcile.cli.state import State
from reconcile.errors import ReconcileError
from reconcile.report import RunReport

#: Commands whose one JSON document is a run report, also when they fail before there is a run.
_REPORTING = ("run", "baseline")
_VALUED = ("--config", "--log-format")
#: Pydantic checks the values for typer. What it says of them, and how we say it.
_SAID = (
    ("Value error, ", ""),
    ("Input should be a valid integer.*", "must be a whole number"),
    ("Input should be greater than or equal to ([0-9]+)", r"must be \1 or more"),
    ("Input should be less than or equal to ([0-9]+)", r"must be \1 or less"),
)


def main(arguments: Sequence[str] | None = None, early: Sequence[int] = ()) -> int:
    """Run the command that `arguments` (default: the process's) name, unless signals came before; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    state = State.of_process()
    try:
        with interruptible():
            for number in early:
                signal.raise_signal(number)
            return _run(state, words)
    except typer.TyperException as error:
        return _fail(state, words, _usage(error), error.exit_code)
    except ReconcileError as error:
        return _fail(state, words, f"reconcile: {error}", error.exit_code)
    except Terminated:
        return _fail(state, words, "reconcile: interrupted", 143)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(state, words, "reconcile: interrupted", 130)
    except Exception as error:  # noqa: BLE001 - the outermost place: a bug must end in its exit code, not in a leak
        state.apologise(error)
        return _fail(state, words, f"reconcile: a bug: {type(error).__name__}", 1)


def _run(state: State, words: Sequence[str]) -> int:
    command = get_command(application([_command(words)]))
    try:
        # Not `command.main`: it would end an interrupt without our document, and a closed pipe as a bug.
        with command.make_context("reconcile", list(words), obj=state) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return 0


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    message = error.format_message()
    for theirs, ours in _SAID:
        message = re.sub(theirs, ours, message, count=1)
    hint = f"\nsee `{context.command_path} --help`" if context else ""
    # A group without a command comes as an error whose message is the whole help.
    return message if message.startswith("Usage:") else f"reconcile: {message}{hint}"


def _fail(state: State, words: Sequence[str], message: str, code: int) -> int:
    if message:
        state.output.complain(message)
    if "--json" in words and not state.output.documents:
        state.output.json(_shape(state, words) | {"error": message.removeprefix("reconcile: "), "exit_code": code})
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
