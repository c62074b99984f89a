"""send-to-flex and enqueue-call: here both ask for an agent, and the flow goes on at once."""

from typing import ClassVar

from relais.flows.engine.effects import AskForAgent
from relais.flows.engine.flow import Json, Widget
from relais.flows.engine.step_context import Done, Run
from relais.flows.engine.values import object_of
from relais.flows.engine.widgets.base import Kind


class AskKind(Kind):
    events = ("callComplete", "failedToEnqueue", "callFailure", "composerStarted")
    attributes: ClassVar[str]
    workflow: ClassVar[str]

    def enter(self, run: Run, widget: Widget) -> Done:
        text = run.text(widget, self.attributes)
        attributes = object_of(text) if text.strip() else {}
        if attributes is None:
            # A quote in a client's name is enough; he gets his agent all the same.
            run.warn(widget, "The attributes are not a JSON object; an agent is asked for without them.")
        workflow, priority = run.text(widget, self.workflow), run.text(widget, "priority")
        run.do(AskForAgent(run.ref, widget.name, attributes or {}, workflow, priority))
        return Done("callComplete", _outputs(text, workflow, priority))


class SendToFlex(AskKind):
    type = "send-to-flex"
    attributes, workflow = "attributes", "workflow"
    templates = ("attributes", "workflow", "priority")


class Enqueue(AskKind):
    type = "enqueue-call"
    attributes, workflow = "task_attributes", "workflow_sid"
    templates = ("task_attributes", "workflow_sid", "priority")


def _outputs(attributes: str, workflow: str, priority: str) -> dict[str, Json]:
    return {
        "sid": "",
        "assignment_status": "pending",
        "attributes": attributes,
        "priority": priority,
        "workflow_sid": workflow,
    }


SEND_TO_FLEX = SendToFlex()
ENQUEUE = Enqueue()
