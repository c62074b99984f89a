"""Every widget, event, condition, problem and end reason has a label."""

import re
from pathlib import Path

import pytest
from django.utils.translation import override

from relais import flows
from relais.flows import labels
from relais.flows.engine import Problem, parse
from relais.flows.engine.conditions import CONDITIONS
from relais.flows.engine.limits import END_REASON_TEXTS
from relais.flows.engine.widgets import WIDGET_TYPES
from relais.flows.templatetags.flows import fit
from relais.typography import typeset

ROOM = Path(flows.__file__).parent


def codes():
    sources = [path for path in ROOM.rglob("*.py") if "tests" not in path.parts]
    return {code for path in sources for code in re.findall(r'Problem\(\s*"([a-z_]+)"', path.read_text())}


def test_each_problem_has_a_label():
    assert codes()
    assert codes() <= set(labels.PROBLEM_TEXTS)


def test_each_widget_event_condition_and_end_reason_has_a_label():
    assert set(WIDGET_TYPES) <= set(labels.WIDGET_TYPE_LABELS)
    known = {event for kind in WIDGET_TYPES.values() for event in kind.events}
    assert known - set(labels.EVENT_LABELS) <= {
        "match",
        "incomingCall",
        "incomingConversationMessage",
        "composerStarted",
    }
    assert set(CONDITIONS) == set(labels.CONDITION_LABELS)
    assert set(END_REASON_TEXTS) <= set(labels.END_REASON_LABELS)


def test_an_unknown_problem_shows_its_message():
    assert labels.problem_text(Problem("new", "something new")) == "something new"


@pytest.fixture
def shop():
    return parse(
        {
            "initial_state": "t",
            "states": [
                {"name": "t", "type": "trigger", "transitions": []},
                {
                    "name": "set",
                    "type": "set-variables",
                    "properties": {"variables": [{"key": "hello", "value": "Bonjour {{flow.variables.who}}"}, {"key": "who", "value": "Fatou"}]},
                },
                {"name": "say", "type": "send-message", "properties": {"body": "{% if x %}Pardon.{% endif %}{{flow.variables.hello}}"}},
                {
                    "name": "choose",
                    "type": "split-based-on",
                    "properties": {"input": "{{widgets.ask.inbound.Body}}"},
                    "transitions": [
                        {"event": "noMatch"},
                        {"event": "match", "conditions": [{"type": "equal_to", "value": "1", "arguments": ["{{widgets.ask.inbound.Body}}"]}]},
                        {"event": "match", "conditions": [{"type": "equal_to", "value": "true", "arguments": ["{{widgets.in.parsed.agent_mode}}"]}]},
                    ],
                },
            ],
        }
    )  # fmt: skip


def test_a_message_is_summarised_with_its_variables(shop):
    assert labels.summary(shop.widgets["say"], labels.initial_variables(shop)) == "Bonjour Fatou"


def test_a_match_is_labelled_by_its_condition(shop):
    choose = shop.widgets["choose"]
    with override("fr"):
        assert [labels.event_label(t, choose) for t in choose.transitions] == [
            "sinon",
            "= 1",
            "agent_mode = true",
        ]


def test_a_recursive_variable_is_substituted_only_twice():
    assert (
        len(labels.substitute_variables("{{flow.variables.a}}", {"a": "{{flow.variables.a}}" * 500}))
        <= labels.MAX_TEXT_CHARACTERS
    )


def test_text_is_cut_to_its_width():
    assert fit("court", 200) == "court"
    cut = fit("un texte bien trop long pour sa case", 80)
    assert cut.endswith("…") and len(cut) < 15


def test_a_problem_shows_which_event_it_is_about():
    problem = Problem("no_branch", "nothing follows “timeout”: the flow ends there without a word", "ask")
    assert labels.problem_detail(problem) == typeset("« timeout »")
    assert labels.problem_detail(Problem("bad_regex", "missing )")) == "missing )"
