"""Twilio's REST calls as far as Relais makes them, and no others."""

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
from relais.emulator.api_errors import Refusal
from relais.emulator.connection_abort import cut, fall_silent
from relais.emulator.executions import Execution
from relais.emulator.faults import Rule
from relais.emulator.message_list import Page, matching
from relais.emulator.messages import Message, rfc2822
from relais.emulator.twilio_double import Double

Endpoint = Callable[[Request], Awaitable[Response]]
Operation = Callable[[Double, Request], Awaitable[Response]]


def operation(on: str) -> Callable[[Operation], Endpoint]:
    """Counts the call, wants Twilio's credentials, and answers in Twilio's shape."""

    def wrap(function: Operation) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            double: Double = request.app.state.double
            double.count(on)
            try:
                _authenticate(double, request)
                return await function(double, request)
            except Refusal as refusal:
                return refused(refusal)

        return endpoint

    return wrap


def refused(refusal: Refusal) -> Response:
    return JSONResponse(refusal.as_json(), refusal.status, refusal.headers)


async def unknown(request: Request, error: Exception) -> Response:
    """What the double does not do is not there."""
    if request.url.path.startswith("/control/"):
        return JSONResponse({"error": f"{request.method} {request.url.path}: no such control."}, 404)
    return refused(api_errors.not_found(request.url.path))


@operation("create")
async def create_message(double: Double, request: Request) -> Response:
    form = parse_qs((await request.body()).decode(), keep_blank_values=True)
    facts = {
        "to": form.get("To", [""])[0],
        "from": form.get("From", [""])[0],
        "body": form.get("Body", [""])[0],
    }
    if gone := await _trouble(double, request, "create", facts):
        return gone
    if rule := double.faults.strike("create", ["reject"], **facts):
        raise Refusal(
            int(rule.status or 400), rule.code, api_errors.ERROR_SENTENCES.get(rule.code, "Refused")
        )
    asked = send_validation.parse(form, double.settings.senders)
    # Struck before the message exists, so that a reader of the list never sees a rule half used.
    after = double.faults.strike("create", ["no_answer", "5xx_accepted", "late_answer"], **facts)
    message = double.accept(asked)
    answer = message.as_rest()
    if after and (gone := await _lost_answer(request, after)):
        return gone
    return JSONResponse(answer, 201)


async def _lost_answer(request: Request, rule: Rule) -> Response | None:
    """The message exists and goes its way; what fails is only the answer."""
    if rule.fault == "late_answer":
        await asyncio.sleep(rule.ms / 1000)
        return None
    if rule.fault == "5xx_accepted":
        raise api_errors.broken(int(rule.status or 500))
    return await _no_answer(request, rule)


@operation("list")
async def list_messages(double: Double, request: Request) -> Response:
    query = dict(request.query_params)
    facts = {"to": query.get("To", ""), "from": query.get("From", ""), "page": query.get("Page", "0")}
    if gone := await _trouble(double, request, "list", facts):
        return gone
    found = matching(double.messages.newest_first(), query, by_day=double.settings.day_granularity)
    if lag := double.faults.strike("list", ["lag"], **facts):
        now = double.clock.now()
        found = [each for each in found if (now - each.created_at).total_seconds() * 1000 >= lag.ms]
    page = Page(found, request.url.path, query)
    return JSONResponse(page.as_2010("messages", [each.as_rest() for each in page.items]))


@operation("fetch")
async def fetch_message(double: Double, request: Request) -> Response:
    message = _message(double, request)
    if gone := await _trouble(double, request, "fetch", _facts(message)):
        return gone
    return JSONResponse(message.as_rest())


@operation("media")
async def list_media(double: Double, request: Request) -> Response:
    message = _message(double, request)
    if gone := await _trouble(double, request, "media", _facts(message)):
        return gone
    page = Page(message.media, request.url.path, dict(request.query_params))
    records = [media.as_rest(each, message.account, message.sid, rfc2822) for each in page.items]
    return JSONResponse(page.as_2010("media_list", records))


@operation("media")
async def media_resource(double: Double, request: Request) -> Response:
    message = _message(double, request)
    if gone := await _trouble(double, request, "media", _facts(message)):
        return gone
    return JSONResponse(media.as_rest(_one_media(request, message), message.account, message.sid, rfc2822))


@operation("media")
async def media_content(double: Double, request: Request) -> Response:
    message = _message(double, request)
    if gone := await _trouble(double, request, "media", _facts(message)):
        return gone
    if rule := double.faults.strike("media", ["reject"], **_facts(message)):
        raise Refusal(int(rule.status or 404), rule.code, "Refused")
    if rule := double.faults.strike("media", ["redirect"], **_facts(message)):
        return RedirectResponse(rule.location, 307)
    kept = double.media.get(_one_media(request, message).sid)
    if kept is None:
        raise api_errors.not_found(request.url.path)
    return Response(kept[1], media_type=kept[0].content_type, headers=double.media.headers(kept[0]))


