"""The control API of the double, for phones and tests: JSON under /control/, from this machine only."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from relais.emulator.addresses import InvalidNumber, is_whatsapp, whatsapp_address
from relais.emulator.faults import InvalidFaultRule
from relais.emulator.media import MAX_MEDIA_BYTES
from relais.emulator.settings import InvalidSetting
from relais.emulator.twilio_double import TwilioDouble
from relais.environment import LOOPBACK_HOSTS
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.typography import typeset

MAX_WAIT_SECONDS = 30.0
MAX_HISTORY_MESSAGES = 2000

Control = Callable[[TwilioDouble, Request], Awaitable[Any]]


class ControlError(Exception):
    """The message is a sentence: French for the person at the phone, English for the author of a test."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def control(function: Control) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            _require_local_request(request)
            answer = await function(request.app.state.double, request)
        except ControlError as error:
            return JSONResponse({"error": str(error)}, error.status)
        except (InvalidNumber, InvalidFaultRule, InvalidSetting) as error:
            return JSONResponse({"error": str(error)}, 422)
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    return endpoint


def _require_local_request(request: Request) -> None:
    is_local = request.client is not None and request.client.host in LOOPBACK_HOSTS
    # Host against DNS rebinding; Origin because a page of any site may post to this machine.
    if not is_local or request.url.hostname not in LOOPBACK_HOSTS or "origin" in request.headers:
        raise ControlError(403, "The double is controlled from this machine only, and not by web pages.")


@control
async def state(double: TwilioDouble, request: Request) -> Any:
    settings = asdict(double.settings)
    del settings["auth_token"]
    return {
        "boot": double.changes.boot,
        "last": double.changes.last,
        "now": double.clock.now().isoformat(),
        "settings": settings,
        "sender": double.settings.default_sender(),
        "people": [each.as_json() for each in double.clients],
        "faults": double.faults.as_json(),
        "requests": double.requests,
        "messages": len(double.messages),
        "idle": double.is_idle,
        "under_way": double.pending_count,
    }


@control
async def change_settings(double: TwilioDouble, request: Request) -> Any:
    """Delays, session window, webhooks: `{"senders": {"whatsapp:+1…": "http://…/hook#rc=3"}}` replaces all senders."""
    double.settings.change(await _json(request))
    return {"success": True}


@control
async def add_client(double: TwilioDouble, request: Request) -> Any:
    payload = await _json(request)
    return double.clients.add(str(payload.get("name", "")), str(payload.get("number", ""))).as_json()


@control
async def remove_client(double: TwilioDouble, request: Request) -> Any:
    double.clients.remove(request.path_params["address"])
    return {"success": True}


@control
async def upload(double: TwilioDouble, request: Request) -> Any:
    """Content for a later message: the raw bytes, their Content-Type, the name in X-Filename (percent-encoded).

    X-Content-Disposition (percent-encoded Latin-1) is sent to the desk unchanged, instead of one made from the name.
    """
    content = await _read_bytes(request, MAX_MEDIA_BYTES)
    content_type = request.headers.get("content-type", "")
    name, disposition = (
        unquote(request.headers.get(header, "")) for header in ("x-filename", "x-content-disposition")
    )
    if (
        not disposition.isprintable()
        or disposition.encode("latin-1", "replace").decode("latin-1") != disposition
    ):
        raise ControlError(422, "X-Content-Disposition must be printable Latin-1.")
    now = double.clock.now()
    return {"media": double.media.put(content, content_type, name, now, disposition=disposition).sid}


@control
async def client_writes(double: TwilioDouble, request: Request) -> Any:
    payload = await _json(request)
    body = str(payload.get("body", ""))
    stored = double.media.get(str(payload.get("media", "")))
    if payload.get("media") and stored is None:
        raise ControlError(404, typeset("Ce fichier n'est plus là : choisissez-le de nouveau."))
    if not body and not stored and not payload.get("extra"):
        raise ControlError(422, "Écrivez un message ou choisissez un fichier.")
    if len(body) > MAX_MESSAGE_CHARACTERS:
        raise ControlError(
            422,
            typeset(f"Le message est trop long : {len(body)} caractères, {MAX_MESSAGE_CHARACTERS} au plus."),
        )
    message = double.receive(
        _address(payload.get("from")),
        body,
        sender=str(payload.get("to", "")),
        profile_name=str(payload.get("name", "")),
        media=stored[0] if stored else None,
        extra={str(name): str(value) for name, value in dict(payload.get("extra") or {}).items()},
    )
    return message.as_phone_json()


@control
async def changes(double: TwilioDouble, request: Request) -> Any:
    """What phones show, newer than `since` (long polling: up to `wait` seconds). `address` filters, and may repeat."""
    query = request.query_params
    since = _number(query.get("since"), 0)
    if query.get("boot", double.changes.boot) != double.changes.boot:
        since = 0
    await double.changes.wait_for_newer(since, min(_number(query.get("wait"), 0), MAX_WAIT_SECONDS))
    addresses = set(query.getlist("address"))
    messages = [each for each in double.messages.changed_since(since) if each.is_on_phone]
    if since == 0:
        messages = messages[-MAX_HISTORY_MESSAGES:]
    return {
        "boot": double.changes.boot,
        "last": double.changes.last,
        "messages": [each.as_phone_json() for each in messages if not addresses or each.client in addresses],
        "typing": double.typing_seconds(),
    }


