"""What a run tells while it works. The core calls these; the command line shows them, tests ignore them."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener to a run. Calls come from several threads; `key` is (source, stream)."""

    def begin(self, key: tuple[str, str], seconds: float) -> None:
        """A stream starts; `seconds` of provider time are to be read."""
        ...

    def page(self, key: tuple[str, str], listed: int, missing: int) -> None:
        """A page was judged: how many items it listed and how many of them were missed."""
        ...

    def window(self, key: tuple[str, str], seconds: float) -> None:
        """A window was covered, `seconds` long."""
        ...

    def end(self, key: tuple[str, str], error: str | None) -> None:
        """A stream ended, well or with an error."""
        ...

    def deliver(self, source: str, waiting: int) -> None:
        """A source's events go to its handler: `waiting` are to be delivered, as far as is known now."""
        ...

    def handled(self, source: str, verdict: str) -> None:
        """A handler finished with one event."""
        ...

    def ask(self, source: str, due: int) -> None:
        """A source's transactions are asked about: so many are due."""
        ...

    def asked(self, source: str, number: int) -> None:
        """Answers about so many of them were entered."""
        ...


class Silent:
    """Progress nobody watches."""

    def begin(self, key: tuple[str, str], seconds: float) -> None:
        """Say nothing."""

    def page(self, key: tuple[str, str], listed: int, missing: int) -> None:
        """Say nothing."""

    def window(self, key: tuple[str, str], seconds: float) -> None:
        """Say nothing."""

    def end(self, key: tuple[str, str], error: str | None) -> None:
        """Say nothing."""

    def deliver(self, source: str, waiting: int) -> None:
        """Say nothing."""

    def handled(self, source: str, verdict: str) -> None:
        """Say nothing."""

    def ask(self, source: str, due: int) -> None:
        """Say nothing."""

    def asked(self, source: str, number: int) -> None:
        """Say nothing."""
