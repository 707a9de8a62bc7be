"""What the core asks of a connector, capability by capability: all that a connector's author imports.

A connector is a plain class, made once per source from its validated settings, with a frozen `facts` and whichever of
the capabilities it can honestly satisfy. It inherits nothing; jobs ask `isinstance`.

    facts.py         what is true of the provider: streams, topics, rates, statuses
    words.py         what goes in and comes out: deliveries, pages, greetings, subscriptions
    capabilities.py  the protocols
    hooks.py         small things one may have besides
    finding.py       how the core finds them, by entry point
"""

from __future__ import annotations

from reconcile.connector.capabilities import (
    Connector,
    ListsItems,
    ManagesSubscriptions,
    ReadsItems,
    Rebuilds,
    Receives,
    ReportsStatus,
    ReportsTogether,
    SeesSubscriptions,
    Signs,
)
from reconcile.connector.facts import Facts, FilterBy, StreamFacts, StreamKind, TopicFacts
from reconcile.connector.words import Delivery, Greeting, Identity, Mend, Page, StreamRef, Subscription, Wanted

__all__ = [
    "Connector",
    "Delivery",
    "Facts",
    "FilterBy",
    "Greeting",
    "Identity",
    "ListsItems",
    "ManagesSubscriptions",
    "Mend",
    "Page",
    "ReadsItems",
    "Rebuilds",
    "Receives",
    "ReportsStatus",
    "ReportsTogether",
    "SeesSubscriptions",
    "Signs",
    "StreamFacts",
    "StreamKind",
    "StreamRef",
    "Subscription",
    "TopicFacts",
    "Wanted",
]
