"""Twilio's REST API, limited to the calls that Relais makes."""

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relais.emulator import api_errors, media, send_validation
from relais.emulator.api_errors import ApiError
from relais.emulator.connection_abort import abort_connection, never_answer
from relais.emulator.executions import Execution
from relais.emulator.faults import FaultRule
from relais.emulator.message_list import ApiPage, filter_messages
from relais.emulator.messages import Message, rfc2822
from relais.emulator.twilio_double import TwilioDouble

RESPONSE_FAULTS = ("no_answer", "5xx_accepted", "late_answer")
Endpoint = Callable[[Request], Awaitable[Response]]
Operation = Callable[[TwilioDouble, Request], Awaitable[Response]]


def operation(on: str) -> Callable[[Operation], Endpoint]:
    """Count the call, check Twilio's credentials, and answer errors in Twilio's format."""

    def wrap(function: Operation) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            double: TwilioDouble = request.app.state.double
            double.count(on)
            try:
                _authenticate(double, request)
                return await function(double, request)
            except ApiError as error:
                return error_response(error)

        return endpoint

    return wrap


def error_response(error: ApiError) -> Response:
    return JSONResponse(error.as_json(), error.status, error.headers)


async def unknown_path(request: Request, error: Exception) -> Response:
    if request.url.path.startswith("/control/"):
        return JSONResponse({"error": f"{request.method} {request.url.path}: no such control."}, 404)
    return error_response(api_errors.not_found(request.url.path))


@operation("create")
async def create_message(double: TwilioDouble, request: Request) -> Response:
    form = parse_qs((await request.body()).decode(), keep_blank_values=True)
    match_fields = {
        "to": form.get("To", [""])[0],
        "from": form.get("From", [""])[0],
        "body": form.get("Body", [""])[0],
    }
    if aborted := await inject_fault(double, request, "create", match_fields):
        return aborted
    if rule := double.faults.trigger("create", ["reject"], **match_fields):
        raise ApiError(
            int(rule.status or 400), rule.code, api_errors.ERROR_SENTENCES.get(rule.code, "Refused")
        )
    send_request = send_validation.parse_send_request(form, double.settings.senders)
    if send_request.content_sid and not double.accepts_content(send_request.content_sid):
        raise api_errors.invalid_content_sid()
    # Triggered before the message exists, so that a reader of the list never sees a rule half used.
    response_fault = double.faults.trigger("create", RESPONSE_FAULTS, **match_fields)
    message = double.accept(send_request)
    resource = message.as_rest()
    if response_fault and (aborted := await lose_response(request, response_fault)):
        return aborted
    return JSONResponse(resource, 201)


async def lose_response(request: Request, rule: FaultRule) -> Response | None:
    """What was asked for is done; only the response fails."""
    if rule.fault == "late_answer":
        await asyncio.sleep(rule.ms / 1000)
        return None
    if rule.fault == "5xx_accepted":
        raise api_errors.server_error(int(rule.status or 500))
    return await _withhold_response(request, rule)


@operation("list")
async def list_messages(double: TwilioDouble, request: Request) -> Response:
    query = dict(request.query_params)
    match_fields = {"to": query.get("To", ""), "from": query.get("From", ""), "page": query.get("Page", "0")}
    if aborted := await inject_fault(double, request, "list", match_fields):
        return aborted
    messages = filter_messages(double.messages.newest_first(), query, by_day=double.settings.day_granularity)
    if lag := double.faults.trigger("list", ["lag"], **match_fields):
        now = double.clock.now()
        messages = [each for each in messages if (now - each.created_at).total_seconds() * 1000 >= lag.ms]
    page = ApiPage(messages, request.url.path, query)
    return JSONResponse(page.as_2010("messages", [each.as_rest() for each in page.items]))


@operation("fetch")
async def fetch_message(double: TwilioDouble, request: Request) -> Response:
    message = _find_message(double, request)
    if aborted := await inject_fault(double, request, "fetch", _match_fields(message)):
        return aborted
    return JSONResponse(message.as_rest())


