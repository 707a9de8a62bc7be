"""Transactions: what is pending at a provider, asked about on a ladder until it ends or a person settles it.

How they become known and end (`hearing`), what is asked when (`asking`), what an answer means (`decide`, pure).
"""

from __future__ import annotations
