"""The key by which rate limits count a client: its IPv4 address, or its IPv6 network."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

IPV6_PREFIX_BITS = 64
"""One subscriber is assigned a network of this length, and can choose any address in it."""


def network_of(host: str) -> str:
    """A host that is no address (a UNIX socket has none) counts as it is."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> IPV6_PREFIX_BITS << IPV6_PREFIX_BITS)}/{IPV6_PREFIX_BITS}"
