"""What Twilio and Studio call: native routes that check, in this order, method, size, signature, fields, ids.

Nothing is acknowledged before it is stored; what cannot be stored is answered 503, and Twilio tries again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anyio import CapacityLimiter, to_thread
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from django.utils.translation import gettext as _
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from relais.accounts.models import ApiToken
from relais.conversations.receive import receive
from relais.whatsapp import measures, state, studio
from relais.whatsapp.api import send_message
from relais.whatsapp.delivery import hear_status
from relais.whatsapp.inbound import message_of
from relais.whatsapp.params import Invalid, Params, params_of
from relais.whatsapp.signature import RawRequest, bearer, is_signed, knows_the_secret, trial_key

log = logging.getLogger(__name__)
LARGEST = 256 * 1024
PATIENCE = "5"
"""Seconds that a caller may wait before it tries again, when we cannot store."""
# Bounded, so that a flood of hooks never takes all of the database's connections.
_threads = CapacityLimiter(4)


class Refused(Exception):
    """An answer other than 200, as a sentence and never as another exception's text."""

    def __init__(self, status: int, sentence: str, **more: Any) -> None:
        self.status, self.sentence, self.more = status, sentence, more
        super().__init__(sentence)


@dataclass(frozen=True)
class Hook:
    path: str
    answer: Callable[[Params, RawRequest], Response]
    allows: Callable[[RawRequest], bool]

    async def __call__(self, request: Request) -> Response:
        try:
            raw = await _read(request)
            return await to_thread.run_sync(self._answer, raw, limiter=_threads)
        except Refused as refused:
            return _refusal(refused)
        except ClientDisconnect:
            return Response(status_code=400)

    def _answer(self, raw: RawRequest) -> Response:
        try:
            if not self.allows(raw):
                if not is_a_trial(raw):
                    state.refused_signature(self.path)
                raise Refused(403, _("La signature de l'appel n'est pas valable."))
            return self.answer(params_of(raw), raw)
        except Invalid as invalid:
            raise Refused(422, str(invalid), errors=invalid.errors) from invalid
        except studio.Unknown as unknown:
            raise Refused(404, str(unknown)) from unknown
        except (DatabaseError, InterfaceError) as error:
            log.error("%s could not be stored: %s", self.path, type(error).__name__)
            raise Refused(503, _("Le message n'a pas pu être enregistré. Réessayez.")) from error
        except Refused:
            raise
        except Exception as error:
            log.exception("%s failed", self.path)
            raise Refused(500, _("Une erreur est survenue. Elle est notée dans le journal.")) from error
        finally:
            connection.close()


async def _read(request: Request) -> RawRequest:
    headers = request.headers
    if int(headers.get("content-length") or 0) > LARGEST:
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
        content_type=headers.get("content-type", "").partition(";")[0].strip().lower(),
        body=body,
        signature=headers.get("x-twilio-signature", ""),
        authorization=headers.get("authorization", ""),
    )


def _refusal(refused: Refused) -> JSONResponse:
    answer = {"success": "false", "error": refused.sentence} | refused.more
    headers = {"Retry-After": PATIENCE} if refused.status == 503 else {}
    return JSONResponse(answer, refused.status, headers)


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
    return ApiToken.of(bearer(raw)) is not None


# -- what each answers -------------------------------------------------------------------------------


def message(params: Params, raw: RawRequest) -> Response:
    """A client wrote and the bot runs here. The answer says nothing: all we say goes out by REST."""
    receive([message_of(params, bot_here=True)], at=timezone.now())
    return Response("<Response/>", media_type="text/xml")


def status(params: Params, raw: RawRequest) -> Response:
    hear_status(params, query=raw.query, at=timezone.now())
    return Response(status_code=204)


def incoming(params: Params, raw: RawRequest) -> Response:
    inbound = message_of(params, bot_here=False)
    received = receive([inbound], at=timezone.now())[inbound.sid]
    return JSONResponse(studio.answer_incoming(received, inbound))


def _of_studio(verb: Callable[[Params], dict[str, Any]]) -> Callable[[Params, RawRequest], Response]:
    return lambda params, raw: JSONResponse({"success": "true"} | verb(params))


def _send_message(params: Params, raw: RawRequest) -> Response:
    status_code, answer = send_message(params, program=ApiToken.of(bearer(raw)))
    return JSONResponse(answer, status_code)


HOOKS = (
    Hook("/api/twilio/message", message, from_twilio),
    Hook("/api/twilio/status", status, from_twilio),
    Hook("/api/twilio/incoming", incoming, from_twilio_or_studio),
    Hook("/api/twilio/menu-choice", _of_studio(studio.menu_choice), from_twilio_or_studio),
    Hook("/api/twilio/free-input", _of_studio(studio.free_input), from_twilio_or_studio),
    Hook("/api/twilio/agent-transfer", _of_studio(studio.agent_transfer), from_twilio_or_studio),
    Hook("/api/twilio/complete", _of_studio(studio.complete), from_twilio_or_studio),
    Hook("/api/twilio/send-message", _send_message, from_a_program),
)


def _route(hook: Hook) -> Route:
    async def endpoint(request: Request) -> Response:
        began = time.perf_counter()
        response = await hook(request)
        measures.hook_answered(hook.path, response.status_code, time.perf_counter() - began)
        return response

    return Route(hook.path, endpoint, methods=["POST"])


routes = [_route(hook) for hook in HOOKS]
