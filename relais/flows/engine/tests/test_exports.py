"""What exports of real flows write, and what a client is then told."""

import pytest

from relais.flows.engine.tests.stage import Stage, flow_of, say


def set_and_say(variables, body):
    return Stage(flow_of(("s", "set-variables", {"variables": variables}, {"next": "m"}), say("m", body)))


def test_a_variable_of_type_json_object_is_an_object():
    order = {"type": "json_object", "key": "order", "value": '{"id": 7, "client": {"name": "Awa"}}'}
    stage = set_and_say([order], "Order {{flow.variables.order.id}} for {{flow.variables.order.client.name}}")
    assert stage.starts().texts == ["Order 7 for Awa"]


@pytest.mark.parametrize(("said", "told"), [("75001", "Paris 1.50"), ("31000", "elsewhere 1.50")])
def test_a_variable_of_type_string_stays_as_it_is_written(said, told):
    zip_ = {"type": "string", "key": "zip", "value": "{{trigger.message.Body}}"}
    price = {"type": "string", "key": "price", "value": "1.50"}
    body = (
        "{% if flow.variables.zip == '75001' %}Paris{% else %}elsewhere{% endif %} {{flow.variables.price}}"
    )
    assert set_and_say([zip_, price], body).starts(said).texts == [told]
