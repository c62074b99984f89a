"""`relais flow play`: a flow in the terminal; the player is the client."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from relais.cli import main
from relais.flows.engine.tests.harness import FIXTURES, flow_of, say

ROOT = Path(__file__).resolve().parents[3]
NOW = "2025-06-15T12:00:00+00:00"
SID = "FW00000000000000000000000000000001"


@pytest.fixture
def play(capsys, tmp_path):
    def played(flow, *arguments, code=0):
        if isinstance(flow, dict):
            (tmp_path / "flow.json").write_text(json.dumps(flow))
            flow = tmp_path / "flow.json"
        elif not Path(flow).is_absolute():
            flow = FIXTURES / f"{flow}.json"
        assert main(["flow", "play", str(flow), "--json", "--now", NOW, *arguments]) == code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return played


@pytest.fixture
def answers(tmp_path):
    def written(known):
        (tmp_path / "answers.json").write_text(known if isinstance(known, str) else json.dumps(known))
        return "--http", str(tmp_path / "answers.json")

    return written


def test_a_conversation(play):
    assert play("send-and-wait-for-reply", "--say", "bonjour", "--say", "Awa") == [
        {"type": "message", "widget": "ask", "body": "Votre nom ?", "media_url": ""},
        {"type": "wait", "widget": "ask", "timeout": 600},
        {
            "type": "message",
            "widget": "thanks",
            "body": "Merci Awa (0 média) ; vous aviez écrit bonjour.",
            "media_url": "",
        },
        {"type": "end", "reason": "completed", "steps": 3, "at": NOW},
    ]


def test_without_lines_left_it_prints_waiting(play):
    assert play("send-and-wait-for-reply", "--say", "bonjour")[-1] == {
        "type": "end", "reason": "waiting", "steps": 2, "at": NOW,
    }  # fmt: skip


def test_a_wait_times_out_at_its_own_time(play):
    lines = play("send-and-wait-for-reply", "--say", "bonjour", "--say", "+300", "--say", "+86400")
    assert [line["widget"] for line in lines[:-1]] == ["ask", "ask", "silent"]
    assert (lines[-1]["reason"], lines[-1]["at"]) == ("completed", "2025-06-15T12:10:00+00:00")


def test_several_waits_time_out_while_time_passes(play):
    flow = flow_of(
        ("a", "send-and-wait-for-reply", {"body": "A", "timeout": 10}, {"timeout": "b"}),
        (
            "b",
            "send-and-wait-for-reply",
            {"body": '{{"now" | date: "%M:%S"}}', "timeout": 10},
            {"timeout": "a"},
        ),
    )
    lines = play(flow, "--say", "x", "--say", "+25")
    assert [line["body"] for line in lines if line["type"] == "message"] == ["A", "00:10", "A"]
    assert (lines[-1]["reason"], lines[-1]["at"]) == ("waiting", "2025-06-15T12:00:25+00:00")


def test_an_execution_expires_after_thirty_days(play):
    question = {"body": "?", "timeout": 700_000}
    flow = flow_of(
        ("a", "send-and-wait-for-reply", question, {"timeout": "b"}),
        ("b", "send-and-wait-for-reply", question, {"timeout": "a"}),
    )
    end = play(flow, "--say", "x", "--say", "+9999999")[-1]
    assert (end["reason"], end["at"]) == ("execution_too_long", "2025-07-15T12:00:00+00:00")


@pytest.mark.parametrize(
    ("states", "reason", "steps"),
    [
        ([say("a", "a", "a")], "widget_loop", 11),
        ([say("a", "a", "b"), say("b", "b", "a")], "max_steps", 1000),
        ([say("a", "é" * 9000)], "text_too_long", 2),
    ],
)
def test_limits_are_printed_by_name(play, states, reason, steps):
    lines = play(flow_of(*states), "--say", "x")
    assert lines[-2]["type"] == "warning"
    assert lines[-1] == {"type": "end", "reason": reason, "steps": steps, "at": NOW}


def test_media_in_a_line(play):
    body = "{{trigger.message.NumMedia}} {{trigger.message.MediaUrl0}} {{trigger.message.MediaContentType0}} {{trigger.message.Body}}"
    (message, _) = play(flow_of(say("a", body)), "--say", "@https://x.example/a.jpg ma carte grise")
    assert message["body"] == "1 https://x.example/a.jpg image/jpeg ma carte grise"
    (message, _) = play(flow_of(say("a", body)), "--say", "@awa bonjour")
    assert message["body"] == "0   @awa bonjour"


def test_a_phone_number_is_a_message_and_not_a_time(play):
    assert (
        "+212600000001" in play("send-and-wait-for-reply", "--say", "x", "--say", "+212600000001")[2]["body"]
    )


def test_sender_and_profile_name_are_options(play):
    flow = flow_of(
        say(
            "a",
            "{{contact.channel.address}} {{trigger.message.ProfileName}} {{trigger.message.From}} {{trigger.message.WaId}}",
        )
    )
    (message, _) = play(flow, "--say", "x", "--from", "whatsapp:+22501020304", "--profile-name", "Koffi")
    assert message["body"] == "whatsapp:+22501020304 Koffi whatsapp:+22501020304 22501020304"


def test_responses_are_used_in_turn_and_the_last_repeats(play, answers):
    known = {"incoming": [{"status": 200, "json": {"status": "one"}}, {"status": 200, "body": "two"}]}
    lines = play("make-http-request", "--say", "a", "--say", "b", "--say", "c", *answers(known))
    assert [line["body"] for line in lines if line["type"] == "message"] == ["one//200"] * 3
    assert lines[0] == {
        "type": "http",
        "widget": "incoming",
        "method": "POST",
        "url": "https://studio:secret@desk.example/api/twilio/incoming",
        "params": {"From": "whatsapp:+212600000001", "Body": "a"},
        "body": "",
    }


def test_a_request_without_a_response_fails_as_by_time_out(play, answers):
    assert play("make-http-request", "--say", "a")[1]["body"] == "Panne "
    assert (
        play("make-http-request", "--say", "a", *answers({"incoming": {"status": 500, "body": "x"}}))[1][
            "body"
        ]
        == "Panne 500x"
    )


def test_functions_and_agents_are_lines(play, answers):
    first, message, _ = play("run-function", "--say", "duster", *answers({"price": {"json": {"price": 5}}}))
    assert first == {
        "type": "function",
        "widget": "price",
        "url": "https://price.example/quote",
        "params": {"model": "duster"},
    }
    assert message["body"] == "5 "
    assert play("send-to-flex", "--say", "atelier")[0] == {
        "type": "agent", "widget": "agent", "attributes": {"name": "", "menu": {"choice": "atelier"}},
    }  # fmt: skip


def test_a_sub_flow_is_played(play):
    lines = play(
        "run-subflow", "--subflow", f"{SID}={FIXTURES / 'subflow.json'}", "--say", "x", "--say", "Awa"
    )
    assert [line["widget"] for line in lines[:-1]] == ["ask", "ask", "done"]
    assert lines[2]["body"] == "Awa, 41 ans, sans ."


def test_warnings_are_lines(play):
    warning, message, end = play("unsupported", "--say", "x")
    assert set(warning) == {"type", "widget", "message"} and warning["widget"] == "ring"
    assert (message["type"], end["reason"]) == ("message", "completed")


def test_a_content_template_is_printed_with_its_variables(play):
    properties = {"content_sid": "HX1", "content_variables": [{"key": "{{1}}", "value": "Awa"}]}
    (message, _) = play(flow_of(("a", "send-message", properties, {"sent": None})), "--say", "x")
    assert (message["body"], message["content_sid"], message["content_variables"]) == (
        "",
        "HX1",
        {"1": "Awa"},
    )


OTHER = "whatsapp:+33699999999"


def test_a_message_to_another_has_to_and_from(play):
    flow = flow_of(say("tell", "Secret de {{trigger.message.Body}}", "done", to=OTHER), say("done", "ok"))
    message, done, end = play(flow, "--say", "Fatou")
    assert message == {
        "type": "message",
        "widget": "tell",
        "body": "Secret de Fatou",
        "media_url": "",
        "to": OTHER,
        "from": "whatsapp:+14155238886",
    }
    assert "to" not in done and end["reason"] == "completed"


def test_the_text_output_shows_the_recipient(capsys, tmp_path):
    (tmp_path / "f.json").write_text(json.dumps(flow_of(say("tell", "Secret", to=OTHER))))
    assert main(["flow", "play", str(tmp_path / "f.json"), "--say", "x"]) == 0
    assert f"to {OTHER}] Secret   (tell)" in capsys.readouterr().out


def test_a_conversation_starts_a_flow_and_custom_text_is_no_template(play):
    flow = flow_of(
        (
            "a",
            "send-message",
            {"body": "Hi {{trigger.conversation.From}}", "message_type": "custom", "content_sid": "HX1"},
            {},
        )
    )
    flow["states"][0]["transitions"] = [
        {"event": "incomingMessage"},
        {"event": "incomingConversationMessage", "next": "a"},
    ]
    message, _ = play(flow, "--say", "x")
    assert message["body"] == "Hi whatsapp:+212600000001" and "content_sid" not in message


def test_a_response_of_twilios_api_is_played(play):
    (message, _) = play({"sid": "FW1", "definition": json.dumps(flow_of(say("a", "hi")))}, "--say", "x")
    assert message["body"] == "hi"


def test_a_request_may_start_it(play):
    message, end = play("trigger", "--request", '{"name": "Awa", "when": "lundi"}', "--say", "unheard")
    assert message["body"].startswith("Rappel pour Awa : lundi") and end["reason"] == "completed"


def test_time_without_a_zone_is_of_the_zone_of_the_flow(capsys, tmp_path):
    (tmp_path / "f.json").write_text(json.dumps(flow_of(say("a", '{{"now" | date: "%H:%M"}}'))))
    play = ["flow", "play", str(tmp_path / "f.json"), "--json", "--say", "x", "--now", "2025-06-15T09:30"]
    assert main([*play, "--zone", "Africa/Abidjan"]) == 0
    message, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert (message["body"], end["at"]) == ("09:30", "2025-06-15T09:30:00+00:00")


def test_lines_are_read_from_standard_input(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("bonjour\r\n+600\n"))
    assert main(["flow", "play", str(FIXTURES / "send-and-wait-for-reply.json")]) == 0
    output = capsys.readouterr().out
    assert "bot  Votre nom ?   (ask)" in output and "Toujours là ?" in output
    assert output.splitlines()[-1].split()[:2] == ["end", "completed,"]


def test_the_text_output_says_why_a_request_fails(capsys):
    assert main(["flow", "play", str(FIXTURES / "make-http-request.json"), "--say", "x"]) == 0
    assert "--http has none for incoming" in capsys.readouterr().out


def test_without_messages_the_flow_does_not_start(play):
    assert play("trigger", "--say", "+5") == [
        {"type": "end", "reason": "waiting", "steps": 0, "at": "2025-06-15T12:00:05+00:00"}
    ]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"states": []}'])
def test_an_invalid_file_exits_with_1(play, tmp_path, content, capsys):
    file = tmp_path / "bad.json"
    if content is not None:
        file.write_text(content)
    (error,) = play(file, "--say", "x", code=1)
    assert error["type"] == "error" and set(error) == {"type", "message"} and str(file) in error["message"]
    assert main(["flow", "play", str(file), "--say", "x"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and str(file) in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--now", "noon"],
        ["--now", "9999-12-31T00:00:00Z"],
        ["--zone", "Mars/Olympus"],
        ["--subflow", "FW1"],
        ["--http", "/nowhere.json"],
        ["--request", "[]"],
    ],
)
def test_an_invalid_option_exits_with_2_and_one_sentence(arguments, capsys):
    assert main(["flow", "play", str(FIXTURES / "trigger.json"), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 1 and arguments[0] in captured.err


@pytest.mark.parametrize(
    "known", ["[]", "{", '{"a": 1}', '{"a": {"status": "200"}}', '{"a": [{"body": {}}]}']
)
def test_invalid_responses_exit_with_2(known, answers, capsys):
    assert main(["flow", "play", str(FIXTURES / "trigger.json"), *answers(known)]) == 2


def test_it_needs_neither_settings_nor_database(tmp_path):
    code = """
import sys
from relais.cli import main
code = main(sys.argv[1:])
assert not {"django", "psycopg", "relais.settings"} & set(sys.modules), "settings or database"
sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "flow", "play", str(FIXTURES / "trigger.json"), "--say", "x", "--json"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": "postgres://nobody@nowhere/none",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout.splitlines()[-1])["reason"] == "completed"


def test_a_closed_pipe_prints_no_traceback(tmp_path):
    """As `relais flow play … | head -1`: the pipe closes before the last line."""
    question = {"body": "?", "timeout": 10}
    flow = flow_of(
        ("a", "send-and-wait-for-reply", question, {"timeout": "b"}),
        ("b", "send-and-wait-for-reply", question, {"timeout": "a"}),
    )
    (tmp_path / "f.json").write_text(json.dumps(flow))
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "relais", "flow", "play", str(tmp_path / "f.json"), "--json", "--say", "x"],
        cwd=ROOT,
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, "")
