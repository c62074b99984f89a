"""relais flow check: every problem with its state and path."""

import json

import pytest

from relais.cli import main
from relais.flows.check import check
from relais.flows.engine.tests.stage import FIXTURES, flow_of, say

QUESTION = "send-and-wait-for-reply"
ASK = {"incomingMessage": None, "timeout": "bye"}


def found(definition):
    return [(problem.level, problem.code, problem.state, problem.path) for problem in check(definition)]


def with_state(*states):
    return flow_of(("one", "set-variables", {"variables": []}, {"next": states[0][0]}), *states)


@pytest.mark.parametrize(
    ("states", "problem"),
    [
        ([say("a", "x", "nowhere")], ("error", "dangling_next", "a", "#/states/2/transitions/0/next")),
        ([say("a", "x"), say("b", "x")], ("warning", "unreachable", "b", "#/states/3")),
        ([say("a", "{{ x")], ("error", "bad_template", "a", "#/states/2/properties/body")),
        ([say("a", "{{ x | shout }}")], ("error", "bad_template", "a", "#/states/2/properties/body")),
        (
            [say("a", "{{widgets.Ask.inbound.Body}}")],
            ("warning", "unknown_widget", "a", "#/states/2/properties/body"),
        ),
        ([say("a b", "x")], ("error", "bad_name", "a b", "#/states/2/name")),
        ([say("1a", "x")], ("error", "bad_name", "1a", "#/states/2/name")),
        ([say("a", "")], ("warning", "no_property", "a", "#/states/2/properties/body")),
        (
            [("a", "send-message", {"body": "x"}, {"sent": None, "timeout": None})],
            ("error", "unknown_event", "a", "#/states/2/transitions/1/event"),
        ),
        (
            [
                (
                    "a",
                    "make-http-request",
                    {"method": "GET", "url": "https://x"},
                    {"success": None, "failed": None},
                )
            ],
            ("warning", "no_branch", "a", "#/states/2/transitions/1"),
        ),
        (
            [("a", "make-http-request", {"method": "GET", "url": "https://x"}, {"success": None})],
            ("warning", "no_branch", "a", "#/states/2/transitions"),
        ),
        (
            [("a", QUESTION, {"body": "?"}, {"incomingMessage": None, "timeout": None})],
            ("warning", "no_branch", "a", "#/states/2/transitions/1"),
        ),
        (
            [("a", QUESTION, {"body": "?", "timeout": "soon"}, {"incomingMessage": None, "timeout": "one"})],
            ("warning", "bad_timeout", "a", "#/states/2/properties/timeout"),
        ),
        (
            [("a", "say-play", {}, {"audioComplete": None})],
            ("error", "unsupported_widget", "a", "#/states/2/type"),
        ),
        (
            [
                (
                    "a",
                    "make-http-request",
                    {"method": "PUT", "url": "https://x"},
                    {"success": None, "failed": "one"},
                )
            ],
            ("error", "bad_method", "a", "#/states/2/properties/method"),
        ),
        (
            [("a", "run-function", {}, {"success": None, "fail": "one"})],
            ("error", "no_property", "a", "#/states/2/properties/url"),
        ),
        (
            [("a", "set-variables", {"variables": [{"key": "", "value": "x"}]}, {"next": None})],
            ("error", "no_key", "a", "#/states/2/properties/variables/0/key"),
        ),
        (
            [("a", "set-variables", {"variables": [{"key": "k", "value": "{% if %}"}]}, {"next": None})],
            ("error", "bad_template", "a", "#/states/2/properties/variables/0/value"),
        ),
    ],
)
def test_one_problem_is_found_where_it_is(states, problem):
    assert found(with_state(*states)) == [problem]


def split(**condition):
    condition = {"friendly_name": "x", "arguments": ["{{trigger.message.Body}}"], "value": "x", **condition}
    to = [{"event": "noMatch"}, {"event": "match", "next": "one", "conditions": [condition]}]
    return with_state(("a", "split-based-on", {"input": "{{trigger.message.Body}}"}, to))


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ({"type": "equal_to"}, []),
        ({"type": "regex", "value": "("}, [("error", "bad_regex", "value")]),
        ({"type": "regex", "value": "(?=a)[a-z&&[^b]]"}, []),
        ({"type": "sounds_like"}, [("error", "unknown_condition", "type")]),
        ({"type": "less_than", "value": "many"}, [("warning", "bad_value", "value")]),
        ({"type": "less_than", "value": "{{flow.variables.many}}"}, []),
        ({"type": "is_after_time", "value": "8h"}, [("warning", "bad_value", "value")]),
        ({"type": "is_blank", "value": "{{ oops"}, []),
        ({"type": "equal_to", "arguments": ["{{ x"]}, [("error", "bad_template", "arguments/0")]),
    ],
)
def test_conditions(condition, problem):
    path = "#/states/2/transitions/1/conditions/0"
    assert found(split(**condition)) == [(level, code, "a", f"{path}/{at}") for level, code, at in problem]


def test_all_problems_are_found_at_once_and_errors_come_first():
    flow = with_state(say("a", "{{ x"), say("a", "x"), ("b", "teleport", {}, {}), ("c", "say-play", {}, {}))
    codes = [problem.code for problem in check(flow)]
    assert codes == [
        "duplicate_name",
        "unsupported_widget",
        "unsupported_widget",
        "bad_template",
        "unreachable",
        "unreachable",
    ]


@pytest.mark.parametrize(
    "definition", ["", "[]", "{}", '{"states": 1}', '{"states": [null], "initial_state": 3}']
)
def test_what_is_no_flow_is_one_error_at_least(definition):
    assert any(problem.level == "error" for problem in check(definition))


# -- as a command -----------------------------------------------------------------------------------------


def written(tmp_path, definition, name="flow.json"):
    file = tmp_path / name
    file.write_text(definition if isinstance(definition, str) else json.dumps(definition))
    return str(file)


def test_errors_are_1_and_named(tmp_path, capsys):
    file = written(tmp_path, with_state(say("hello", "x", "nowhere")))
    assert main(["flow", "check", file]) == 1
    said = capsys.readouterr().out
    assert "error: hello:" in said and "nowhere" in said and "#/states/2/transitions/0/next" in said


def test_warnings_alone_are_0(tmp_path, capsys):
    file = written(tmp_path, with_state(say("a", "x"), say("b", "x")))
    assert main(["flow", "check", file]) == 0
    assert capsys.readouterr().out.endswith("0 errors, 1 warning.\n")


def test_several_files_as_json(tmp_path, capsys):
    good, bad = str(FIXTURES / "trigger.json"), written(tmp_path, "{", "bad.json")
    assert main(["flow", "check", good, bad, str(tmp_path / "none.json"), "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)
    assert [(p["file"], p["level"], p["code"]) for p in problems] == [
        (bad, "error", "not_json"),
        (str(tmp_path / "none.json"), "error", "unreadable"),
    ]
    assert set(problems[0]) == {"file", "level", "code", "state", "path", "message"}


def test_nothing_to_say_as_json_is_an_empty_list(capsys):
    assert main(["flow", "check", "--json", str(FIXTURES / "trigger.json")]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_no_file_is_bad_use():
    with pytest.raises(SystemExit) as ended:
        main(["flow", "check"])
    assert ended.value.code == 2
