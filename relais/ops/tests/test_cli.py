"""The `relais` command in a process of its own, on a temporary data folder."""

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def relais(tmp_path_factory):
    data = tmp_path_factory.mktemp("cli") / "data"
    variables = {**os.environ, "RELAIS_DATA_DIR": str(data)}
    # The embedded database: each command starts it while it runs.
    variables.pop("DATABASE_URL")

    def run(*arguments, **overrides):
        command = [sys.executable, "-P", "-m", "relais", *arguments]
        return subprocess.run(
            command,
            env={**variables, **overrides},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )

    run.data = data
    return run


def error_sentence(process, code):
    """The only line on stderr of a command that failed with this exit code."""
    assert process.returncode == code, process.stderr
    assert process.stdout == ""
    assert len(process.stderr.strip().splitlines()) == 1, process.stderr
    return process.stderr


AWA = (
    "--email",
    "awa@example.com",
    "--name",
    "Awa Diop",
    "--role",
    "agent",
    "--password",
    "une phrase assez longue",
)


def test_a_user_is_created_once(relais):
    assert "whole number" in error_sentence(relais("user", "create", *AWA, "--capacity", "many"), 2)
    assert "at most 100" in error_sentence(relais("user", "create", *AWA, "--capacity", "101"), 2)
    created = relais("user", "create", *AWA, "--capacity", "3")
    assert created.returncode == 0, created.stderr
    assert "awa@example.com" in created.stdout
    assert "already" in error_sentence(relais("user", "create", *AWA), 1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("--role", "boss"), "“boss” is no role"),
        (("--email", "awa"), "no e-mail address"),
        (("--email", ""), "--email is missing"),
        (("--email", f"{'a' * 60}@{'.'.join(['b' * 60] * 4)}.com"), "--email is longer than 254"),
        (("--name", "a" * 121), "--name is longer than 120"),
        (("--name", b"Awa \xff"), "--name is not written in UTF-8"),
        (("--password", b"\xff" * 12), "--password is not written in UTF-8"),
    ],
)
def test_an_invalid_user_is_rejected_with_a_sentence(relais, change, sentence):
    assert sentence in error_sentence(relais("user", "create", *AWA, *change), 2)


def test_a_missing_option_is_an_error_without_a_terminal(relais):
    assert "--name is missing" in error_sentence(relais("user", "create", "--email", "koffi@example.com"), 2)


def test_only_the_token_is_printed(relais):
    created = relais("token", "create", "--name", "crm")
    assert created.returncode == 0, created.stderr
    assert len(created.stdout.split()) == 1 and len(created.stdout) > 30


def test_tokens_are_listed_and_revoked_and_the_audit_log_records_it(relais):
    relais("token", "create", "--name", "atelier", "--expires-days", "30")
    listed = relais("token", "list")
    assert listed.returncode == 0, listed.stderr
    [row] = [line for line in listed.stdout.splitlines() if "atelier" in line]
    number = row.split()[0]
    assert row.endswith("valid") and "never" in row and "relais_" not in listed.stdout
    assert relais("token", "revoke", number).returncode == 0
    assert "revoked already" in error_sentence(relais("token", "revoke", number), 1)
    assert "no token with the number 999" in error_sentence(relais("token", "revoke", "999"), 1)
    assert f"{row.removesuffix('valid')}revoked" in relais("token", "list").stdout
    audit_log = (relais.data / "log" / "command.log").read_text().splitlines()
    lines = [line for line in map(json.loads, audit_log) if line.get("api_token") == int(number)]
    assert [line["act"] for line in lines] == ["token created", "token revoked"]
    assert {line["actor"] for line in lines} == {"command"}


@pytest.mark.parametrize("name", ["", "a" * 81, b"\xff"])
def test_an_invalid_token_name_is_rejected(relais, name):
    assert "--name is" in error_sentence(relais("token", "create", "--name", name), 2)


def test_an_empty_test_message_is_a_usage_error(relais):
    assert "--text is missing" in error_sentence(relais("say", "--to", "+212600000001", "--text", " "), 2)


def test_a_test_message_to_an_invalid_number_is_a_usage_error(relais):
    assert error_sentence(relais("say", "--to", "Fatou", "--text", "bonjour"), 2)


def test_a_test_message_that_cannot_be_sent_is_one_sentence(relais):
    # Nothing listens at the Twilio address of the tests.
    assert error_sentence(relais("say", "--to", "+212600000001", "--text", "bonjour"), 1)


def test_an_unreachable_database_is_one_sentence(relais):
    unreachable = "postgresql://relais@127.0.0.1:9/relais?connect_timeout=2"
    sentence = error_sentence(relais("user", "create", *AWA, DATABASE_URL=unreachable), 1)
    assert "DATABASE_URL" in sentence


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["user"],
        ["token"],
        ["token", "revoke", "x"],
        ["token", "create"],
        ["emulator"],
        ["emulator", "--port", "x"],
    ],
)
def test_a_usage_error_is_one_sentence(relais, arguments):
    assert error_sentence(relais(*arguments), 2)


def test_an_invalid_environment_is_one_sentence(relais):
    assert "RELAIS_PORT" in error_sentence(relais("up", RELAIS_PORT="eight"), 2)


def test_help_lists_every_command(relais):
    process = relais("--help")
    assert process.returncode == 0
    assert all(
        f"    {name} " in process.stdout for name in ("up", "web", "jobs", "user", "token", "say", "emulator")
    )
    assert "manage" not in process.stdout


def test_the_doctor_runs_without_a_data_folder_and_creates_no_database(relais, tmp_path):
    data = tmp_path / "data"
    process = relais("doctor", "--json", RELAIS_DATA_DIR=str(data))
    assert process.returncode == 1, process.stderr
    results = {each["name"]: each for each in json.loads(process.stdout)}
    assert results["database"]["state"] == results["public_address"]["state"] == "failed"
    assert "there is none yet" in results["database"]["sentence"]
    assert not (data / "postgres").exists()


def test_the_doctor_starts_the_database_if_it_does_not_run(relais):
    relais("migrate")
    process = relais("doctor")
    assert process.returncode == 1, process.stderr
    states = {line.split()[1]: line.split()[0] for line in process.stdout.splitlines() if line[0] != " "}
    assert (states["database"], states["migrations"]) == ("ok", "ok")
    assert "Not running: there never was a sign of life" in process.stdout


def test_the_doctor_reports_an_invalid_environment_in_one_sentence(relais):
    assert "half connected" in error_sentence(relais("doctor", TWILIO_AUTH_TOKEN=""), 2)


def test_a_demo_is_emptied_once_it_was_confirmed(relais, tmp_path):
    demo = {name: "" for name in os.environ if name.startswith("TWILIO_")}
    demo |= {"PUBLIC_BASE_URL": "", "RELAIS_DATA_DIR": str(tmp_path / "demo")}
    refused = relais("demo", "clear", **demo)
    assert refused.returncode == 1
    assert "Nothing was removed" in refused.stderr
    emptied = relais("demo", "clear", "--yes", **demo)
    assert emptied.returncode == 0, emptied.stderr
    assert "Removed 0 sample conversations" in emptied.stdout


def test_only_a_demo_is_emptied(relais):
    assert "not a demo" in error_sentence(relais("demo", "clear", "--yes"), 1)
