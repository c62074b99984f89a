"""The requests to push services. A subscription's endpoint is a URL that a user gave: see `relais.ssrf_protection`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp
from django.conf import settings

from relais.db_connection import release_connection_unless_in_transaction
from relais.notifications import web_push
from relais.notifications.models import MAX_ENDPOINT_CHARACTERS, PushSubscription
from relais.ssrf_protection import AddressForbidden, check_literal, checked_session

REQUEST_TIMEOUT_SECONDS = 10.0
TIME_TO_LIVE_SECONDS = 3_600
"""How long the push service keeps it for a device that is off: « new message » helps nobody an hour later."""
DEFAULT_RETRY_SECONDS = 30
MAX_RETRY_SECONDS = 600
ALLOWED_HOSTS: frozenset[str] = frozenset()
"""Hosts exempt from the rules below, http included: none, but the double of the tests."""
PRIVATE_SUFFIXES = (".local", ".localhost", ".internal", ".lan", ".home.arpa")


class InvalidEndpoint(Exception):
    """No push service has such an address."""


class SubscriptionGone(Exception):
    """The browser's subscription has ended, or nothing can be encrypted for it: forget it."""


class PushRefused(Exception):
    """The push service will never take this message: too long, or our key or token is wrong."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"the push service answered {status}")


@dataclass
class PushUnavailable(Exception):
    """Not now: the service cannot be reached, has an error, or asks to wait."""

    retry_after_seconds: int = DEFAULT_RETRY_SECONDS


def check_endpoint(endpoint: str) -> None:
    """Refuse what cannot be a push service. Names are not looked up: that is done when something is sent."""
    try:
        parts = urlsplit(endpoint)
        host = (parts.hostname or "").rstrip(".")
        _port = parts.port
    except ValueError as error:
        raise InvalidEndpoint from error
    if len(endpoint) > MAX_ENDPOINT_CHARACTERS or not endpoint.isascii() or " " in endpoint:
        raise InvalidEndpoint
    if host in ALLOWED_HOSTS:
        return
    if parts.scheme != "https" or parts.username is not None or parts.fragment:
        raise InvalidEndpoint
    if _is_ip_address(host) or "." not in host or host.endswith(PRIVATE_SUFFIXES):
        raise InvalidEndpoint


def _is_ip_address(host: str) -> bool:
    """Also 127.1 and 0x7f.1, which resolvers take for addresses."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        last_label = host.rpartition(".")[2]
        return last_label.isdigit() or last_label.startswith("0x")
    return True


def send(subscription: PushSubscription, message: bytes, *, topic: str, at: datetime) -> None:
    """Hand it to the push service. Raises SubscriptionGone, PushRefused or PushUnavailable."""
    try:
        check_endpoint(subscription.endpoint)
        body = web_push.encrypt(message, web_push.BrowserKeys.parse(subscription.p256dh, subscription.auth))
    except (InvalidEndpoint, ValueError) as error:
        raise SubscriptionGone from error
    headers = {
        "Authorization": web_push.VapidKey(settings.VAPID_KEY).authorization(
            subscription.endpoint, contact=contact(), at=at
        ),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(TIME_TO_LIVE_SECONDS),
        # A newer message of the same topic replaces one that the device has not got yet.
        "Topic": topic,
        "Urgency": "high",
    }
    release_connection_unless_in_transaction()
    try:
        status, retry_after = asyncio.run(_post(subscription.endpoint, body, headers))
    except AddressForbidden as error:
        raise SubscriptionGone from error
    except (TimeoutError, OSError, aiohttp.ClientError) as error:
        raise PushUnavailable from error
    _raise_for_status(status, retry_after)


async def _post(endpoint: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    check_literal(urlsplit(endpoint).hostname or "", ALLOWED_HOSTS)
    async with (
        asyncio.timeout(REQUEST_TIMEOUT_SECONDS),
        checked_session(ALLOWED_HOSTS) as session,
        session.post(endpoint, data=body, headers=headers, allow_redirects=False) as response,
    ):
        return response.status, response.headers.get("Retry-After", "")


def _raise_for_status(status: int, retry_after: str) -> None:
    if 200 <= status < 300:
        return
    if status in (404, 410):
        raise SubscriptionGone
    if status == 429 or status >= 500:
        seconds = int(retry_after) if retry_after.isdigit() else DEFAULT_RETRY_SECONDS
        raise PushUnavailable(min(max(seconds, 1), MAX_RETRY_SECONDS))
    raise PushRefused(status)


def contact() -> str:
    """Where a push service finds who runs this Relais: an https address, or an e-mail."""
    base = settings.PUBLIC_BASE_URL
    return str(base) if base.startswith("https://") else f"mailto:{settings.DEFAULT_FROM_EMAIL}"
