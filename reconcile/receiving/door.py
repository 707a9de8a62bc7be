"""Who may bring deliveries: addresses, proxies in front of us, and how many a second. No I/O."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Entries of `X-Forwarded-For` that are looked at: nobody stands behind more proxies, and each costs a comparison.
_MOST_HOPS = 32


def sender(peer: str, forwarded: str, trusted: Sequence[Network]) -> Address | None:
    """The address a request came from: the connection's, or the right-most of `X-Forwarded-For` that no trusted proxy
    has. What stands left of that one anybody may have written. None if it cannot be told.
    """
    hops = [hop for hop in forwarded.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:] if hop.strip()]
    found = _address(peer)
    while found is not None and hops and _within(found, trusted):
        found = _address(hops.pop())
    return found


def admits(address: Address | None, allowed: Sequence[Network]) -> bool:
    """Whether `address` is known and in one of the networks."""
    return address is not None and _within(address, allowed)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _address(text: str) -> Address | None:
    """`203.0.113.7`, `203.0.113.7:4711`, `2001:db8::1`, `[2001:db8::1]:4711`; IPv4 in IPv6 clothes is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found


class Throttle:
    """So many a second on average, a second's worth at once; for any number of threads."""

    def __init__(self, rate: float, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = max(1.0, rate)
        self._left = self._burst
        self._monotonic = monotonic
        self._at = monotonic()
        self._lock = threading.Lock()

    def take(self) -> int:
        """0 if one more may pass now, else the whole seconds until one may."""
        with self._lock:
            now = self._monotonic()
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left >= 1.0:
                self._left -= 1.0
                return 0
            return max(1, math.ceil((1.0 - self._left) / self._rate))
