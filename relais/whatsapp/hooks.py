"""What Twilio and Studio call: native routes that check, in this order, method, size, signature, fields, ids.

Nothing is acknowledged before it is stored; what cannot be stored is answered 503, and Twilio tries again.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from anyio import CapacityLimiter, fail_after, to_thread
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from django.utils.translation import gettext as _
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from relais.accounts.models import ApiToken, TokenRefused
from relais.conversations.receive import InboundMessage, Received, receive
from relais.whatsapp import measures, state, studio
from relais.whatsapp.api import send_message
from relais.whatsapp.database_line import DatabaseLine
from relais.whatsapp.delivery import News, hear, news_of
from relais.whatsapp.gather import Gather, NotTaken
from relais.whatsapp.inbound import message_of
from relais.whatsapp.params import Invalid, Params, params_of
from relais.whatsapp.signature import RawRequest, bearer, is_signed, knows_the_secret, trial_key

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Answer = TypeVar("Answer")
LARGEST = 256 * 1024
LONGEST = 10.0
"""Seconds that a call may take; Twilio waits 15 for an answer."""
HEADERS = {405: {"Allow": "POST"}, 503: {"Retry-After": "5"}}
# Bounded, so that a flood of hooks never takes all of the database's connections.
_threads = CapacityLimiter(4)


class Refused(Exception):
    """An answer other than 200, as a sentence and never as another exception's text."""

    def __init__(self, status: int, sentence: str, **more: Any) -> None:
        self.status, self.sentence, self.more = status, sentence, more
        super().__init__(sentence)


@dataclass(frozen=True)
class Hook(ABC):
    path: str
    allows: Callable[[RawRequest], bool]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        response = await self._response(Request(scope, receive))
        measures.hook_answered(self.path, response.status_code, time.perf_counter() - begun)
        await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        try:
            if request.method != "POST":
                raise Refused(405, _("Seul POST est entendu ici."))
            return await self.answered(await _read(request))
        except Refused as refused:
            return _refusal(refused)
        except ClientDisconnect:
            return Response(status_code=400)

    @abstractmethod
    async def answered(self, raw: RawRequest) -> Response: ...

    def params_of(self, raw: RawRequest) -> Params:
        if not self.allows(raw):
            if not is_a_trial(raw):
                state.refused_signature(self.path)
            raise Refused(403, _("La signature de l'appel n'est pas valable."))
        return params_of(raw)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Whatever went wrong, as an answer."""
        try:
            yield
        except Invalid as invalid:
            raise Refused(422, str(invalid), errors=invalid.errors) from invalid
        except studio.Unknown as unknown:
            raise Refused(404, str(unknown)) from unknown
        except TokenRefused as refused:
            raise Refused(403, str(refused)) from refused
        except (DatabaseError, InterfaceError, NotTaken, TimeoutError) as error:
            log.error("call not stored", extra={"path": self.path, "error": type(error).__name__})
            raise Refused(503, _("Le message n'a pas pu être enregistré. Réessayez.")) from error
        except Refused:
            raise
        except Exception as error:
            log.exception("hook failed", extra={"path": self.path})
            raise Refused(500, _("Une erreur est survenue. Elle est notée dans le journal.")) from error


@dataclass(frozen=True)
class OneByOne(Hook):
    """Carried out in a thread and a transaction of its own."""

    answer: Callable[[Params, RawRequest], Response]

    async def answered(self, raw: RawRequest) -> Response:
        with self.refusing(), fail_after(LONGEST):
            # Left alone when it hangs: it ends with its connection, and there are few of those.
            return await to_thread.run_sync(self._answer, raw, limiter=_threads, abandon_on_cancel=True)

    def _answer(self, raw: RawRequest) -> Response:
        try:
            with self.refusing():
                return self.answer(self.params_of(raw), raw)
        finally:
            connection.close()


@dataclass(frozen=True)
class Gathered(Hook, Generic[Item, Answer]):
    """Checked at once, carried out with what else has come in, answered after the commit."""

    read: Callable[[Params, RawRequest], Item]
    gather: Gather[Item, Answer]
    tell: Callable[[Answer, Item], Response]

    async def answered(self, raw: RawRequest) -> Response:
        with self.refusing():
            item = self.read(self.params_of(raw), raw)
            return self.tell(await self.gather.take(item), item)


async def _read(request: Request) -> RawRequest:
    # Of a header that stands twice the first counts.
    headers: dict[bytes, bytes] = dict(reversed(request.scope["headers"]))

    def header(name: bytes) -> str:
        return headers.get(name, b"").decode("latin-1")

    if int(header(b"content-length") or 0) > LARGEST:
        raise Refused(413, _("Le corps dépasse 256 ko."))
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise Refused(413, _("Le corps dépasse 256 ko."))
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return RawRequest(
        path=raw_path.partition(b"?")[0].decode("latin-1"),
        query=request.scope["query_string"].decode("latin-1"),
        content_type=header(b"content-type").partition(";")[0].strip().lower(),
        body=body,
        signature=header(b"x-twilio-signature"),
        authorization=header(b"authorization"),
    )


def _refusal(refused: Refused) -> JSONResponse:
    answer = {"success": "false", "error": refused.sentence} | refused.more
    return JSONResponse(answer, refused.status, HEADERS.get(refused.status))


# -- who may call ------------------------------------------------------------------------------------


def from_twilio(raw: RawRequest) -> bool:
    environment = settings.ENVIRONMENT
    tokens = (environment.twilio_auth_token, environment.twilio_auth_token_secondary)
    return is_signed(raw, base_url=environment.public_base_url, tokens=tokens)


def from_twilio_or_studio(raw: RawRequest) -> bool:
    return from_twilio(raw) or knows_the_secret(raw, settings.ENVIRONMENT.studio_webhook_secret)


def is_a_trial(raw: RawRequest) -> bool:
    """The refusal that `relais doctor` asks for is nobody's attempt: it turns nothing red."""
    environment = settings.ENVIRONMENT
    return is_signed(raw, base_url=environment.public_base_url, tokens=[trial_key(environment.secret_key)])


