"""Twilio's Content API (content.twilio.com), limited to the calls that Relais makes."""

from collections.abc import Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from relais.emulator import api_errors, content_validation
from relais.emulator.content import Content
from relais.emulator.message_list import ApiPage
from relais.emulator.rest import RESPONSE_FAULTS, inject_fault, lose_response, operation
from relais.emulator.twilio_double import TwilioDouble

HOST = "content.twilio.com"


@operation("content")
async def list_content(double: TwilioDouble, request: Request) -> Response:
    return await _list(double, request, Content.as_rest)


@operation("content")
async def list_content_and_approvals(double: TwilioDouble, request: Request) -> Response:
    return await _list(double, request, Content.as_rest_with_approval)


async def _list(
    double: TwilioDouble, request: Request, as_rest: Callable[[Content], dict[str, Any]]
) -> Response:
    query = dict(request.query_params)
    if aborted := await inject_fault(double, request, "content", {"page": query.get("Page", "0")}):
        return aborted
    page = ApiPage(list(double.contents.newest_first()), request.url.path, query)
    return JSONResponse(page.as_v2("contents", [as_rest(each) for each in page.items], HOST))


@operation("content")
async def fetch_content(double: TwilioDouble, request: Request) -> Response:
    if aborted := await inject_fault(double, request, "content", {}):
        return aborted
    return JSONResponse(_find(double, request).as_rest())


@operation("content")
async def fetch_approval(double: TwilioDouble, request: Request) -> Response:
    if aborted := await inject_fault(double, request, "content", {}):
        return aborted
    return JSONResponse(_find(double, request).approval_as_rest())


@operation("create_content")
async def create_content(double: TwilioDouble, request: Request) -> Response:
    """Every call makes another content, the same one twice as well."""
    try:
        payload = await request.json()
    except (ValueError, ClientDisconnect):
        raise api_errors.invalid_parameter("The request body is not JSON.") from None
    fields = content_validation.parse_content(payload)
    match_fields = {"body": str(payload)}
    if aborted := await inject_fault(double, request, "create_content", match_fields):
        return aborted
    if rule := double.faults.trigger("create_content", ["reject"], **match_fields):
        raise api_errors.ApiError(int(rule.status or 400), rule.code, "Refused")
    response_fault = double.faults.trigger("create_content", RESPONSE_FAULTS, **match_fields)
    content = double.create_content(**fields)
    if response_fault and (aborted := await lose_response(request, response_fault)):
        return aborted
    return JSONResponse(content.as_rest(), 201)


@operation("content")
async def delete_content(double: TwilioDouble, request: Request) -> Response:
    if aborted := await inject_fault(double, request, "content", {}):
        return aborted
    double.contents.delete(_find(double, request).sid)
    return Response(status_code=204)


def _find(double: TwilioDouble, request: Request) -> Content:
    content = double.contents.get(request.path_params["sid"])
    if content is None:
        raise api_errors.not_found(request.url.path)
    return content


_CONTENT = "/v1/Content"

routes: list[BaseRoute] = [
    Route("/v1/ContentAndApprovals", list_content_and_approvals, methods=["GET"]),
    Route(_CONTENT, list_content, methods=["GET"]),
    Route(_CONTENT, create_content, methods=["POST"]),
    Route(f"{_CONTENT}/{{sid}}", fetch_content, methods=["GET"]),
    Route(f"{_CONTENT}/{{sid}}", delete_content, methods=["DELETE"]),
    Route(f"{_CONTENT}/{{sid}}/ApprovalRequests", fetch_approval, methods=["GET"]),
]
