"""Requests of a flow to foreign hosts: only where they may go.

That is checked once the name is resolved, and again at each redirect.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from urllib.parse import urljoin, urlsplit

import urllib3

from relais.company import words
from relais.flows import engine
from relais.flows.runner import Errand

SECONDS = 10.0
LARGEST = 64 * 1024
MOST_REDIRECTS = 5
SEE_OTHER = (301, 302, 303)


class Forbidden(Exception):
    """An address that no flow may reach."""


def fetch(errand: Errand) -> engine.Answered:
    """The answer, or why there is none. Never raises: a flow has a branch for it."""
    deadline = time.monotonic() + SECONDS
    method, url, body = errand.method, errand.url, errand.body
    try:
        for _hop in range(MOST_REDIRECTS + 1):
            answer = _ask(method, url, body, errand, deadline)
            location = answer.headers.get("Location")
            if not (300 <= answer.status < 400 and location):
                return _told(answer, errand.ref, deadline)
            answer.close()
            url = urljoin(url, location)
            if answer.status in SEE_OTHER:
                method, body = "GET", ""
        return engine.Answered.failed(errand.ref, "too many redirects")
    except (Forbidden, TimeoutError, OSError, ValueError, urllib3.exceptions.HTTPError) as error:
        return engine.Answered.failed(errand.ref, str(error) or type(error).__name__)


def _ask(method: str, url: str, body: str, errand: Errand, deadline: float) -> urllib3.BaseHTTPResponse:
    asked = urlsplit(url)
    if asked.scheme not in ("http", "https") or not asked.hostname:
        raise Forbidden(f"{asked.scheme or 'no scheme'} is not a web address")
    port = asked.port or (443 if asked.scheme == "https" else 80)
    address = _allowed_address(asked.hostname, port)
    timeout = urllib3.Timeout(total=max(0.1, deadline - time.monotonic()))
    pool: urllib3.HTTPConnectionPool
    # Connected to the address that was checked: a second look-up could answer otherwise.
    if asked.scheme == "https":
        pool = urllib3.HTTPSConnectionPool(
            address, port, timeout=timeout, server_hostname=asked.hostname, assert_hostname=asked.hostname
        )
    else:
        pool = urllib3.HTTPConnectionPool(address, port, timeout=timeout)
    headers = {"Host": asked.netloc.rpartition("@")[2], "Idempotency-Key": errand.key, "User-Agent": "Relais"}
    if asked.username:
        headers |= urllib3.make_headers(basic_auth=f"{asked.username}:{asked.password or ''}")
    if body:
        headers["Content-Type"] = errand.content_type
    path = asked.path or "/"
    return pool.urlopen(
        method,
        path + (f"?{asked.query}" if asked.query else ""),
        body=body.encode() if body else None,
        headers=headers,
        redirect=False,
        retries=False,
        preload_content=False,
        assert_same_host=False,
    )


def _told(answer: urllib3.BaseHTTPResponse, ref: int, deadline: float) -> engine.Answered:
    content = b""
    with answer:
        for part in answer.stream(8192):
            content += part
            if len(content) > LARGEST:
                return engine.Answered.failed(ref, "the answer is larger than 64 KB")
            if time.monotonic() > deadline:
                return engine.Answered.failed(ref, "no whole answer within 10 seconds")
    kind = answer.headers.get("Content-Type", "")
    return engine.Answered(
        ref, status=answer.status, content_type=kind, body=content.decode("utf-8", "replace")
    )


def _allowed_address(host: str, port: int) -> str:
    found = [info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    allowed = [str(address) for address in found if _may_reach(str(address), host)]
    if not allowed:
        raise Forbidden(f"{host} is not a public address")
    return allowed[0]


def _may_reach(address: str, host: str) -> bool:
    """Public addresses, and hosts that an admin listed; never our own networks by a name that points there."""
    public = ipaddress.ip_address(address.partition("%")[0]).is_global
    return public or host in words.value_of(words.FLOW_HOSTS)