@operation("typing")
async def show_typing(double: TwilioDouble, request: Request) -> Response:
    form = parse_qs((await request.body()).decode())
    message = double.messages.get(form.get("messageId", [""])[0])
    match_fields = {} if message is None else _match_fields(message)
    if aborted := await inject_fault(double, request, "typing", match_fields):
        return aborted
    if rule := double.faults.trigger("typing", ["reject"], **match_fields):
        raise ApiError(int(rule.status or 400), rule.code, "Refused")
    if form.get("channel") != ["whatsapp"]:
        raise api_errors.invalid_parameter("channel must be 'whatsapp'.")
    if message is None or not message.inbound:
        raise api_errors.invalid_parameter("messageId must be a message of a WhatsApp user.")
    double.show_typing(message)
    return JSONResponse({"success": True})


@operation("media")
async def list_media(double: TwilioDouble, request: Request) -> Response:
    message = _find_message(double, request)
    if aborted := await inject_fault(double, request, "media", _match_fields(message)):
        return aborted
    page = ApiPage(message.media, request.url.path, dict(request.query_params))
    records = [media.as_rest(each, message.account, message.sid, rfc2822) for each in page.items]
    return JSONResponse(page.as_2010("media_list", records))


@operation("media")
async def media_resource(double: TwilioDouble, request: Request) -> Response:
    message = _find_message(double, request)
    if aborted := await inject_fault(double, request, "media", _match_fields(message)):
        return aborted
    return JSONResponse(media.as_rest(_find_media(request, message), message.account, message.sid, rfc2822))


@operation("media")
async def media_content(double: TwilioDouble, request: Request) -> Response:
    message = _find_message(double, request)
    if aborted := await inject_fault(double, request, "media", _match_fields(message)):
        return aborted
    if rule := double.faults.trigger("media", ["reject"], **_match_fields(message)):
        raise ApiError(int(rule.status or 404), rule.code, "Refused")
    if rule := double.faults.trigger("media", ["redirect"], **_match_fields(message)):
        return RedirectResponse(rule.location, 307)
    stored = double.media.get(_find_media(request, message).sid)
    if stored is None:
        raise api_errors.not_found(request.url.path)
    return Response(stored[1], media_type=stored[0].content_type, headers=double.media.headers(stored[0]))


@operation("execution")
async def list_executions(double: TwilioDouble, request: Request) -> Response:
    query = dict(request.query_params)
    if aborted := await inject_fault(double, request, "execution", {"page": query.get("Page", "0")}):
        return aborted
    # The SDK sends this one name in lower case.
    status = query.get("Status") or query.get("status", "")
    page = ApiPage(
        double.executions.list_for_flow(request.path_params["flow"], status), request.url.path, query
    )
    records = [each.as_rest() for each in page.items]
    return JSONResponse(page.as_v2("executions", records, "studio.twilio.com"))


@operation("execution")
async def fetch_execution(double: TwilioDouble, request: Request) -> Response:
    execution = _find_execution(double, request)
    if aborted := await inject_fault(double, request, "execution", {"to": execution.contact}):
        return aborted
    return JSONResponse(execution.as_rest())


@operation("execution")
async def end_execution(double: TwilioDouble, request: Request) -> Response:
    execution = _find_execution(double, request)
    if aborted := await inject_fault(double, request, "execution", {"to": execution.contact}):
        return aborted
    form = parse_qs((await request.body()).decode())
    if form.get("Status") != ["ended"]:
        raise api_errors.invalid_parameter("Status must be 'ended'.")
    execution.status = "ended"
    execution.updated_at = double.clock.now()
    return JSONResponse(execution.as_rest())


@operation("account")
async def fetch_account(double: TwilioDouble, request: Request) -> Response:
    if aborted := await inject_fault(double, request, "account", {}):
        return aborted
    sid = double.settings.account_sid
    return JSONResponse({"sid": sid, "friendly_name": "Double", "status": "active", "type": "Full"})


@operation("senders")
async def list_senders(double: TwilioDouble, request: Request) -> Response:
    """The company's numbers and their webhooks."""
    if aborted := await inject_fault(double, request, "senders", {}):
        return aborted
    senders = double.settings.senders
    records = [_sender(number, senders[number]) for number in senders]
    return JSONResponse({"senders": records, "meta": {"key": "senders", "next_page_url": None}})