@operation("execution")
async def list_executions(double: Double, request: Request) -> Response:
    query = dict(request.query_params)
    if gone := await _trouble(double, request, "execution", {"page": query.get("Page", "0")}):
        return gone
    # The SDK sends this one name in small letters.
    status = query.get("Status") or query.get("status", "")
    page = Page(double.executions.of(request.path_params["flow"], status), request.url.path, query)
    records = [each.as_rest() for each in page.items]
    return JSONResponse(page.as_v2("executions", records, "studio.twilio.com"))


@operation("execution")
async def fetch_execution(double: Double, request: Request) -> Response:
    execution = _execution(double, request)
    if gone := await _trouble(double, request, "execution", {"to": execution.contact}):
        return gone
    return JSONResponse(execution.as_rest())


@operation("execution")
async def end_execution(double: Double, request: Request) -> Response:
    execution = _execution(double, request)
    if gone := await _trouble(double, request, "execution", {"to": execution.contact}):
        return gone
    form = parse_qs((await request.body()).decode())
    if form.get("Status") != ["ended"]:
        raise api_errors.bad_parameter("Status must be 'ended'.")
    execution.status = "ended"
    execution.updated_at = double.clock.now()
    return JSONResponse(execution.as_rest())


@operation("account")
async def fetch_account(double: Double, request: Request) -> Response:
    if gone := await _trouble(double, request, "account", {}):
        return gone
    sid = double.settings.account_sid
    return JSONResponse({"sid": sid, "friendly_name": "Double", "status": "active", "type": "Full"})


@operation("senders")
async def list_senders(double: Double, request: Request) -> Response:
    """The company's numbers, with the webhook of each."""
    if gone := await _trouble(double, request, "senders", {}):
        return gone
    senders = double.settings.senders
    records = [_sender(number, senders[number]) for number in senders]
    return JSONResponse({"senders": records, "meta": {"key": "senders", "next_page_url": None}})


def _sender(number: str, webhook: str | None) -> dict[str, object]:
    sid = "XE" + hashlib.sha256(number.encode()).hexdigest()[:32]
    called = {"callback_url": webhook, "callback_method": "POST", "status_callback_url": None}
    return {"sid": sid, "sender_id": number, "status": "ONLINE", "webhook": called, "offline_reasons": None}


def _authenticate(double: Double, request: Request) -> None:
    expected = f"{double.settings.account_sid}:{double.settings.auth_token}"
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        credentials = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        credentials = b""
    if scheme.lower() != "basic" or not hmac.compare_digest(credentials, expected.encode()):
        raise api_errors.not_authenticated()
    if request.path_params.get("account", double.settings.account_sid) != double.settings.account_sid:
        raise api_errors.not_found(request.url.path)


async def _trouble(double: Double, request: Request, on: str, facts: Mapping[str, str]) -> Response | None:
    """What goes wrong before anything is done. An answer means that the line is already cut."""
    if slow := double.faults.strike(on, ["latency"], **facts):
        await asyncio.sleep(slow.ms / 1000)
    kinds = ["429", "5xx", "dropped"] if on == "create" else ["429", "5xx", "dropped", "no_answer"]
    rule = double.faults.strike(on, kinds, **facts)
    if rule is None:
        return None
    if rule.fault == "429":
        raise api_errors.too_many(rule.retry_after)
    if rule.fault == "5xx":
        raise api_errors.broken(int(rule.status or 503))
    if rule.fault == "no_answer":
        return await _no_answer(request, rule)
    await cut(request)
    return Response()


async def _no_answer(request: Request, rule: Rule) -> Response:
    await (cut if rule.close else fall_silent)(request)
    return Response()


def _message(double: Double, request: Request) -> Message:
    message = double.messages.get(request.path_params["sid"])
    if message is None:
        raise api_errors.not_found(request.url.path)
    return message


def _one_media(request: Request, message: Message) -> media.Media:
    for each in message.media:
        if each.sid == request.path_params["media"]:
            return each
    raise api_errors.not_found(request.url.path)


def _execution(double: Double, request: Request) -> Execution:
    execution = double.executions.get(request.path_params["flow"], request.path_params["sid"])
    if execution is None:
        raise api_errors.not_found(request.url.path)
    return execution


def _facts(message: Message) -> dict[str, str]:
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
    Route("/v2/Channels/Senders", list_senders, methods=["GET"]),
    Route(_EXECUTIONS, list_executions, methods=["GET"]),
    Route(f"{_EXECUTIONS}/{{sid}}", fetch_execution, methods=["GET"]),
    Route(f"{_EXECUTIONS}/{{sid}}", end_execution, methods=["POST"]),
]
