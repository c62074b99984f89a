"""The control API of the double, for the phone and for tests: JSON under /control/, from this machine only."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from relais.emulator.addresses import BadNumber, is_whatsapp, whatsapp_address
from relais.emulator.faults import BadRule
from relais.emulator.media import LARGEST
from relais.emulator.settings import BadSetting
from relais.emulator.twilio_double import Double
from relais.typography import typeset

LONGEST_WAIT = 30.0
LONGEST_BODY = 1600
LONGEST_HISTORY = 2000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

Control = Callable[[Double, Request], Awaitable[Any]]


class Refused(Exception):
    """One sentence for the person at the phone, in French, or for who writes the test."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def control(function: Control) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            _only_from_here(request)
            answer = await function(request.app.state.double, request)
        except Refused as refusal:
            return JSONResponse({"error": str(refusal)}, refusal.status)
        except (BadNumber, BadRule, BadSetting) as error:
            return JSONResponse({"error": str(error)}, 422)
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    return endpoint


def _only_from_here(request: Request) -> None:
    here = request.client is not None and request.client.host in _LOOPBACK
    # The Host against rebinding of names, the Origin because a page of any site may post to this machine.
    if not here or request.url.hostname not in _LOOPBACK or "origin" in request.headers:
        raise Refused(403, "The double is controlled from this machine only, and not by web pages.")


@control
async def state(double: Double, request: Request) -> Any:
    settings = asdict(double.settings)
    del settings["auth_token"]
    return {
        "boot": double.changes.boot,
        "last": double.changes.last,
        "now": double.clock.now().isoformat(),
        "settings": settings,
        "sender": double.settings.sender_of_only_number(),
        "people": [each.as_json() for each in double.people],
        "faults": double.faults.as_json(),
        "requests": double.requests,
        "messages": len(double.messages),
        "idle": double.is_idle,
        "under_way": double.under_way,
    }


@control
async def change_settings(double: Double, request: Request) -> Any:
    """Delays, window, webhooks: `{"senders": {"whatsapp:+1…": "http://…/hook#rc=3"}}` replaces all senders."""
    double.settings.change(await _json(request))
    return {"success": True}


@control
async def add_person(double: Double, request: Request) -> Any:
    asked = await _json(request)
    return double.people.add(str(asked.get("name", "")), str(asked.get("number", ""))).as_json()


@control
async def remove_person(double: Double, request: Request) -> Any:
    double.people.remove(request.path_params["address"])
    return {"success": True}


@control
async def upload(double: Double, request: Request) -> Any:
    """Content for a later message: the raw bytes, their Content-Type, the name in X-Filename (percent-encoded).

    X-Content-Disposition (percent-encoded, of Latin-1 signs) is told to the desk as it is, instead of one made from it.
    """
    content = await _bytes(request, LARGEST)
    content_type = request.headers.get("content-type", "")
    name, disposition = (
        unquote(request.headers.get(header, "")) for header in ("x-filename", "x-content-disposition")
    )
    if (
        not disposition.isprintable()
        or disposition.encode("latin-1", "replace").decode("latin-1") != disposition
    ):
        raise Refused(422, "X-Content-Disposition must be printable Latin-1.")
    now = double.clock.now()
    return {"media": double.media.put(content, content_type, name, now, disposition=disposition).sid}


@control
async def client_writes(double: Double, request: Request) -> Any:
    asked = await _json(request)
    body = str(asked.get("body", ""))
    kept = double.media.get(str(asked.get("media", "")))
    if asked.get("media") and kept is None:
        raise Refused(404, typeset("Ce fichier n'est plus là : choisissez-le de nouveau."))
    if not body and not kept and not asked.get("extra"):
        raise Refused(422, "Écrivez un message ou choisissez un fichier.")
    if len(body) > LONGEST_BODY:
        raise Refused(
            422, typeset(f"Le message est trop long : {len(body)} caractères, {LONGEST_BODY} au plus.")
        )
    message = double.receive(
        _address(asked.get("from")),
        body,
        sender=str(asked.get("to", "")),
        profile_name=str(asked.get("name", "")),
        media=kept[0] if kept else None,
        extra={str(name): str(value) for name, value in dict(asked.get("extra") or {}).items()},
    )
    return message.for_phone()


