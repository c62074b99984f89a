"""Calls the desk as Twilio does: signed, with time limits, tried again as the address asks for."""

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
from relais.emulator.connection_overrides import Overrides
from relais.emulator.settings import Settings
from relais.emulator.sids import new_sid

log = logging.getLogger("relais.emulator")


@dataclass
class Outcome:
    attempts: list[str] = field(default_factory=list)
    """The HTTP status of each try, or `ct` (no connection) or `rt` (no answer)."""

    @property
    def taken(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].startswith("2")


class Webhooks:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, params: Mapping[str, str], token: str = "") -> Outcome:
        """Posts until the desk takes it or the tries are used up. `token` stays the same over all tries of an event."""
        address, asked = connection_overrides.split(url)
        headers = self._headers(address, params, token or new_sid("ID"))
        deadline = time.monotonic() + asked.total / 1000
        outcome = Outcome()
        for attempt in range(asked.retries + 1):
            if attempt:
                await asyncio.sleep(self._settings.retry_pause_ms / 1000)
            left = deadline - time.monotonic()
            if left <= 0:
                break
            outcome.attempts.append(await self._try(address, params, headers, asked, left))
            if outcome.taken or not asked.retry_after(_failure(outcome.attempts[-1])):
                break
        return outcome

    async def fetch(self, url: str, most_bytes: int) -> tuple[bytes, str, str] | None:
        """Content, type and name of a MediaUrl, or None when Twilio could not have it."""
        timeout = aiohttp.ClientTimeout(total=self._settings.media_fetch_ms / 1000)
        try:
            async with self._open().get(
                self._reached(url), headers={"Host": urlsplit(url).netloc}, timeout=timeout
            ) as answer:
                content = await answer.content.read(most_bytes + 1)
                while len(content) <= most_bytes and (more := await answer.content.read(most_bytes)):
                    content += more
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
        if answer.status != 200 or len(content) > most_bytes:
            return None
        disposition = answer.content_disposition
        name = (disposition.filename if disposition else None) or urlsplit(url).path.rsplit("/", 1)[-1]
        return content, answer.content_type, name

    async def close(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def _try(
        self, url: str, params: Mapping[str, str], headers: dict[str, str], asked: Overrides, left: float
    ) -> str:
        timeout = aiohttp.ClientTimeout(
            total=left, sock_connect=asked.connect / 1000, sock_read=asked.read / 1000
        )
        try:
            async with self._open().post(
                self._reached(url),
                data=urlencode(params).encode(),
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                await answer.read()
                return str(answer.status)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ValueError) as error:
            log.warning("No connection to %s: %s", _without_secrets(url), error)
            return "ct"
        except (aiohttp.ClientError, TimeoutError) as error:
            # A connection lost before the answer counts as no answer: Twilio names no policy of its own for it.
            log.warning("No answer from %s: %s", _without_secrets(url), type(error).__name__)
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

    def _reached(self, url: str) -> URL:
        for public, real in self._settings.reach.items():
            if url.startswith(public):
                url = real + url.removeprefix(public)
                break
        # As it is: what is called must be, letter for letter, what was signed.
        return URL(url, encoded=True)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No connection is kept: the desk may close an idle one just as a POST is written into it,
            # and what is meant to test the desk's faults must have none of its own.
            connector = aiohttp.TCPConnector(force_close=True, limit=64)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def _failure(attempt: str) -> str:
    return f"{attempt[0]}xx" if attempt.isdigit() else attempt


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
