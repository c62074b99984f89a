"""Decides which IP addresses are public, by IANA's special-purpose registries.

Python's `is_global` is true for several blocks that lead into private networks, and differs between versions.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, ip_address, ip_network

NOT_PUBLIC_IPV4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by providers
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's platform service: public by number, answered by the host machine
        "169.254.0.0/16",  # link-local, with the metadata services of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, with broadcast
    )
)
GLOBAL_UNICAST_IPV6 = ip_network("2000::/3")
"""All that IANA assigns. Outside are loopback, IPv4 in IPv6, NAT64, unique local, link- and site-local, multicast."""
NOT_PUBLIC_IPV6 = tuple(
    ip_network(block)
    for block in (
        "2001::/23",  # IETF protocol assignments: Teredo (an IPv4 address within), benchmarking, ORCHID, …
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address within
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone, given back
        "3fff::/20",  # documentation
    )
)


def is_public(address: str) -> bool:
    """Raises ValueError if the text is not an IP address."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        return ip in GLOBAL_UNICAST_IPV6 and not any(ip in block for block in NOT_PUBLIC_IPV6)
    return not any(ip in block for block in NOT_PUBLIC_IPV4)
