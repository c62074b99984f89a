"""`relais flow check`: each problem with its state and path."""

import json

import pytest

from relais.cli import main
from relais.flows.check import check, examine
from relais.flows.engine.tests.harness import FIXTURES, flow_of, say

QUESTION = "send-and-wait-for-reply"
ASK = {"incomingMessage": None, "timeout": "bye"}


def problems_found(definition):
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
            [
                (
                    "a",
                    "send-message",
                    {"body": "x", "content_sid": "", "message_type": "content_template"},
                    {"sent": None},
                )
            ],
            ("warning", "no_property", "a", "#/states/2/properties/content_sid"),
        ),
        (
            [("a", "send-message", {"content_sid": "HX1", "message_type": "custom"}, {"sent": None})],
            ("warning", "no_property", "a", "#/states/2/properties/body"),
        ),
        (
            [say("a", "x", **{"from": "+14155550000"})],
            ("warning", "other_sender", "a", "#/states/2/properties/from"),
        ),
        (
            [
                (
                    "a",
                    QUESTION,
                    {"body": "?", "to": "+33699999999"},
                    {"incomingMessage": None, "timeout": "one"},
                )
            ],
            ("warning", "other_recipient", "a", "#/states/2/properties/to"),
        ),
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
def test_each_problem_is_found_with_its_path(states, problem):
    assert problems_found(with_state(*states)) == [problem]


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
    assert problems_found(split(**condition)) == [
        (level, code, "a", f"{path}/{at}") for level, code, at in problem
    ]


def test_all_problems_are_listed_errors_first():
    flow = with_state(say("a", "{{ x"), say("a", "x"), ("b", "teleport", {}, {}), ("c", "say-play", {}, {}))
    problems_found = [(problem.level, problem.code) for problem in check(flow)]
    assert problems_found == [
        ("error", "duplicate_name"),
        ("error", "bad_template"),
        ("warning", "unsupported_widget"),
        ("warning", "unsupported_widget"),
        ("warning", "unreachable"),
        ("warning", "unreachable"),
    ]


@pytest.mark.parametrize(
    "definition", ["", "[]", "{}", '{"states": 1}', '{"states": [null], "initial_state": 3}']
)
def test_an_invalid_file_has_at_least_one_error(definition):
    assert any(problem.level == "error" for problem in check(definition))


# -- available starts -----------------------------------------------------------------------------------


def started_by(first, *states):
    """A flow whose trigger has these transitions: {event: state}."""
    flow = flow_of(*states)
    flow["states"][0]["transitions"] = [{"event": event, "next": state} for event, state in first.items()]
    return flow


def verdicts(definition):
    return [str(verdict) for verdict in examine(definition).verdicts]


VOICE = ("v", "say-play", {"say": "{{ oops"}, {"audioComplete": "nowhere"})


def test_problems_that_only_a_call_reaches_are_warnings():
    flow = started_by({"incomingMessage": "a", "incomingCall": "v"}, say("a", "hi"), VOICE)
    assert {problem.level for problem in check(flow)} == {"warning"}
    assert [problem.code for problem in check(flow)] == [
        "unsupported_widget",
        "unsupported_trigger",
        "dangling_next",
    ]
    assert verdicts(flow) == ["client message: runs", "call: not available here"]


def test_problems_that_a_message_reaches_are_errors():
    flow = started_by({"incomingMessage": "a", "incomingCall": "v"}, say("a", "hi", "v"), VOICE)
    assert [p.code for p in check(flow) if p.level == "error"] == ["unsupported_widget", "dangling_next"]
    assert verdicts(flow) == ["client message: has 2 errors on its way", "call: not available here"]


def test_a_missing_target_of_the_trigger_is_an_error_only_for_available_events():
    by_call = started_by({"incomingMessage": "a", "incomingCall": "nowhere"}, say("a", "hi"))
    assert ("warning", "dangling_next") in [(p.level, p.code) for p in check(by_call)]
    by_message = started_by({"incomingMessage": "nowhere"}, say("a", "hi"))
    assert [(p.level, p.code) for p in check(by_message)][0] == ("error", "dangling_next")


def test_a_flow_that_only_a_request_starts_is_a_warning():
    flow = started_by({"incomingRequest": "a"}, say("a", "hi"))
    assert problems_found(flow) == [("warning", "no_start", "Trigger", "#/states/0/transitions")]
    assert "REST request (incomingRequest) only" in check(flow)[0].message
    assert verdicts(flow) == ["REST request: not available here; relais flow play --request tries it"]