def from_a_program(raw: RawRequest) -> bool:
    return ApiToken.of(bearer(raw), at=timezone.now()) is not None


# -- what each answers -------------------------------------------------------------------------------


def _store(messages: Sequence[InboundMessage]) -> list[Received]:
    received = receive(messages, at=timezone.now())
    return [received[message.sid] for message in messages]


def _of_our_bot(params: Params, raw: RawRequest) -> InboundMessage:
    return message_of(params, bot_here=True)


def _of_studio_s_bot(params: Params, raw: RawRequest) -> InboundMessage:
    return message_of(params, bot_here=False)


def _nothing_to_say(received: Received, inbound: InboundMessage) -> Response:
    """A client wrote and the bot runs here: all we say goes out by REST."""
    return Response("<Response/>", media_type="text/xml")


def _told_to_studio(received: Received, inbound: InboundMessage) -> Response:
    return JSONResponse(studio.answer_incoming(received, inbound))


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
    status_code, answer = send_message(params, program=ApiToken.of(bearer(raw), at=timezone.now()))
    return JSONResponse(answer, status_code)


def _plain(
    path: str,
    allows: Callable[[RawRequest], bool],
    read: Callable[[Params, RawRequest], Item],
    gather: Gather[Item, Answer],
    tell: Callable[[Answer, Item], Response],
) -> Hook:
    """The same one by one, each in a transaction of its own, as a door without gathering does."""

    def answer(params: Params, raw: RawRequest) -> Response:
        item = read(params, raw)
        return tell(gather.work([item])[0], item)

    return OneByOne(path, allows, answer)


class Door:
    """The hooks of one web process and what gathers behind them. Without gathering it is the plain door, kept to be
    measured beside."""

    def __init__(self, *, gathers: bool = True) -> None:
        self.messages = Gather(
            _store, line=DatabaseLine(), carried_out=partial(measures.batch_stored, "messages")
        )
        self.statuses = Gather(
            _hear, line=DatabaseLine(), carried_out=partial(measures.batch_stored, "statuses")
        )
        hook = Gathered if gathers else _plain
        self.hooks: tuple[Hook, ...] = (
            hook("/api/twilio/message", from_twilio, _of_our_bot, self.messages, _nothing_to_say),
            hook("/api/twilio/status", from_twilio, _news, self.statuses, _heard),
            hook(
                "/api/twilio/incoming",
                from_twilio_or_studio,
                _of_studio_s_bot,
                self.messages,
                _told_to_studio,
            ),
            OneByOne("/api/twilio/menu-choice", from_twilio_or_studio, _of_studio(studio.menu_choice)),
            OneByOne("/api/twilio/free-input", from_twilio_or_studio, _of_studio(studio.free_input)),
            OneByOne("/api/twilio/agent-transfer", from_twilio_or_studio, _of_studio(studio.agent_transfer)),
            OneByOne("/api/twilio/complete", from_twilio_or_studio, _of_studio(studio.complete)),
            OneByOne("/api/twilio/send-message", from_a_program, _send_message),
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
