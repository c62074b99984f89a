"""Sub-flows of clients' executions, and the revisions that they run."""

import pytest

from relais.flows.models import Execution, Flow
from relais.flows.tests.builders import asks, bot_runs, flow_of, published, says, state, to, twilio_takes_all
from tests.cast import messages_to_client

pytestmark = pytest.mark.django_db


def subflow_definition(text):
    return {
        "description": "",
        "initial_state": "Trigger",
        "flags": {},
        "states": [state("Trigger", "trigger", [to("incomingParent", "dit")]), says("dit", text)],
    }


@pytest.fixture
def published_subflow(clock):
    """A published sub-flow; the flow of the clients asks a question and then runs it."""
    subflow = Flow.objects.create(name="dessous")
    subflow.add_revision(subflow_definition("première version"), by="", at=clock.now).publish(at=clock.now)
    on = [to("completed"), to("failed", "excuse")]
    down = state(
        "descend", "run-subflow", on, flow_sid=subflow.sid, flow_revision="LatestPublished", parameters=[]
    )
    published(flow_of(asks("nom", "Votre nom ?", "descend"), down, says("excuse", "Pardon.")), clock)
    return subflow


def replies_with_subflow(fatou_writes, clock, meanwhile):
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    twilio_takes_all(clock)
    clock.passes(seconds=3)
    meanwhile()
    bot_runs(fatou_writes("Fatou"), clock)
    return messages_to_client(conversation)[1:]


def test_a_sub_flow_stays_on_its_revision_of_the_start(published_subflow, fatou_writes, clock):
    def publish_another():
        published_subflow.add_revision(subflow_definition("seconde version"), by="", at=clock.now).publish(
            at=clock.now
        )

    assert replies_with_subflow(fatou_writes, clock, publish_another) == ["première version"]


def test_an_old_execution_without_recorded_sub_flows_takes_the_published_one(
    published_subflow, fatou_writes, clock
):
    def forget_subflows():
        Execution.objects.update(subflows=None)

    assert replies_with_subflow(fatou_writes, clock, forget_subflows) == ["première version"]


def test_a_deleted_sub_flow_fails(published_subflow, fatou_writes, clock):
    assert replies_with_subflow(fatou_writes, clock, published_subflow.delete) == ["Pardon."]
