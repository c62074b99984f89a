"""Who may call a hook: Twilio by its signature, Studio's widgets also by their secret, a program by its token.

Whoever cannot show any of them must cost next to nothing, and must never delay or lock out whoever can, even where all
calls come from one address because a proxy does not say for whom it calls.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from anyio import CapacityLimiter, to_thread
from django.conf import settings
from django.utils import timezone

from relais.accounts.bearer import bearer_token
from relais.accounts.models import ApiToken
from relais.db_connection import releasing_connection
from relais.whatsapp.inbound.auth_throttle import FailureLimiter
from relais.whatsapp.inbound.signature import (
    RawRequest,
    basic_credentials,
    is_signed,
    knows_the_secret,
    trial_key,
)

MAX_REFUSED_CALLS = 30
"""Refused calls of one address in a window, after which what carries no proof at all is not even read."""
MAX_SECRET_GUESSES = 100
"""Wrong secrets or tokens of one address in a window. A widget with an old secret makes one for each message."""
SMALL_BODY_BYTES = 16 * 1024
"""Checked on the loop: that takes less than handing it to a thread. What Twilio sends for a message is far smaller."""
MAX_WAITING_CHECKS = 32
TOKEN = re.compile(r"relais_[A-Za-z0-9_-]{43}")
"""As `ApiToken.create` makes them; nothing else is looked up."""


class NotAllowed(Exception):
    """Nobody we know calls. `too_many`: nor is it looked at any more who does."""

    def __init__(self, *, too_many: bool = False) -> None:
        self.too_many = too_many
        super().__init__()


class TooManyChecks(Exception):
    """More large calls wait for their signature to be checked than are worth keeping."""


class HookGuard:
    """What the hooks of one process remember of refused calls, and the threads that check large ones.

    Large calls of addresses that were refused lately wait in a lane of their own.
    """

    def __init__(self) -> None:
        self.refused_calls = FailureLimiter(MAX_REFUSED_CALLS)
        self.guesses = FailureLimiter(MAX_SECRET_GUESSES)
        self._usual_lane, self._suspect_lane = CapacityLimiter(1), CapacityLimiter(1)

    async def is_signed_by_twilio(self, raw: RawRequest, host: str) -> bool:
        if not raw.may_be_signed:
            return False
        if len(raw.body) <= SMALL_BODY_BYTES:
            return _is_signed_by_twilio(raw)
        lane = self._suspect_lane if self.refused_calls.is_exceeded(host) else self._usual_lane
        if lane.statistics().tasks_waiting >= MAX_WAITING_CHECKS:
            raise TooManyChecks
        return await to_thread.run_sync(_is_signed_by_twilio, raw, limiter=lane)

    def forget_all(self) -> None:
        self.refused_calls.forget_all()
        self.guesses.forget_all()


class Authentication(ABC):
    """`host` is the client's address, as far as it is known."""

    def __init__(self, guards: HookGuard) -> None:
        self.guards = guards

    @abstractmethod
    def may_pass(self, head: RawRequest) -> bool:
        """Told from the headers alone: whether anything was brought along that could be the right thing."""

    @abstractmethod
    async def check(self, raw: RawRequest, host: str) -> None:
        """Raises NotAllowed, or TooManyChecks when it could not be looked at."""

    def is_refused_unread(self, head: RawRequest, host: str) -> bool:
        return self.guards.refused_calls.is_exceeded(host) and not self.may_pass(head)

    def _may_guess(self, host: str) -> bool:
        """Beyond the limit, right ones still pass from where right ones came, or may come: else anyone could lock
        Studio out who shares its address."""
        guesses = self.guards.guesses
        return not guesses.is_exceeded(host) or guesses.is_proven(host)

    def _refused_guess(self, host: str) -> NotAllowed:
        too_many = self.guards.guesses.is_exceeded(host)
        self.guards.guesses.failed(host)
        return NotAllowed(too_many=too_many)


class BySignature(Authentication):
    def may_pass(self, head: RawRequest) -> bool:
        return head.may_be_signed

    async def check(self, raw: RawRequest, host: str) -> None:
        if not await self.guards.is_signed_by_twilio(raw, host):
            raise NotAllowed


class BySignatureOrSecret(BySignature):
    def may_pass(self, head: RawRequest) -> bool:
        return super().may_pass(head) or bool(basic_credentials(head.authorization))

    async def check(self, raw: RawRequest, host: str) -> None:
        guesses = bool(basic_credentials(raw.authorization))
        # The secret first: it costs one comparison, where a signature covers all that was sent.
        secret = settings.ENVIRONMENT.studio_webhook_secret
        if guesses and self._may_guess(host) and knows_the_secret(raw, secret):
            self.guards.guesses.succeeded(host)
            return
        if await self.guards.is_signed_by_twilio(raw, host):
            return
        raise self._refused_guess(host) if guesses else NotAllowed


class ByToken(Authentication):
    """Looked up in the database, by one thread, so that guesses do not take those of the hooks."""

    def __init__(self, guards: HookGuard) -> None:
        super().__init__(guards)
        self._lane = CapacityLimiter(1)

    def may_pass(self, head: RawRequest) -> bool:
        return TOKEN.fullmatch(bearer_token(head.authorization)) is not None

    async def check(self, raw: RawRequest, host: str) -> None:
        if not self.may_pass(raw):
            raise NotAllowed
        if not self._may_guess(host):
            raise self._refused_guess(host)
        if self._lane.statistics().tasks_waiting >= MAX_WAITING_CHECKS:
            raise TooManyChecks
        if not await to_thread.run_sync(_is_known_token, bearer_token(raw.authorization), limiter=self._lane):
            raise self._refused_guess(host)
        self.guards.guesses.succeeded(host)


def _is_signed_by_twilio(raw: RawRequest) -> bool:
    environment = settings.ENVIRONMENT
    tokens = (environment.twilio_auth_token, environment.twilio_auth_token_secondary)
    return is_signed(raw, base_url=environment.public_base_url, tokens=tokens)


def is_a_trial(raw: RawRequest) -> bool:
    """The refusal that `relais doctor` asks for is nobody's attempt: it turns nothing red."""
    environment = settings.ENVIRONMENT
    return len(raw.body) <= SMALL_BODY_BYTES and is_signed(
        raw, base_url=environment.public_base_url, tokens=[trial_key(environment.secret_key)]
    )


def _is_known_token(token: str) -> bool:
    """Raises TokenRefused when it was good once."""
    with releasing_connection():
        return ApiToken.authenticate(token, at=timezone.now()) is not None
