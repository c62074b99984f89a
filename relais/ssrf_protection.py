"""HTTP to hosts that others name: only to public addresses, checked on the address that is connected to.

Against SSRF: a flow, or a browser's push subscription, names a URL that this server then requests.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from relais.public_addresses import is_public

_resolver_pool = ThreadPoolExecutor(16, thread_name_prefix="resolve")
"""A look-up cannot be interrupted: it may outlast its request, for as long as the system's resolver tries."""


class AddressForbidden(Exception):
    """Nobody may make this server reach this address."""


def checked_session(allowed_hosts: frozenset[str]) -> aiohttp.ClientSession:
    """A session that connects to public addresses and `allowed_hosts` only. Pass each URL's host to `check_literal`."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=_CheckedResolver(allowed_hosts), use_dns_cache=False, force_close=True
        ),
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


class _CheckedResolver(AbstractResolver):
    """Resolves to allowed addresses only; aiohttp connects to what it returns, so DNS rebinding is not possible."""

    def __init__(self, allowed_hosts: frozenset[str]) -> None:
        self._allowed_hosts = allowed_hosts

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = await asyncio.get_running_loop().run_in_executor(
            _resolver_pool, _resolve, host, port, family
        )
        allowed = [result for result in addresses if _may_reach(result["host"], host, self._allowed_hosts)]
        if not allowed:
            raise AddressForbidden(f"{host} is not a public address")
        return allowed

    async def close(self) -> None:
        pass


def _resolve(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    return [
        ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=0)
        for kind, _type, protocol, _name, address in socket.getaddrinfo(
            host, port, family, socket.SOCK_STREAM
        )
    ]


def check_literal(host: str, allowed_hosts: frozenset[str]) -> None:
    """Check an IP address in place of a host name, which the resolver never sees. Raises AddressForbidden."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return
    if not _may_reach(host, host, allowed_hosts):
        raise AddressForbidden(f"{host} is not a public address")


def _may_reach(address: str, host: str, allowed_hosts: frozenset[str]) -> bool:
    """Public addresses, and the allowed hosts; never a private network by a name that resolves to it."""
    return is_public(address) or host in allowed_hosts
