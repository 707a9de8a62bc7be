"""Randomness that a seed repeats: ids, delays and the dice of a bad network."""

from __future__ import annotations

import random
import string
import uuid

_ALPHABET = string.digits + string.ascii_letters


class Dice(random.Random):
    """A seeded generator; never for secrets."""

    def chance(self, probability: float) -> bool:
        """True with `probability` (0 to 1)."""
        return probability > 0 and self.random() < probability

    def uuid(self) -> str:
        """A version 4 UUID."""
        return str(uuid.UUID(int=self.getrandbits(128), version=4))

    def token(self, length: int) -> str:
        """`length` letters and digits."""
        return "".join(self.choices(_ALPHABET, k=length))
