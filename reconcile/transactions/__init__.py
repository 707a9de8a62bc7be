"""Transactions: what is pending at a provider, asked about on a ladder until it ends or a person settles it.

transaction.py  what is kept of one           (pure)
ladders.py      which ladder it climbs        (pure)
decide.py       what a report of it means     (pure)
telling.py      what a connector reads of transactions in a body, guarded
hearing.py      writing that down in the commit that records the body
asking.py       what is due: claimed, asked about, entered
questions.py    what is asked of a provider, and what failing answers come to
answers.py      what a question brought, and entering it
naming.py       what people and apps call one by
tracking.py     an app names one of its own
settling.py     a person settles one, or has it asked about
"""

from __future__ import annotations
