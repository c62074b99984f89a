"""The files are what `build.py` writes, and follow Twilio's published schema of flows."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from relais.flows import library
from relais.flows.engine.conditions import CONDITIONS
from relais.flows.library.build import BUILDERS

EVENTS = {
    "trigger": {
        *(
            "incomingMessage",
            "incomingCall",
            "incomingConversationMessage",
            "incomingRequest",
            "incomingParent",
        )
    },
    "send-message": {"sent", "failed"},
    "send-and-wait-for-reply": {"incomingMessage", "timeout", "deliveryFailure"},
    "split-based-on": {"noMatch", "match"},
    "set-variables": {"next"},
    "make-http-request": {"success", "failed"},
    "run-subflow": {"completed", "failed"},
}
# The required and optional properties of each type, besides the offset.
PROPERTIES = {
    "trigger": (set(), set()),
    "send-message": ({"from", "to", "body"}, {"service", "channel", "media_url", "attributes"}),
    "send-and-wait-for-reply": (
        {"from", "body", "timeout"},
        {"service", "channel", "media_url", "attributes"},
    ),
    "split-based-on": ({"input"}, set()),
    "set-variables": ({"variables"}, set()),
    "make-http-request": ({"method", "url", "content_type"}, {"parameters", "body", "add_twilio_auth"}),
    "run-subflow": ({"flow_sid", "flow_revision"}, {"parameters"}),
}
every_file = pytest.mark.parametrize("name", library.NAMES)


def definition(name: str) -> dict[str, Any]:
    return json.loads(library.path_of(name).read_text(encoding="utf-8"))


@every_file
def test_a_file_is_what_the_build_script_writes(name: str) -> None:
    assert library.path_of(name).read_text(encoding="utf-8") == BUILDERS[name]().text(), (
        "run: python -m relais.flows.library.build"
    )


@every_file
def test_a_file_is_a_valid_flow_of_studio(name: str) -> None:
    flow = definition(name)
    assert set(flow) == {"description", "states", "initial_state", "flags"}
    assert flow["flags"] == {"allow_concurrent_calls": True}
    assert 1 <= len(flow["states"]) <= 1000
    assert library.path_of(name).stat().st_size < 1_000_000
    kinds = {state["name"]: state["type"] for state in flow["states"]}
    assert kinds[flow["initial_state"]] == "trigger"
    assert list(kinds.values()).count("trigger") == 1


@every_file
def test_names_can_be_used_in_expressions(name: str) -> None:
    names = [state["name"] for state in definition(name)["states"]]
    assert [duplicate for duplicate, times in Counter(names).items() if times > 1] == []
    assert [duplicate for duplicate in names if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", duplicate)] == []


@every_file
def test_states_have_the_properties_of_their_type(name: str) -> None:
    for state in definition(name)["states"]:
        assert list(state) == ["name", "type", "transitions", "properties"]
        required, optional = PROPERTIES[state["type"]]
        properties = set(state["properties"]) - {"offset"}
        assert required <= properties <= required | optional, state["name"]
        assert set(state["properties"]["offset"]) == {"x", "y"}
        for key, value in state["properties"].items():
            if key in ("parameters", "variables"):
                assert all(set(pair) == {"key", "value"} for pair in value)
                assert all(isinstance(text, str) for pair in value for text in pair.values())
                assert len({pair["key"] for pair in value}) == len(value), state["name"]
            elif key != "offset":
                assert isinstance(value, str), f"{state['name']}: {key} must be a string"


@every_file
def test_transitions_have_every_event_and_lead_somewhere(name: str) -> None:
    flow = definition(name)
    names = {state["name"] for state in flow["states"]}
    for state in flow["states"]:
        events = [transition["event"] for transition in state["transitions"]]
        assert set(events) == EVENTS[state["type"]], state["name"]
        assert all(times == 1 for event, times in Counter(events).items() if event != "match")
        for transition in state["transitions"]:
            assert transition.get("next") in {None, *names}
            assert ("conditions" in transition) == (transition["event"] == "match")


@every_file
def test_conditions_are_complete(name: str) -> None:
    for state in definition(name)["states"]:
        for transition in state["transitions"]:
            for condition in transition.get("conditions", []):
                assert set(condition) == {"friendly_name", "arguments", "type", "value"}
                assert condition["type"] in CONDITIONS
                assert len(condition["arguments"]) == 1
                assert condition["friendly_name"]


@every_file
def test_widgets_do_not_overlap_on_the_canvas(name: str) -> None:
    places = Counter(tuple(state["properties"]["offset"].values()) for state in definition(name)["states"])
    assert [place for place, times in places.items() if times > 1] == []


@every_file
def test_every_variable_that_is_read_is_set(name: str) -> None:
    """Studio renders a missing variable as an empty text, so that a typo would be a silent bot."""
    states = definition(name)["states"]
    written = json.dumps(states, ensure_ascii=False)
    used = set(re.findall(r"flow\.variables\.(\w+)", written))
    assigned = {pair["key"] for state in states for pair in state["properties"].get("variables", [])}
    assert used - assigned <= {"flow_sid", "execution_sid"}, "they are set below a parent only"
    assert assigned - used == {"fin"}, "for whoever reads the log"


@every_file
def test_every_widget_that_is_read_exists(name: str) -> None:
    states = definition(name)["states"]
    used = set(re.findall(r"widgets\.(\w+)", json.dumps(states)))
    assert used <= {state["name"] for state in states}


@every_file
def test_texts_fit_and_have_no_exclamation_marks(name: str) -> None:
    """Texts are variables at the start of the flow: without exclamation marks, and short enough for WhatsApp."""
    for state in definition(name)["states"]:
        for pair in state["properties"].get("variables", []):
            assert "!" not in pair["value"]
            assert len(pair["value"]) < 600


def test_texts_of_the_bot_are_variables_set_at_its_start() -> None:
    head = next(state for state in definition("mercedes")["states"] if state["name"] == "textes")
    assert len(head["properties"]["variables"]) > 40
    for state in definition("mercedes")["states"]:
        body = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", state["properties"].get("body", ""))
        assert body.strip() == "", f"{state['name']} says a text of its own"


@pytest.mark.parametrize("name", ["twilio-flow-agent-mode", "twilio-flow-bot-only"])
def test_the_flows_for_twilio_run_the_bot_as_a_sub_flow(name: str) -> None:
    text = library.path_of(name).read_text(encoding="utf-8")
    assert library.PLACEHOLDER_SUBFLOW in text
    assert text.count(library.PLACEHOLDER_BASE) == 1
