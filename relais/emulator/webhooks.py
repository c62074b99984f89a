"""Calls the desk as Twilio does: signed, with timeouts, and retried according to the connection overrides."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import aiohttp
from twilio.request_validator import RequestValidator
from yarl import URL

from relais.emulator import connection_overrides
from relais.emulator.connection_overrides import ConnectionOverrides
from relais.emulator.settings import DoubleSettings
from relais.emulator.sids import new_sid

log = logging.getLogger("relais.emulator")


@dataclass
class WebhookResult:
    attempts: list[str] = field(default_factory=list)
    """For each attempt the HTTP status, `ct` (connection failed) or `rt` (no response in time)."""

    @property
    def is_accepted(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].startswith("2")


class WebhookClient:
    def __init__(self, settings: DoubleSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, params: Mapping[str, str], token: str = "") -> WebhookResult:
        """Post until the desk accepts it or no retry is left. The idempotency `token` is the same for all attempts."""
        address, overrides = connection_overrides.parse_url(url)
        headers = self._headers(address, params, token or new_sid("ID"))
        deadline = time.monotonic() + overrides.total_ms / 1000
        result = WebhookResult()
        for attempt in range(overrides.retries + 1):
            if attempt:
                await asyncio.sleep(self._settings.retry_pause_ms / 1000)
            left = deadline - time.monotonic()
            if left <= 0:
                break
            result.attempts.append(await self._try(address, params, headers, overrides, left))
            if result.is_accepted or not overrides.retries_after(_failure(result.attempts[-1])):
                break
        return result

    async def fetch(self, url: str, max_bytes: int) -> tuple[bytes, str, str] | None:
        """Content, content type and file name of a MediaUrl, or None if it cannot be fetched."""
        timeout = aiohttp.ClientTimeout(total=self._settings.media_fetch_ms / 1000)
        try:
            async with self._open_session().get(
                self._rewrite(url), headers={"Host": urlsplit(url).netloc}, timeout=timeout
            ) as response:
                content = await response.content.read(max_bytes + 1)
                while len(content) <= max_bytes and (more := await response.content.read(max_bytes)):
                    content += more
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
        if response.status != 200 or len(content) > max_bytes:
            return None
        disposition = response.content_disposition
        name = (disposition.filename if disposition else None) or urlsplit(url).path.rsplit("/", 1)[-1]
        return content, response.content_type, name

    async def close(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def _try(
        self,
        url: str,
        params: Mapping[str, str],
        headers: dict[str, str],
        overrides: ConnectionOverrides,
        left: float,
    ) -> str:
        timeout = aiohttp.ClientTimeout(
            total=left, sock_connect=overrides.connect_ms / 1000, sock_read=overrides.read_ms / 1000
        )
        try:
            async with self._open_session().post(
                self._rewrite(url),
                data=urlencode(params).encode(),
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                await response.read()
                return str(response.status)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ValueError) as error:
            log.warning("No connection to %s: %s", _without_secrets(url), error)
            return "ct"
        except (aiohttp.ClientError, TimeoutError) as error:
            # A connection lost before the response counts as `rt`: Twilio has no retry policy of its own for it.
            log.warning("No response from %s: %s", _without_secrets(url), type(error).__name__)
            return "rt"

    def _headers(self, url: str, params: Mapping[str, str], token: str) -> dict[str, str]:
        signature = RequestValidator(self._settings.auth_token).compute_signature(url, dict(params))
        return {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "Host": urlsplit(url).netloc.rpartition("@")[2],
            "I-Twilio-Idempotency-Token": token,
            "User-Agent": "TwilioProxy/1.1",
            "X-Twilio-Signature": signature,
        }

    def _rewrite(self, url: str) -> URL:
        for public, real in self._settings.reach.items():
            if url.startswith(public):
                url = real + url.removeprefix(public)
                break
        # encoded=True: the URL called must be exactly the one that was signed.
        return URL(url, encoded=True)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No keep-alive: the desk may close an idle connection while a POST is written to it, and a tool
            # that injects faults must not add any of its own.
            connector = aiohttp.TCPConnector(force_close=True, limit=64)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def _failure(attempt: str) -> str:
    return f"{attempt[0]}xx" if attempt.isdigit() else attempt


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
