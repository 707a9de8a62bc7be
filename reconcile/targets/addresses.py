"""Addresses nothing is ever sent to: those where clouds keep a machine's credentials. Pure.

The operator names the handler, so this machine and private networks are legitimate; what answers on a metadata
address never is a handler, however a name came to resolve to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

_FORBIDDEN = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",  # link-local: AWS, Google, Azure, DigitalOcean, OpenStack; containers on ECS and EKS
            "fe80::/10",  # link-local
            "fd00:ec2::/32",  # AWS
            "fd20:ce::/32",  # Google
            "100.100.100.200/32",  # Alibaba
            "192.0.0.192/32",  # Oracle
            "168.63.129.16/32",  # Azure's host
        ),
    )
)
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))  # RFC 6052, RFC 8215
_COMPATIBLE = IPv6Network("::/96")


def forbidden(text: str) -> bool:
    """Whether `text`, an address as the resolver gives it, leads to metadata, also through an IPv6 form of IPv4."""
    address = ip_address(text.partition("%")[0])
    return any(one in network for one in (address, *_inside(address)) for network in _FORBIDDEN)


def _inside(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses an IPv6 one stands for: mapped, compatible, NAT64, 6to4, Teredo."""
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in (*_NAT64, _COMPATIBLE)):
        yield IPv4Address(int(address) & 0xFFFF_FFFF)
