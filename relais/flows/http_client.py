"""The HTTP client for requests of flows to foreign hosts: with an allow-list, SSRF protection and a deadline.

The allow-list applies to the addresses that are connected to, and again at each redirect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

import aiohttp
from django.conf import settings
from multidict import MultiDict
from twilio.request_validator import RequestValidator
from yarl import URL

from relais.company import company_settings
from relais.db_connection import release_connection_unless_in_transaction
from relais.flows import engine, http_limits
from relais.flows.engine.limits import MAX_RESPONSE_BYTES
from relais.flows.engine.twilio_hosts import is_twilio_api, is_twilio_function
from relais.flows.outbound_request import OutboundRequest
from relais.ssrf_protection import AddressForbidden, check_literal, checked_session

SEE_OTHER_STATUSES = (301, 302, 303)


class CannotAuthenticate(Exception):
    """The request needs a Twilio account, and none is connected."""


@dataclass(frozen=True)
class FirstHop:
    """The URL of the first hop, and headers that redirects do not get."""

    url: str
    headers: Mapping[str, str]


def fetch(request: OutboundRequest) -> engine.RequestResult:
    """The response, or why there is none. Never raises: the flow has a branch for failures."""
    allowed_hosts = frozenset(company_settings.get_value(company_settings.FLOW_HOSTS))
    release_connection_unless_in_transaction()
    return send_request(request, allowed_hosts)


def send_request(request: OutboundRequest, allowed_hosts: frozenset[str]) -> engine.RequestResult:
    try:
        return asyncio.run(_request_within_deadline(request, allowed_hosts))
    except TimeoutError:
        reason = f"no whole answer within {http_limits.REQUEST_TIMEOUT_SECONDS:g} seconds"
        return engine.RequestResult.failed(request.ref, reason)
    except (AddressForbidden, CannotAuthenticate, OSError, ValueError, aiohttp.ClientError) as error:
        return engine.RequestResult.failed(request.ref, str(error) or type(error).__name__)


async def _request_within_deadline(
    request: OutboundRequest, allowed_hosts: frozenset[str]
) -> engine.RequestResult:
    first_hop = _first_hop(request)
    if first_hop.url != request.url:
        allowed_hosts |= {urlsplit(first_hop.url).hostname or ""}
    async with (
        asyncio.timeout(http_limits.REQUEST_TIMEOUT_SECONDS),
        checked_session(allowed_hosts) as session,
    ):
        return await _follow(session, request, first_hop, allowed_hosts)


async def _follow(
    session: aiohttp.ClientSession,
    request: OutboundRequest,
    first_hop: FirstHop,
    allowed_hosts: frozenset[str],
) -> engine.RequestResult:
    method, url, body = request.method, first_hop.url, request.body
    headers = dict(first_hop.headers)
    for _hop in range(http_limits.MAX_REDIRECTS + 1):
        async with _send(session, method, url, body, request, headers, allowed_hosts) as response:
            location = response.headers.get("Location")
            if not (request.follow_redirects and 300 <= response.status < 400 and location):
                return await _read(response, request.ref)
        url = urljoin(url, location)
        headers = {}
        if response.status in SEE_OTHER_STATUSES:
            method, body = "GET", ""
    return engine.RequestResult.failed(request.ref, "too many redirects")


def _send(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    body: str,
    request: OutboundRequest,
    headers: Mapping[str, str],
    allowed_hosts: frozenset[str],
) -> aiohttp.client._RequestContextManager:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AddressForbidden(f"{parts.scheme or 'no scheme'} is not a web address")
    check_literal(parts.hostname, allowed_hosts)
    if parts.username:
        user, password = unquote(parts.username), unquote(parts.password or "")
        headers = {"Authorization": aiohttp.encode_basic_auth(user, password), **headers}
    return session.request(
        method,
        URL(url).with_user(None).with_fragment(None),
        data=body.encode() if body else None,
        headers={
            "Idempotency-Key": request.key,
            "User-Agent": "Relais",
            # A compressed response could be small on the wire and large in memory.
            "Accept-Encoding": "identity",
            **({"Content-Type": request.content_type} if body else {}),
            **headers,
        },
        allow_redirects=False,
        skip_auto_headers=["Content-Type"],
    )


async def _read(response: aiohttp.ClientResponse, ref: int) -> engine.RequestResult:
    content = b""
    async for part in response.content.iter_any():
        content += part
        if len(content) > MAX_RESPONSE_BYTES:
            return engine.RequestResult.failed(
                ref, f"the answer is larger than {MAX_RESPONSE_BYTES // 1024} KB"
            )
    return engine.RequestResult(
        ref,
        status=response.status,
        content_type=response.headers.get("Content-Type", ""),
        body=content.decode("utf-8", "replace"),
        headers=dict(response.headers),
    )


# -- requests to Twilio -----------------------------------------------------------------------------------


def _first_hop(request: OutboundRequest) -> FirstHop:
    """With Twilio's credentials for its API, or its signature for its Functions; never for other hosts."""
    environment = settings.ENVIRONMENT
    sid, token = environment.twilio_account_sid, environment.twilio_auth_token
    if request.authentication == "twilio_credentials":
        if not is_twilio_api(request.url):
            raise AddressForbidden("Twilio's credentials are sent to Twilio only")
        if not (sid and token) or (settings.DEMO and not environment.twilio_api_base_url):
            raise CannotAuthenticate("no Twilio account is connected")
        return FirstHop(_at_api_base(request.url), {"Authorization": aiohttp.encode_basic_auth(sid, token)})
    if request.authentication == "twilio_signature" and token and is_twilio_function(request.url):
        return FirstHop(request.url, {"X-Twilio-Signature": _signature(request, token)})
    return FirstHop(request.url, {})


def _at_api_base(url: str) -> str:
    """The URL with the scheme and host of `TWILIO_API_BASE_URL`, if that is set."""
    base = settings.ENVIRONMENT.twilio_api_base_url
    if not base:
        return url
    parts = urlsplit(url)
    return base.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")


def _signature(request: OutboundRequest, token: str) -> str:
    """Twilio's signature of a function call, as Studio computes it: over the URL as sent and the form fields."""
    fields = MultiDict(parse_qsl(request.body, keep_blank_values=True))
    url = str(URL(request.url).with_user(None).with_fragment(None))
    return str(RequestValidator(token).compute_signature(url, fields))
