"""Renewing credentials once for all the threads that saw them refused."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Renewal:
    """`refresh` says whether there are new credentials; None if they cannot be renewed."""

    def __init__(self, refresh: Callable[[], bool] | None) -> None:
        self.count = 0
        self._refresh = refresh
        self._lock = threading.RLock()
        self._busy = False

    def since(self, known: int) -> bool:
        """Whether there are other credentials than those of count `known`, renewing them if need be."""
        if self._refresh is None:
            return False
        with self._lock:
            if self._busy:  # the renewal's own request was refused
                return False
            if self.count == known and self._renew(self._refresh):
                self.count += 1
            return self.count != known

    def _renew(self, refresh: Callable[[], bool]) -> bool:
        self._busy = True
        try:
            return refresh()
        finally:
            self._busy = False
