"""Authentication of hooks: Twilio by signature, Studio's widgets also by secret, programs of the company by API token.

A call without valid credentials must cost next to nothing. It must never delay or lock out a call with valid ones, even
where all calls come from one address because a proxy does not forward the client's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from anyio import CapacityLimiter, to_thread
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from relais.accounts.bearer import TOKEN_PATTERN, bearer_token
from relais.accounts.models import ApiToken
from relais.db_connection import releasing_connection
from relais.whatsapp.inbound.auth_throttle import (
    MAX_REJECTED_CALLS,
    MAX_WRONG_CREDENTIALS,
    TOO_MANY_FAILURES,
    FailureLimiter,
)
from relais.whatsapp.inbound.raw_request import RawRequest
from relais.whatsapp.inbound.signature import (
    basic_credentials,
    doctor_probe_key,
    has_studio_secret,
    is_signed,
)

SMALL_BODY_BYTES = 16 * 1024
"""Verified on the event loop, which is faster than handing it to a thread. What Twilio sends for a message is far
smaller."""
MAX_QUEUED_CHECKS = 32


class NotAuthenticated(Exception):
    """The credentials are missing or wrong. `is_throttled`: too many were wrong, so they are not checked any more."""

    def __init__(self, *, is_throttled: bool = False) -> None:
        self.is_throttled = is_throttled
        self.status = 429 if is_throttled else 403
        super().__init__()

    @property
    def sentence(self) -> str:
        return (
            str(TOO_MANY_FAILURES) if self.is_throttled else _("La signature de l'appel n'est pas valable.")
        )


class AuthenticationOverloaded(Exception):
    """Too many calls are queued for a check of their credentials."""


class AuthenticationState:
    """What all hooks of one process share: failure counts by address, and the threads that verify large calls.

    Large calls from addresses that were rejected recently queue for a thread of their own.
    """

    def __init__(self) -> None:
        self.rejected_calls = FailureLimiter(MAX_REJECTED_CALLS)
        self.wrong_credentials = FailureLimiter(MAX_WRONG_CREDENTIALS)
        self._thread, self._thread_for_suspects = CapacityLimiter(1), CapacityLimiter(1)

    async def is_signed_by_twilio(self, raw: RawRequest, host: str) -> bool:
        if not raw.may_be_signed:
            return False
        if len(raw.body) <= SMALL_BODY_BYTES:
            return _is_signed_by_twilio(raw)
        limiter = self._thread_for_suspects if self.rejected_calls.is_exceeded(host) else self._thread
        if limiter.statistics().tasks_waiting >= MAX_QUEUED_CHECKS:
            raise AuthenticationOverloaded
        return await to_thread.run_sync(_is_signed_by_twilio, raw, limiter=limiter)

    def reset(self) -> None:
        self.rejected_calls.reset()
        self.wrong_credentials.reset()


class Authentication(ABC):
    """`host` is the client's address, as far as it is known."""

    def __init__(self, state: AuthenticationState) -> None:
        self.state = state

    @abstractmethod
    def has_plausible_credentials(self, head: RawRequest) -> bool:
        """From the headers alone: whether the call carries anything that could be valid credentials."""

    @abstractmethod
    async def check(self, raw: RawRequest, host: str) -> None:
        """Raises NotAuthenticated, or AuthenticationOverloaded when it could not be checked."""

    def is_rejected_unread(self, head: RawRequest, host: str) -> bool:
        return self.state.rejected_calls.is_exceeded(host) and not self.has_plausible_credentials(head)

    def _may_try(self, host: str) -> bool:
        """Beyond the limit, an address that sent valid credentials recently, or may stand for many, may still try:
        otherwise anyone who shares Studio's address could lock Studio out."""
        wrong = self.state.wrong_credentials
        return not wrong.is_exceeded(host) or wrong.is_trusted(host)

    def _wrong_credentials(self, host: str) -> NotAuthenticated:
        is_throttled = self.state.wrong_credentials.is_exceeded(host)
        self.state.wrong_credentials.record_failure(host)
        return NotAuthenticated(is_throttled=is_throttled)


class SignatureAuthentication(Authentication):
    def has_plausible_credentials(self, head: RawRequest) -> bool:
        return head.may_be_signed

    async def check(self, raw: RawRequest, host: str) -> None:
        if not await self.state.is_signed_by_twilio(raw, host):
            raise NotAuthenticated


class SignatureOrSecretAuthentication(SignatureAuthentication):
    def has_plausible_credentials(self, head: RawRequest) -> bool:
        return super().has_plausible_credentials(head) or bool(basic_credentials(head.authorization))

    async def check(self, raw: RawRequest, host: str) -> None:
        has_secret = bool(basic_credentials(raw.authorization))
        # The secret first: it costs one comparison, while a signature covers everything that was sent.
        secret = settings.ENVIRONMENT.studio_webhook_secret
        if has_secret and self._may_try(host) and has_studio_secret(raw, secret):
            self.state.wrong_credentials.record_success(host)
            return
        if await self.state.is_signed_by_twilio(raw, host):
            return
        raise self._wrong_credentials(host) if has_secret else NotAuthenticated


class TokenAuthentication(Authentication):
    """Looked up in the database by one thread, so that guesses do not take the threads of the hooks."""

    def __init__(self, state: AuthenticationState) -> None:
        super().__init__(state)
        self._thread = CapacityLimiter(1)

    def has_plausible_credentials(self, head: RawRequest) -> bool:
        return TOKEN_PATTERN.fullmatch(bearer_token(head.authorization)) is not None

    async def check(self, raw: RawRequest, host: str) -> None:
        if not self.has_plausible_credentials(raw):
            raise NotAuthenticated
        if not self._may_try(host):
            raise self._wrong_credentials(host)
        if self._thread.statistics().tasks_waiting >= MAX_QUEUED_CHECKS:
            raise AuthenticationOverloaded
        token = bearer_token(raw.authorization)
        if not await to_thread.run_sync(_is_known_token, token, limiter=self._thread):
            raise self._wrong_credentials(host)
        self.state.wrong_credentials.record_success(host)


def _is_signed_by_twilio(raw: RawRequest) -> bool:
    environment = settings.ENVIRONMENT
    tokens = environment.twilio_auth_tokens.values()
    return is_signed(raw, base_url=environment.public_base_url, tokens=tokens)


def is_doctor_probe(raw: RawRequest) -> bool:
    """`relais doctor` provokes a rejection on purpose: it is not counted and raises no alert."""
    environment = settings.ENVIRONMENT
    return len(raw.body) <= SMALL_BODY_BYTES and is_signed(
        raw, base_url=environment.public_base_url, tokens=[doctor_probe_key(environment.secret_key)]
    )


def _is_known_token(token: str) -> bool:
    """Raises TokenRefused when it has expired or was revoked."""
    with releasing_connection():
        return ApiToken.authenticate(token, at=timezone.now()) is not None
