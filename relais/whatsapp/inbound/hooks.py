"""What Twilio and Studio call: native routes that check, in this order, method, size, signature, fields, ids.

Nothing is acknowledged before it is stored; what cannot be stored is answered 503, and Twilio tries again.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

from anyio import CapacityLimiter, fail_after, to_thread
from django.db import DatabaseError, InterfaceError
from django.utils import timezone
from django.utils.translation import gettext as _
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from relais.accounts.bearer import bearer_token
from relais.accounts.models import ApiToken, TokenRefused
from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import InboundMessage, IngestedMessage
from relais.db_connection import releasing_connection
from relais.whatsapp import connection_status, metrics
from relais.whatsapp.inbound import studio_hooks
from relais.whatsapp.inbound.authentication import (
    Authentication,
    BySignature,
    BySignatureOrSecret,
    ByToken,
    HookGuard,
    NotAllowed,
    TooManyChecks,
    is_a_trial,
)
from relais.whatsapp.inbound.batch_connection import DatabaseLine
from relais.whatsapp.inbound.batcher import Gather, NotTaken
from relais.whatsapp.inbound.messages import message_of
from relais.whatsapp.inbound.params import Invalid, Params, params_of
from relais.whatsapp.inbound.send_api import send_message
from relais.whatsapp.inbound.signature import RawRequest
from relais.whatsapp.inbound.status_callbacks import News, hear, news_of

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Answer = TypeVar("Answer")
LARGEST = 256 * 1024
MAX_FORM_FIELDS = 500
"""Twilio sends fewer than a hundred; each costs time before it is known who sent them."""
LONGEST = 10.0
"""Seconds that a call may take; Twilio waits 15 for an answer."""
HEADERS = {405: {"Allow": "POST"}, 429: {"Retry-After": "300"}, 503: {"Retry-After": "5"}}
# Bounded, so that a flood of hooks never takes all of the database's connections; programs apart, so that they never
# hold up Studio.
_studio_threads = CapacityLimiter(4)
_program_threads = CapacityLimiter(2)


class Refused(Exception):
    """An answer other than 200, as a sentence and never as another exception's text."""

    def __init__(self, status: int, sentence: str, **more: Any) -> None:
        self.status, self.sentence, self.more = status, sentence, more
        super().__init__(sentence)


