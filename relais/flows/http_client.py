"""Requests of a flow to foreign hosts: only where they may go, and never for longer than the deadline.

Where is checked on the addresses that are connected to, and again at each redirect.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from django.db import connection
from multidict import MultiDict
from twilio.request_validator import RequestValidator
from yarl import URL

from relais.company import company_settings
from relais.flows import engine
from relais.flows.engine.twilio_hosts import is_twilio_api, is_twilio_function
from relais.flows.public_addresses import is_public
from relais.flows.runner import Errand

REQUEST_TIMEOUT_SECONDS = 10.0
"""For everything together: name resolution, connecting, headers, body and redirects."""
MAX_ANSWER_BYTES = 64 * 1024
MAX_REDIRECTS = 5
SEE_OTHER = (301, 302, 303)
_resolving = ThreadPoolExecutor(16, thread_name_prefix="resolve")
"""A look-up cannot be interrupted: it may outlast its request here, for as long as the system's resolver tries."""


class Forbidden(Exception):
    """An address that no flow may reach."""


class CannotAuthenticate(Exception):
    """The request needs an account at Twilio, and none is connected."""


@dataclass(frozen=True)
class Destination:
    """Where the first request goes, and what only it carries."""

    url: str
    headers: Mapping[str, str]


def fetch(errand: Errand) -> engine.Answered:
    """The answer, or why there is none. Never raises: a flow has a branch for it."""
    allowed_hosts = frozenset(company_settings.get_value(company_settings.FLOW_HOSTS))
    if not connection.in_atomic_block:
        # A slow host keeps a job waiting, never one of the database's few connections.
        connection.close()
    return request(errand, allowed_hosts)


def request(errand: Errand, allowed_hosts: frozenset[str]) -> engine.Answered:
    try:
        return asyncio.run(_request_within_deadline(errand, allowed_hosts))
    except TimeoutError:
        why = f"no whole answer within {REQUEST_TIMEOUT_SECONDS:g} seconds"
        return engine.Answered.failed(errand.ref, why)
    except (Forbidden, CannotAuthenticate, OSError, ValueError, aiohttp.ClientError) as error:
        return engine.Answered.failed(errand.ref, str(error) or type(error).__name__)


async def _request_within_deadline(errand: Errand, allowed_hosts: frozenset[str]) -> engine.Answered:
    destination = _authenticated(errand)
    if destination.url != errand.url:
        allowed_hosts |= {urlsplit(destination.url).hostname or ""}
    async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS), _session(allowed_hosts) as session:
        return await _follow(session, errand, destination, allowed_hosts)


async def _follow(
    session: aiohttp.ClientSession, errand: Errand, destination: Destination, allowed_hosts: frozenset[str]
) -> engine.Answered:
    method, url, body = errand.method, destination.url, errand.body
    headers = dict(destination.headers)
    for _hop in range(MAX_REDIRECTS + 1):
        async with _ask(session, method, url, body, errand, headers, allowed_hosts) as response:
            location = response.headers.get("Location")
            if not (errand.follow_redirects and 300 <= response.status < 400 and location):
                return await _read(response, errand.ref)
        url = urljoin(url, location)
        headers = {}
        if response.status in SEE_OTHER:
            method, body = "GET", ""
    return engine.Answered.failed(errand.ref, "too many redirects")


def _ask(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    body: str,
    errand: Errand,
    headers: Mapping[str, str],
    allowed_hosts: frozenset[str],
) -> aiohttp.client._RequestContextManager:
    asked = urlsplit(url)
    if asked.scheme not in ("http", "https") or not asked.hostname:
        raise Forbidden(f"{asked.scheme or 'no scheme'} is not a web address")
    _check_literal(asked.hostname, allowed_hosts)
    if asked.username:
        user, password = unquote(asked.username), unquote(asked.password or "")
        headers = {"Authorization": aiohttp.encode_basic_auth(user, password), **headers}
    return session.request(
        method,
        URL(url).with_user(None).with_fragment(None),
        data=body.encode() if body else None,
        headers={
            "Idempotency-Key": errand.key,
            "User-Agent": "Relais",
            # A compressed answer could be small on the wire and large in memory.
            "Accept-Encoding": "identity",
            **({"Content-Type": errand.content_type} if body else {}),
            **headers,
        },
        allow_redirects=False,
        skip_auto_headers=["Content-Type"],
    )


async def _read(response: aiohttp.ClientResponse, ref: int) -> engine.Answered:
    content = b""
    async for part in response.content.iter_any():
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            return engine.Answered.failed(ref, f"the answer is larger than {MAX_ANSWER_BYTES // 1024} KB")
    return engine.Answered(
        ref,
        status=response.status,
        content_type=response.headers.get("Content-Type", ""),
        body=content.decode("utf-8", "replace"),
        headers=dict(response.headers),
    )


# -- to Twilio itself -------------------------------------------------------------------------------------


def _authenticated(errand: Errand) -> Destination:
    """Twilio's credentials go to its API, its signature to its Functions, and neither anywhere else."""
    environment = settings.ENVIRONMENT
    sid, token = environment.twilio_account_sid, environment.twilio_auth_token
    if errand.authentication == "twilio_credentials":
        if not is_twilio_api(errand.url):
            raise Forbidden("Twilio's credentials are sent to Twilio only")
        if not (sid and token) or (settings.DEMO and not environment.twilio_api_base_url):
            raise CannotAuthenticate("no Twilio account is connected")
        return Destination(_at_double(errand.url), {"Authorization": aiohttp.encode_basic_auth(sid, token)})
    if errand.authentication == "twilio_signature" and token and is_twilio_function(errand.url):
        return Destination(errand.url, {"X-Twilio-Signature": _signature(errand, token)})
    return Destination(errand.url, {})


def _at_double(url: str) -> str:
    """The same path where a double stands in for Twilio."""
    base = settings.ENVIRONMENT.twilio_api_base_url
    if not base:
        return url
    asked = urlsplit(url)
    return base.rstrip("/") + asked.path + (f"?{asked.query}" if asked.query else "")


def _signature(errand: Errand, token: str) -> str:
    """As Studio signs a call of a function: over the address as it is sent and the fields of the form."""
    fields = MultiDict(parse_qsl(errand.body, keep_blank_values=True))
    url = str(URL(errand.url).with_user(None).with_fragment(None))
    return str(RequestValidator(token).compute_signature(url, fields))


# -- where it may go --------------------------------------------------------------------------------------


def _session(allowed_hosts: frozenset[str]) -> aiohttp.ClientSession:
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
    """Answers with public addresses only: what it answers is what is connected to."""

    def __init__(self, allowed_hosts: frozenset[str]) -> None:
        self._allowed_hosts = allowed_hosts

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().run_in_executor(_resolving, _look_up, host, port, family)
        allowed = [result for result in found if _may_reach(result["host"], host, self._allowed_hosts)]
        if not allowed:
            raise Forbidden(f"{host} is not a public address")
        return allowed

    async def close(self) -> None:
        pass


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    return [
        ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=0)
        for kind, _type, protocol, _name, address in socket.getaddrinfo(
            host, port, family, socket.SOCK_STREAM
        )
    ]


def _check_literal(host: str, allowed_hosts: frozenset[str]) -> None:
    """An address in place of a name is not looked up."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return
    if not _may_reach(host, host, allowed_hosts):
        raise Forbidden(f"{host} is not a public address")


def _may_reach(address: str, host: str, allowed_hosts: frozenset[str]) -> bool:
    """Public addresses, and hosts that an admin listed; never our own networks by a name that points there."""
    return is_public(address) or host in allowed_hosts