def _sender(number: str, webhook: str | None) -> dict[str, object]:
    sid = "XE" + hashlib.sha256(number.encode()).hexdigest()[:32]
    webhook_config = {"callback_url": webhook, "callback_method": "POST", "status_callback_url": None}
    return {
        "sid": sid,
        "sender_id": number,
        "status": "ONLINE",
        "webhook": webhook_config,
        "offline_reasons": None,
    }


def _authenticate(double: TwilioDouble, request: Request) -> None:
    expected = f"{double.settings.account_sid}:{double.settings.auth_token}"
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        credentials = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        credentials = b""
    if scheme.lower() != "basic" or not hmac.compare_digest(credentials, expected.encode()):
        raise api_errors.authentication_required()
    if request.path_params.get("account", double.settings.account_sid) != double.settings.account_sid:
        raise api_errors.not_found(request.url.path)


async def inject_fault(
    double: TwilioDouble, request: Request, on: str, match_fields: Mapping[str, str]
) -> Response | None:
    """Faults before the request is processed. A returned response means that the connection is already aborted."""
    if slow := double.faults.trigger(on, ["latency"], **match_fields):
        await asyncio.sleep(slow.ms / 1000)
    faults = ["429", "5xx", "dropped"] if on.startswith("create") else ["429", "5xx", "dropped", "no_answer"]
    rule = double.faults.trigger(on, faults, **match_fields)
    if rule is None:
        return None
    if rule.fault == "429":
        raise api_errors.too_many_requests(rule.retry_after)
    if rule.fault == "5xx":
        raise api_errors.server_error(int(rule.status or 503))
    if rule.fault == "no_answer":
        return await _withhold_response(request, rule)
    await abort_connection(request)
    return Response()


async def _withhold_response(request: Request, rule: FaultRule) -> Response:
    await (abort_connection if rule.close else never_answer)(request)
    return Response()


def _find_message(double: TwilioDouble, request: Request) -> Message:
    message = double.messages.get(request.path_params["sid"])
    if message is None:
        raise api_errors.not_found(request.url.path)
    return message


def _find_media(request: Request, message: Message) -> media.Media:
    for each in message.media:
        if each.sid == request.path_params["media"]:
            return each
    raise api_errors.not_found(request.url.path)


def _find_execution(double: TwilioDouble, request: Request) -> Execution:
    execution = double.executions.get(request.path_params["flow"], request.path_params["sid"])
    if execution is None:
        raise api_errors.not_found(request.url.path)
    return execution


def _match_fields(message: Message) -> dict[str, str]:
    return {"to": message.to, "from": message.from_, "body": message.body}


_MESSAGES = "/2010-04-01/Accounts/{account}/Messages"
_EXECUTIONS = "/v2/Flows/{flow}/Executions"

routes: list[BaseRoute] = [
    Route(f"{_MESSAGES}.json", create_message, methods=["POST"]),
    Route(f"{_MESSAGES}.json", list_messages, methods=["GET"]),
    Route(f"{_MESSAGES}/{{sid}}.json", fetch_message, methods=["GET"]),
    Route(f"{_MESSAGES}/{{sid}}/Media.json", list_media, methods=["GET"]),
    Route(f"{_MESSAGES}/{{sid}}/Media/{{media}}.json", media_resource, methods=["GET"]),
    Route(f"{_MESSAGES}/{{sid}}/Media/{{media}}", media_content, methods=["GET"]),
    Route("/2010-04-01/Accounts/{account}.json", fetch_account, methods=["GET"]),
    Route("/v2/Indicators/Typing.json", show_typing, methods=["POST"]),
    Route("/v2/Channels/Senders", list_senders, methods=["GET"]),
    Route(_EXECUTIONS, list_executions, methods=["GET"]),
    Route(f"{_EXECUTIONS}/{{sid}}", fetch_execution, methods=["GET"]),
    Route(f"{_EXECUTIONS}/{{sid}}", end_execution, methods=["POST"]),
]
