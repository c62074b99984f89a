"""What each hook does with an authenticated call: its parser, the work of its batch, and its response."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.utils import timezone
from starlette.responses import JSONResponse, Response

from relais.accounts.bearer import bearer_token
from relais.accounts.models import ApiToken
from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import InboundMessage, IngestedMessage
from relais.whatsapp.inbound import send_api, studio_hooks
from relais.whatsapp.inbound.message_parser import parse_message
from relais.whatsapp.inbound.params import Params
from relais.whatsapp.inbound.raw_request import RawRequest
from relais.whatsapp.inbound.status_callbacks import (
    StatusUpdate,
    apply_status_updates,
    parse_status_update,
)

# -- clients' messages: `message` and `incoming` -----------------------------------------------------


def parse_message_for_embedded_bot(params: Params, raw: RawRequest) -> InboundMessage:
    return parse_message(params, bot_here=True)


def parse_message_for_studio(params: Params, raw: RawRequest) -> InboundMessage:
    return parse_message(params, bot_here=False)


def store_messages(messages: Sequence[InboundMessage]) -> list[IngestedMessage]:
    ingested = ingest(messages, at=timezone.now())
    return [ingested[message.sid] for message in messages]


def empty_twiml(ingested: IngestedMessage, message: InboundMessage) -> Response:
    """The bot runs here, and its replies are sent through the REST API."""
    return Response("<Response/>", media_type="text/xml")


def incoming_response(ingested: IngestedMessage, message: InboundMessage) -> Response:
    return JSONResponse(studio_hooks.answer_incoming(ingested, message))


# -- status callbacks: `status` ----------------------------------------------------------------------


def parse_status(params: Params, raw: RawRequest) -> StatusUpdate:
    return parse_status_update(params, query=raw.query)


def apply_statuses(updates: Sequence[StatusUpdate]) -> list[None]:
    apply_status_updates(updates, at=timezone.now())
    return [None] * len(updates)


def no_content(result: None, update: StatusUpdate) -> Response:
    return Response(status_code=204)


# -- Studio's other widgets, and the send API ---------------------------------------------------------


def studio_handler(handle: studio_hooks.Handler) -> Callable[[Params, RawRequest], Response]:
    return lambda params, raw: JSONResponse({"success": "true"} | handle(params, at=timezone.now()))


def send_message(params: Params, raw: RawRequest) -> Response:
    token = ApiToken.authenticate(bearer_token(raw.authorization), at=timezone.now())
    status_code, body = send_api.send_message(params, token=token)
    return JSONResponse(body, status_code)
