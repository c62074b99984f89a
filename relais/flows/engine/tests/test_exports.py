"""Properties as exports of real flows write them, and the texts that clients get."""

import pytest

from relais.flows.engine.tests.harness import FlowHarness, flow_of, say


def set_and_say(variables, body):
    return FlowHarness(
        flow_of(("s", "set-variables", {"variables": variables}, {"next": "m"}), say("m", body))
    )


def test_a_variable_of_type_json_object_is_an_object():
    order = {"type": "json_object", "key": "order", "value": '{"id": 7, "client": {"name": "Awa"}}'}
    harness = set_and_say(
        [order], "Order {{flow.variables.order.id}} for {{flow.variables.order.client.name}}"
    )
    assert harness.starts().texts == ["Order 7 for Awa"]


@pytest.mark.parametrize(("message", "expected"), [("75001", "Paris 1.50"), ("31000", "elsewhere 1.50")])
def test_a_variable_of_type_string_stays_unchanged(message, expected):
    zip_ = {"type": "string", "key": "zip", "value": "{{trigger.message.Body}}"}
    price = {"type": "string", "key": "price", "value": "1.50"}
    body = (
        "{% if flow.variables.zip == '75001' %}Paris{% else %}elsewhere{% endif %} {{flow.variables.price}}"
    )
    assert set_and_say([zip_, price], body).starts(message).texts == [expected]
