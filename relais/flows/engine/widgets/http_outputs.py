"""What make-http-request and run-function share: how an answer becomes outputs."""

from collections.abc import Mapping

from relais.flows.engine.flow import Json
from relais.flows.engine.inputs import Answered
from relais.flows.engine.limits import ANSWER_BYTES
from relais.flows.engine.step_context import Done
from relais.flows.engine.values import object_of, plain


def done(
    answer: Answered, before: Mapping[str, Json], *, success: str, failure: str, below: int = 300
) -> Done:
    """A status from 200 and `below` this one is success.

    `before` are the outputs of the widget's earlier run: `parsed` keeps what this answer does not replace.
    """
    if answer.failure:
        return Done(failure, {}, why=f"The request failed: {answer.failure}.")
    if len(answer.body.encode(errors="replace")) > ANSWER_BYTES:
        return Done(failure, {}, why=f"The request failed: the answer has over {ANSWER_BYTES // 1024} KB.")
    outputs = outputs_of(answer, before)
    if 200 <= answer.status < below:
        return Done(success, outputs)
    return Done(failure, outputs, why=f"The request was answered {answer.status}.")


def outputs_of(answer: Answered, before: Mapping[str, Json]) -> dict[str, Json]:
    media_type = answer.content_type.partition(";")[0].strip().lower()
    found = object_of(answer.body) if media_type == "application/json" else None
    kept = before.get("parsed")
    outputs: dict[str, Json] = {
        "body": plain(answer.body),
        "content_type": plain(answer.content_type),
        "status_code": answer.status,
    }
    if found is not None or kept is not None:
        outputs["parsed"] = {**(kept or {}), **(found or {})}
    return outputs
