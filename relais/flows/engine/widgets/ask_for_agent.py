"""send-to-flex and enqueue-call: both ask for an agent here, and the flow goes on at once."""

from typing import ClassVar

from relais.flows.engine.effects import AskForAgent
from relais.flows.engine.flow import Json, Widget
from relais.flows.engine.step_context import StepContext, TakeTransition
from relais.flows.engine.values import parse_json_object
from relais.flows.engine.widgets.base import WidgetType


class AskForAgentWidget(WidgetType):
    events = ("callComplete", "failedToEnqueue", "callFailure", "composerStarted")
    attributes: ClassVar[str]
    workflow: ClassVar[str]

    def enter(self, context: StepContext, widget: Widget) -> TakeTransition:
        text = context.text(widget, self.attributes)
        attributes = parse_json_object(text) if text.strip() else {}
        if attributes is None:
            # A quote in a client's name is enough to break the JSON; ask for the agent all the same.
            context.warn(widget, "The attributes are not a JSON object; an agent is asked for without them.")
        workflow, priority = context.text(widget, self.workflow), context.text(widget, "priority")
        context.add_effect(AskForAgent(context.ref, widget.name, attributes or {}, workflow, priority))
        return TakeTransition("callComplete", _outputs(text, workflow, priority))


class SendToFlexWidget(AskForAgentWidget):
    type = "send-to-flex"
    attributes, workflow = "attributes", "workflow"
    template_properties = ("attributes", "workflow", "priority")


class EnqueueCallWidget(AskForAgentWidget):
    type = "enqueue-call"
    attributes, workflow = "task_attributes", "workflow_sid"
    template_properties = ("task_attributes", "workflow_sid", "priority")


def _outputs(attributes: str, workflow: str, priority: str) -> dict[str, Json]:
    return {
        "sid": "",
        "assignment_status": "pending",
        "attributes": attributes,
        "priority": priority,
        "workflow_sid": workflow,
    }


SEND_TO_FLEX = SendToFlexWidget()
ENQUEUE = EnqueueCallWidget()