@dataclass(frozen=True)
class Hook(ABC):
    path: str
    authentication: Authentication

    async def __call__(self, scope: Scope, ingest: Receive, send: Send) -> None:
        begun = time.perf_counter()
        response = await self._response(Request(scope, ingest))
        metrics.hook_answered(self.path, response.status_code, time.perf_counter() - begun)
        await response(scope, ingest, send)

    async def _response(self, request: Request) -> Response:
        try:
            if request.method != "POST":
                raise Refused(405, _("Seul POST est entendu ici."))
            return await self.answered(await self._admitted(request))
        except Refused as refused:
            return _refusal(refused)
        except ClientDisconnect:
            return Response(status_code=400)

    async def _admitted(self, request: Request) -> RawRequest:
        """The whole call, once it is known who makes it."""
        host = request.client.host if request.client else ""
        size, head = _declared_size(request), _head(request)
        # A body without a declared size is read all the same: it may be too large, which is said first.
        if size is not None and self.authentication.is_refused_unread(head, host):
            raise self._not_allowed(head, host, NotAllowed(), reason="unread")
        raw = replace(head, body=await _body(request))
        if raw.field_count > MAX_FORM_FIELDS:
            metrics.call_refused(self.path, "fields")
            raise Refused(413, _("Le formulaire compte plus de %(most)s champs.") % {"most": MAX_FORM_FIELDS})
        with self.refusing():
            try:
                await self.authentication.check(raw, host)
            except NotAllowed as refused:
                raise self._not_allowed(raw, host, refused) from None
        return raw

    def _not_allowed(self, raw: RawRequest, host: str, refused: NotAllowed, *, reason: str = "") -> Refused:
        if not is_a_trial(raw):
            connection_status.refused_signature(self.path)
            self.authentication.guards.refused_calls.failed(host)
            metrics.call_refused(self.path, reason or ("guesses" if refused.too_many else "credentials"))
        if refused.too_many:
            return Refused(429, _("Trop d'essais manqués. Attendez cinq minutes, puis réessayez."))
        return Refused(403, _("La signature de l'appel n'est pas valable."))

    @abstractmethod
    async def answered(self, raw: RawRequest) -> Response:
        """`raw` comes from who may call."""

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Whatever went wrong, as an answer."""
        try:
            yield
        except Invalid as invalid:
            raise Refused(422, str(invalid), errors=invalid.errors) from invalid
        except studio_hooks.Unknown as unknown:
            raise Refused(404, str(unknown)) from unknown
        except TokenRefused as refused:
            raise Refused(403, str(refused)) from refused
        except TooManyChecks as error:
            metrics.call_refused(self.path, "checks")
            raise _not_now() from error
        except (DatabaseError, InterfaceError, NotTaken, TimeoutError) as error:
            log.error("call not stored", extra={"path": self.path, "error": type(error).__name__})
            raise _not_now() from error
        except Refused:
            raise
        except Exception as error:
            log.exception("hook failed", extra={"path": self.path})
            raise Refused(500, _("Une erreur est survenue. Elle est notée dans le journal.")) from error


@dataclass(frozen=True)
class OneByOne(Hook):
    """Carried out in a thread and a transaction of its own."""

    answer: Callable[[Params, RawRequest], Response]
    threads: CapacityLimiter = _studio_threads

    async def answered(self, raw: RawRequest) -> Response:
        with self.refusing(), fail_after(LONGEST):
            # Left alone when it hangs: it ends with its connection, and there are few of those.
            return await to_thread.run_sync(self._answer, raw, limiter=self.threads, abandon_on_cancel=True)

    def _answer(self, raw: RawRequest) -> Response:
        with releasing_connection(), self.refusing():
            return self.answer(params_of(raw), raw)


@dataclass(frozen=True)
class Gathered(Hook, Generic[Item, Answer]):
    """Checked at once, carried out with what else has come in, answered after the commit."""

    read: Callable[[Params, RawRequest], Item]
    gather: Gather[Item, Answer]
    tell: Callable[[Answer, Item], Response]

    async def answered(self, raw: RawRequest) -> Response:
        with self.refusing():
            item = self.read(params_of(raw), raw)
            return self.tell(await self.gather.take(item), item)


def _declared_size(request: Request) -> int | None:
    """Raises Refused when it is too large, before anything of it is read."""
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else None
    if size is not None and size > LARGEST:
        raise _too_large()
    return size


def _head(request: Request) -> RawRequest:
    # Of a header that stands twice the first counts.
    headers: dict[bytes, bytes] = dict(reversed(request.scope["headers"]))

    def header(name: bytes) -> str:
        return headers.get(name, b"").decode("latin-1")

    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return RawRequest(
        path=raw_path.partition(b"?")[0].decode("latin-1"),
        query=request.scope["query_string"].decode("latin-1"),
        content_type=header(b"content-type").partition(";")[0].strip().lower(),
        body=b"",
        signature=header(b"x-twilio-signature"),
        authorization=header(b"authorization"),
    )


async def _body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > LARGEST:
            raise _too_large()
    return b"".join(chunks)


def _too_large() -> Refused:
    return Refused(413, _("Le corps dépasse 256 ko."))


def _not_now() -> Refused:
    return Refused(503, _("Le message n'a pas pu être enregistré. Réessayez."))


def _refusal(refused: Refused) -> JSONResponse:
    answer = {"success": "false", "error": refused.sentence} | refused.more
    return JSONResponse(answer, refused.status, HEADERS.get(refused.status))


# -- what each answers -------------------------------------------------------------------------------


def _store(messages: Sequence[InboundMessage]) -> list[IngestedMessage]:
    received = ingest(messages, at=timezone.now())
    return [received[message.sid] for message in messages]


def _of_our_bot(params: Params, raw: RawRequest) -> InboundMessage:
    return message_of(params, bot_here=True)


def _of_studio_s_bot(params: Params, raw: RawRequest) -> InboundMessage:
    return message_of(params, bot_here=False)


def _nothing_to_say(received: IngestedMessage, inbound: InboundMessage) -> Response:
    """A client wrote and the bot runs here: all we say goes out by REST."""
    return Response("<Response/>", media_type="text/xml")


def _told_to_studio(received: IngestedMessage, inbound: InboundMessage) -> Response:
    return JSONResponse(studio_hooks.answer_incoming(received, inbound))


def _hear(news: Sequence[News]) -> list[None]:
    hear(news, at=timezone.now())
    return [None] * len(news)


def _news(params: Params, raw: RawRequest) -> News:
    return news_of(params, query=raw.query)


def _heard(nothing: None, news: News) -> Response:
    return Response(status_code=204)


def _of_studio(verb: Callable[[Params], dict[str, Any]]) -> Callable[[Params, RawRequest], Response]:
    return lambda params, raw: JSONResponse({"success": "true"} | verb(params))


def _send_message(params: Params, raw: RawRequest) -> Response:
    status_code, answer = send_message(
        params, program=ApiToken.authenticate(bearer_token(raw.authorization), at=timezone.now())
    )
    return JSONResponse(answer, status_code)


def _plain(
    path: str,
    authentication: Authentication,
    read: Callable[[Params, RawRequest], Item],
    gather: Gather[Item, Answer],
    tell: Callable[[Answer, Item], Response],
) -> Hook:
    """The same one by one, each in a transaction of its own, as a door without gathering does."""

    def answer(params: Params, raw: RawRequest) -> Response:
        item = read(params, raw)
        return tell(gather.work([item])[0], item)

    return OneByOne(path, authentication, answer)


class Door:
    """The hooks of one web process and what gathers behind them. Without gathering it is the plain door, kept to be
    measured beside."""

    def __init__(self, *, gathers: bool = True) -> None:
        self.messages = Gather(
            _store, line=DatabaseLine(), carried_out=partial(metrics.batch_stored, "messages")
        )
        self.statuses = Gather(
            _hear, line=DatabaseLine(), carried_out=partial(metrics.batch_stored, "statuses")
        )
        hook = Gathered if gathers else _plain
        self.guards = HookGuard()
        from_twilio, from_studio = BySignature(self.guards), BySignatureOrSecret(self.guards)
        self.hooks: tuple[Hook, ...] = (
            hook("/api/twilio/message", from_twilio, _of_our_bot, self.messages, _nothing_to_say),
            hook("/api/twilio/status", from_twilio, _news, self.statuses, _heard),
            hook(
                "/api/twilio/incoming",
                from_studio,
                _of_studio_s_bot,
                self.messages,
                _told_to_studio,
            ),
            OneByOne("/api/twilio/menu-choice", from_studio, _of_studio(studio_hooks.menu_choice)),
            OneByOne("/api/twilio/free-input", from_studio, _of_studio(studio_hooks.free_input)),
            OneByOne("/api/twilio/agent-transfer", from_studio, _of_studio(studio_hooks.agent_transfer)),
            OneByOne("/api/twilio/complete", from_studio, _of_studio(studio_hooks.complete)),
            OneByOne("/api/twilio/send-message", ByToken(self.guards), _send_message, _program_threads),
        )
        self.routes = [Route(hook.path, hook) for hook in self.hooks]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await to_thread.run_sync(self.close)

    def close(self) -> None:
        """What was taken in is carried out; whoever comes later is refused. Called when all have been answered."""
        gathers = (self.messages, self.statuses)
        for gather in gathers:
            gather.close()
        for gather in gathers:
            gather.stop(patience=1)
