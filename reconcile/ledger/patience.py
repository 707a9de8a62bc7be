"""An end to waiting for a PostgreSQL that answers nothing: frozen, or behind a network that swallows what is sent.

Its own limits (`statement_timeout`) end nothing then, and TCP alone gives up after hours.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any


class _Silence(Exception):
    """Nothing came for as long as we wait."""


def limit(driver: Any, silent: type[Exception]) -> None:
    """Let each statement on this psycopg connection wait `driver.patience` seconds at most, for ever if that is None.

    A connection that stayed silent is closed, since nobody knows what its server makes of it, and `silent` is raised.
    """
    wait = driver.wait

    def patient(generator: Generator[Any, Any, Any], *args: Any, **named: Any) -> Any:
        if driver.patience is None:
            return wait(generator, *args, **named)
        try:
            return wait(_within(driver.patience, generator), *args, **named)
        except _Silence:
            driver.close()
            raise silent(f"the server did not answer for {driver.patience:g} s") from None

    driver.wait = patient


def _within(seconds: float, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """`generator`, which psycopg wakes ten times a second even if nothing came, to its end or for so many seconds."""
    until = time.monotonic() + seconds
    try:
        wanted = next(generator)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > until:
                raise _Silence
            wanted = generator.send(ready)
    except StopIteration as end:
        return end.value