@control
async def read(double: TwilioDouble, request: Request) -> Any:
    """The phone showed these: `sids`, or everything delivered to `address`."""
    payload = await _json(request)
    sids = [str(sid) for sid in payload.get("sids", [])]
    if address := payload.get("address"):
        sids += [each.sid for each in double.messages.oldest_first() if each.client == address]
    return {"read": double.mark_read(sids)}


@control
async def accepted(double: TwilioDouble, request: Request) -> Any:
    """Every message accepted from the desk, oldest first; `to`, `body` and `ref` filter."""
    filters = {name: request.query_params.get(name) for name in ("to", "body", "ref")}
    messages = [each.as_control_json() for each in double.messages.oldest_first() if not each.inbound]
    return {
        "messages": [each for each in messages if all(v is None or each[k] == v for k, v in filters.items())]
    }


@control
async def received(double: TwilioDouble, request: Request) -> Any:
    """Every message of a client, oldest first, and how its delivery to the desk went."""
    messages = [each for each in double.messages.oldest_first() if each.inbound]
    return {
        "messages": [
            {
                "sid": each.sid,
                "from": each.from_,
                "body": each.body,
                "handed_over": each.handed_over,
                "turn": each.turn,
                "attempts": list(each.attempts),
                "at": each.created_at.isoformat(),
            }
            for each in messages
        ]
    }


@control
async def message(double: TwilioDouble, request: Request) -> Any:
    stored = double.messages.get(request.path_params["sid"])
    if stored is None:
        raise ControlError(404, "No such message.")
    return {**stored.as_control_json(), "attempts": stored.attempts, "handed_over": stored.handed_over}


@control
async def media_content(double: TwilioDouble, request: Request) -> Any:
    stored = double.media.get(request.path_params["sid"])
    if stored is None:
        raise ControlError(404, "Ce fichier n'est plus là.")
    return Response(stored[1], media_type=stored[0].content_type, headers=double.media.headers(stored[0]))


@control
async def faults(double: TwilioDouble, request: Request) -> Any:
    if request.method == "DELETE":
        double.faults.clear(request.query_params.get("id", ""))
    if request.method == "POST":
        payload = await _json(request, dict, list)
        for rule in payload if isinstance(payload, list) else [payload]:
            double.faults.add(rule)
    return {"faults": double.faults.as_json()}


@control
async def clock(double: TwilioDouble, request: Request) -> Any:
    seconds = (await _json(request)).get("advance_seconds", 0)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise ControlError(422, "advance_seconds must be a number.")
    return {"now": double.clock.advance(seconds).isoformat()}


@control
async def window(double: TwilioDouble, request: Request) -> Any:
    """Open or close the 24-hour window of a client: `{"address", "open": true|false}`."""
    payload = await _json(request)
    client = _address(payload.get("address"))
    sender = str(payload.get("sender") or double.settings.default_sender())
    if payload.get("open"):
        double.windows.open(client, sender, double.clock.now())
    else:
        double.windows.close(client, sender)
    return {"success": True}


@control
async def start_execution(double: TwilioDouble, request: Request) -> Any:
    payload = await _json(request)
    account, now = double.settings.account_sid, double.clock.now()
    flow, contact, sid = (str(payload.get(name, "")) for name in ("flow", "contact", "sid"))
    return double.executions.start(account, flow, contact, now, sid).as_rest()


@control
async def reset(double: TwilioDouble, request: Request) -> Any:
    double.faults.clear()
    double.forget_messages()
    return {"success": True}


async def _json(request: Request, *types: type) -> Any:
    try:
        payload = await request.json()
    except (ValueError, ClientDisconnect):
        raise ControlError(422, "The body is not JSON.") from None
    if not isinstance(payload, types or (dict,)):
        raise ControlError(422, "The body must be a JSON object.")
    return payload


async def _read_bytes(request: Request, max_bytes: int) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > max_bytes:
            raise ControlError(413, "Ce fichier dépasse 16 Mo, la limite de WhatsApp.")
    if not content:
        raise ControlError(422, "Ce fichier est vide.")
    return bytes(content)


def _address(value: Any) -> str:
    address = str(value or "")
    return address if is_whatsapp(address) else whatsapp_address(address)


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else default


routes: list[BaseRoute] = [
    Route("/control/state", state, methods=["GET"]),
    Route("/control/settings", change_settings, methods=["POST"]),
    Route("/control/people", add_client, methods=["POST"]),
    Route("/control/people/{address}", remove_client, methods=["DELETE"]),
    Route("/control/uploads", upload, methods=["POST"]),
    Route("/control/inbound", client_writes, methods=["POST"]),
    Route("/control/changes", changes, methods=["GET"]),
    Route("/control/read", read, methods=["POST"]),
    Route("/control/accepted", accepted, methods=["GET"]),
    Route("/control/received", received, methods=["GET"]),
    Route("/control/messages/{sid}", message, methods=["GET"]),
    Route("/control/media/{sid}", media_content, methods=["GET"]),
    Route("/control/faults", faults, methods=["GET", "POST", "DELETE"]),
    Route("/control/clock", clock, methods=["POST"]),
    Route("/control/window", window, methods=["POST"]),
    Route("/control/executions", start_execution, methods=["POST"]),
    Route("/control/reset", reset, methods=["POST"]),
]