@control
async def changes(double: Double, request: Request) -> Any:
    """What phones show, newer than `since`; waits up to `wait` seconds for something. `address` limits, may repeat."""
    query = request.query_params
    since = _number(query.get("since"), 0)
    if query.get("boot", double.changes.boot) != double.changes.boot:
        since = 0
    await double.changes.after(since, min(_number(query.get("wait"), 0), LONGEST_WAIT))
    wanted = set(query.getlist("address"))
    found = [each for each in double.messages.changed_since(since) if each.on_phone]
    if since == 0:
        found = found[-LONGEST_HISTORY:]
    return {
        "boot": double.changes.boot,
        "last": double.changes.last,
        "messages": [each.for_phone() for each in found if not wanted or each.client in wanted],
    }


@control
async def read(double: Double, request: Request) -> Any:
    """The phone showed these: `sids`, or everything delivered to `address`."""
    asked = await _json(request)
    sids = [str(sid) for sid in asked.get("sids", [])]
    if address := asked.get("address"):
        sids += [each.sid for each in double.messages.oldest_first() if each.client == address]
    return {"read": double.read(sids)}


@control
async def accepted(double: Double, request: Request) -> Any:
    """Every message taken from the desk, oldest first; `to`, `body` and `ref` limit."""
    wanted = {name: request.query_params.get(name) for name in ("to", "body", "ref")}
    found = [each.for_tests() for each in double.messages.oldest_first() if not each.inbound]
    return {"messages": [each for each in found if all(v is None or each[k] == v for k, v in wanted.items())]}


@control
async def received(double: Double, request: Request) -> Any:
    """Every message of a client, oldest first, and what became of handing it over."""
    found = [each for each in double.messages.oldest_first() if each.inbound]
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
            for each in found
        ]
    }


@control
async def message(double: Double, request: Request) -> Any:
    found = double.messages.get(request.path_params["sid"])
    if found is None:
        raise Refused(404, "No such message.")
    return {**found.for_tests(), "attempts": found.attempts, "handed_over": found.handed_over}


@control
async def media_content(double: Double, request: Request) -> Any:
    kept = double.media.get(request.path_params["sid"])
    if kept is None:
        raise Refused(404, "Ce fichier n'est plus là.")
    return Response(kept[1], media_type=kept[0].content_type, headers=double.media.headers(kept[0]))


@control
async def faults(double: Double, request: Request) -> Any:
    if request.method == "DELETE":
        double.faults.clear(request.query_params.get("id", ""))
    if request.method == "POST":
        asked = await _json(request, dict, list)
        for rule in asked if isinstance(asked, list) else [asked]:
            double.faults.add(rule)
    return {"faults": double.faults.as_json()}


@control
async def clock(double: Double, request: Request) -> Any:
    seconds = (await _json(request)).get("advance_seconds", 0)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise Refused(422, "advance_seconds must be a number.")
    return {"now": double.clock.advance(seconds).isoformat()}


@control
async def window(double: Double, request: Request) -> Any:
    """Opens or closes the 24 hours of a client by hand: `{"address", "open": true|false}`."""
    asked = await _json(request)
    client = _address(asked.get("address"))
    sender = str(asked.get("sender") or double.settings.sender_of_only_number())
    if asked.get("open"):
        double.windows.client_wrote(client, sender, double.clock.now())
    else:
        double.windows.close(client, sender)
    return {"success": True}


@control
async def start_execution(double: Double, request: Request) -> Any:
    asked = await _json(request)
    account, now = double.settings.account_sid, double.clock.now()
    flow, contact, sid = (str(asked.get(name, "")) for name in ("flow", "contact", "sid"))
    return double.executions.start(account, flow, contact, now, sid).as_rest()


@control
async def reset(double: Double, request: Request) -> Any:
    double.faults.clear()
    double.forget()
    return {"success": True}


async def _json(request: Request, *types: type) -> Any:
    try:
        asked = await request.json()
    except (ValueError, ClientDisconnect):
        raise Refused(422, "The body is not JSON.") from None
    if not isinstance(asked, types or (dict,)):
        raise Refused(422, "The body must be a JSON object.")
    return asked


async def _bytes(request: Request, most: int) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise Refused(413, "Ce fichier dépasse 16 Mo, la limite de WhatsApp.")
    if not content:
        raise Refused(422, "Ce fichier est vide.")
    return bytes(content)


def _address(given: Any) -> str:
    address = str(given or "")
    return address if is_whatsapp(address) else whatsapp_address(address)


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else default


routes: list[BaseRoute] = [
    Route("/control/state", state, methods=["GET"]),
    Route("/control/settings", change_settings, methods=["POST"]),
    Route("/control/people", add_person, methods=["POST"]),
    Route("/control/people/{address}", remove_person, methods=["DELETE"]),
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
