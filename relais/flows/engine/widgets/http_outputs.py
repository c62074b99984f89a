"""Turns the response to make-http-request or run-function into the widget's outputs."""

from collections.abc import Mapping

from relais.flows.engine.flow import Json
from relais.flows.engine.inputs import RequestResult
from relais.flows.engine.limits import MAX_RESPONSE_BYTES
from relais.flows.engine.step_context import TakeTransition
from relais.flows.engine.values import parse_json_object, storable_json


def transition_for(
    response: RequestResult,
    previous: Mapping[str, Json],
    *,
    success_event: str,
    failure_event: str,
    success_below: int = 300,
) -> TakeTransition:
    """Take `success_event` for a status from 200 to below `success_below`, else `failure_event`.

    `previous` are the outputs of the widget's earlier run: keys of `parsed` that this response lacks are kept.
    """
    if response.failure:
        return TakeTransition(failure_event, {}, reason=f"The request failed: {response.failure}.")
    if len(response.body.encode(errors="replace")) > MAX_RESPONSE_BYTES:
        return TakeTransition(
            failure_event,
            {},
            reason=f"The request failed: the answer has over {MAX_RESPONSE_BYTES // 1024} KB.",
        )
    outputs = outputs_of(response, previous)
    if 200 <= response.status < success_below:
        return TakeTransition(success_event, outputs)
    return TakeTransition(failure_event, outputs, reason=f"The request was answered {response.status}.")


def outputs_of(response: RequestResult, previous: Mapping[str, Json]) -> dict[str, Json]:
    media_type = response.content_type.partition(";")[0].strip().lower()
    new_object = parse_json_object(response.body) if media_type == "application/json" else None
    previous_object = previous.get("parsed")
    outputs: dict[str, Json] = {
        "body": storable_json(response.body),
        "content_type": storable_json(response.content_type),
        "status_code": response.status,
    }
    if new_object is not None or previous_object is not None:
        outputs["parsed"] = {**(previous_object or {}), **(new_object or {})}
    return outputs