def test_a_flow_without_available_starts_is_checked_by_all_its_starts():
    flow = started_by({"incomingCall": "v"}, VOICE)
    assert [p.code for p in check(flow) if p.level == "error"] == ["unsupported_widget", "dangling_next"]
    assert "no_start" in [problem.code for problem in check(flow)]


def test_a_flow_that_nothing_starts_is_a_warning():
    flow = started_by({"incomingMessage": None}, say("a", "hi"))
    assert problems_found(flow)[0] == ("warning", "no_start", "Trigger", "#/states/0/transitions")
    assert verdicts(flow) == []


def test_a_conversation_starts_a_flow_unless_messages_do():
    alone = started_by({"incomingConversationMessage": "a"}, say("a", "hi"))
    assert (problems_found(alone), verdicts(alone)) == ([], ["conversation message: runs"])
    beside = {"incomingMessage": "a", "incomingConversationMessage": "b"}
    both = started_by(beside, say("a", "hi"), say("b", "{{ oops"))
    assert [(p.level, p.code, p.state) for p in check(both)] == [
        ("warning", "unsupported_trigger", "Trigger"),
        ("warning", "bad_template", "b"),
    ]
    assert verdicts(both)[1].startswith("conversation message: not used here")
    same = started_by(dict.fromkeys(beside, "a"), say("a", "hi"))
    assert problems_found(same) == []


def test_a_sub_flow_is_started_by_its_parent_and_listed_in_its_verdict():
    subflow = started_by({"incomingParent": "a"}, say("a", "hi"))
    assert (problems_found(subflow), verdicts(subflow)) == ([], ["parent flow: runs"])
    sid = "FW" + "1" * 32
    to = {"completed": None, "failed": "a"}
    parent = started_by({"incomingMessage": "d"}, ("d", "run-subflow", {"flow_sid": sid}, to), say("a", "hi"))
    assert verdicts(parent) == [f"client message: runs, with the sub-flow {sid}"]


# -- the command ------------------------------------------------------------------------------------------


def written(tmp_path, definition, name="flow.json"):
    file = tmp_path / name
    file.write_text(definition if isinstance(definition, str) else json.dumps(definition))
    return str(file)


def test_errors_are_printed_and_exit_with_1(tmp_path, capsys):
    file = written(tmp_path, with_state(say("hello", "x", "nowhere")))
    assert main(["flow", "check", file]) == 1
    output = capsys.readouterr().out
    assert "error: hello:" in output and "nowhere" in output and "#/states/2/transitions/0/next" in output


def test_warnings_alone_exit_with_0(tmp_path, capsys):
    file = written(tmp_path, with_state(say("a", "x"), say("b", "x")))
    assert main(["flow", "check", file]) == 0
    assert capsys.readouterr().out.endswith("0 errors, 1 warning.\n")


def test_each_start_has_a_verdict(tmp_path, capsys):
    flow = started_by(
        {"incomingMessage": "a", "incomingCall": "v"}, say("a", "hi"), ("v", "say-play", {}, {})
    )
    file = written(tmp_path, flow)
    assert main(["flow", "check", file]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == [
        f"{file}: client message: runs",
        f"{file}: call: not available here",
        "0 errors, 2 warnings.",
    ]


def test_a_message_names_widget_and_property_and_what_to_do(tmp_path, capsys):
    file = written(
        tmp_path, with_state(("ask", "run-function", {}, {"success": None, "fail": "one"}), say("b", "{{ x"))
    )
    assert main(["flow", "check", file]) == 1
    output = capsys.readouterr().out
    assert "error: ask: the property url is missing: add it (#/states/2/properties/url)" in output
    assert "b: the template of body is wrong:" in output and "correct it" in output


def test_several_files_as_json(tmp_path, capsys):
    good, bad = str(FIXTURES / "trigger.json"), written(tmp_path, "{", "bad.json")
    assert main(["flow", "check", good, bad, str(tmp_path / "none.json"), "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)
    assert [(p["file"], p["level"], p["code"]) for p in problems] == [
        (bad, "error", "not_json"),
        (str(tmp_path / "none.json"), "error", "unreadable"),
    ]
    assert set(problems[0]) == {"file", "level", "code", "state", "path", "message"}


def test_no_problems_as_json_are_an_empty_list(capsys):
    assert main(["flow", "check", "--json", str(FIXTURES / "trigger.json")]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_no_file_is_bad_use():
    with pytest.raises(SystemExit) as ended:
        main(["flow", "check"])
    assert ended.value.code == 2
