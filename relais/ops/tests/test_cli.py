"""The command as a person types it, on a data folder of its own."""

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def relais(tmp_path_factory):
    data = tmp_path_factory.mktemp("cli") / "data"
    variables = {**os.environ, "RELAIS_DATA_DIR": str(data)}
    # The database of a person who has none running: each command starts it for its own duration.
    variables.pop("DATABASE_URL")

    def run(*arguments, **more):
        command = [sys.executable, "-P", "-m", "relais", *arguments]
        return subprocess.run(
            command,
            env={**variables, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    run.data = data
    return run


def refused(done, code):
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


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


def test_a_user_is_made_once(relais):
    made = relais("user", "create", *AWA)
    assert made.returncode == 0, made.stderr
    assert "awa@example.com" in made.stdout
    assert "already" in refused(relais("user", "create", *AWA), 1)


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
def test_a_user_who_cannot_be_is_refused_with_a_sentence(relais, change, sentence):
    assert sentence in refused(relais("user", "create", *AWA, *change), 2)


def test_what_is_missing_cannot_be_asked_without_a_terminal(relais):
    assert "--name is missing" in refused(relais("user", "create", "--email", "koffi@example.com"), 2)


def test_a_token_is_shown_once_and_alone(relais):
    made = relais("token", "create", "--name", "crm")
    assert made.returncode == 0, made.stderr
    assert len(made.stdout.split()) == 1 and len(made.stdout) > 30


def test_tokens_are_listed_and_revoked_and_it_leaves_a_trace(relais):
    relais("token", "create", "--name", "atelier", "--expires-days", "30")
    listed = relais("token", "list")
    assert listed.returncode == 0, listed.stderr
    [row] = [line for line in listed.stdout.splitlines() if "atelier" in line]
    number = row.split()[0]
    assert row.endswith("valid") and "never" in row and "relais_" not in listed.stdout
    assert relais("token", "revoke", number).returncode == 0
    assert "revoked already" in refused(relais("token", "revoke", number), 1)
    assert "no token with the number 999" in refused(relais("token", "revoke", "999"), 1)
    assert f"{row.removesuffix('valid')}revoked" in relais("token", "list").stdout
    trail = (relais.data / "log" / "command.log").read_text().splitlines()
    lines = [line for line in map(json.loads, trail) if line.get("api_token") == int(number)]
    assert [line["act"] for line in lines] == ["token created", "token revoked"]
    assert {line["actor"] for line in lines} == {"command"}


@pytest.mark.parametrize("name", ["", "a" * 81, b"\xff"])
def test_a_token_needs_a_name_that_can_be_kept(relais, name):
    assert "--name is" in refused(relais("token", "create", "--name", name), 2)


def test_an_empty_test_message_is_bad_use(relais):
    assert "--text is missing" in refused(relais("say", "--to", "+212600000001", "--text", " "), 2)


def test_a_test_message_to_no_number_is_bad_use(relais):
    assert refused(relais("say", "--to", "Fatou", "--text", "bonjour"), 2)


def test_a_test_message_that_does_not_leave_is_a_sentence(relais):
    # Nobody answers where the tests send Twilio's calls.
    assert refused(relais("say", "--to", "+212600000001", "--text", "bonjour"), 1)


def test_a_database_that_does_not_answer_is_a_sentence(relais):
    nowhere = "postgresql://relais@127.0.0.1:9/relais?connect_timeout=2"
    sentence = refused(relais("user", "create", *AWA, DATABASE_URL=nowhere), 1)
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
def test_bad_use_is_said_in_one_sentence(relais, arguments):
    assert refused(relais(*arguments), 2)


def test_a_bad_environment_is_said_in_one_sentence(relais):
    assert "RELAIS_PORT" in refused(relais("up", RELAIS_PORT="eight"), 2)


def test_help_names_every_command(relais):
    said = relais("--help")
    assert said.returncode == 0
    assert all(
        f"    {name} " in said.stdout for name in ("up", "web", "jobs", "user", "token", "say", "emulator")
    )
    assert "manage" not in said.stdout


def test_the_doctor_looks_also_when_nothing_runs_and_makes_nothing(relais, tmp_path):
    data = tmp_path / "data"
    looked = relais("doctor", "--json", RELAIS_DATA_DIR=str(data))
    assert looked.returncode == 1, looked.stderr
    told = {each["name"]: each for each in json.loads(looked.stdout)}
    assert told["database"]["state"] == told["public_address"]["state"] == "failed"
    assert "there is none yet" in told["database"]["sentence"]
    assert not (data / "postgres").exists()


def test_the_doctor_starts_the_database_when_it_does_not_run(relais):
    relais("migrate")
    looked = relais("doctor")
    assert looked.returncode == 1, looked.stderr
    told = {line.split()[1]: line.split()[0] for line in looked.stdout.splitlines() if line[0] != " "}
    assert (told["database"], told["migrations"]) == ("ok", "ok")
    assert "Not running: there never was a sign of life" in looked.stdout


def test_the_doctor_of_a_bad_environment_is_a_sentence(relais):
    assert "half connected" in refused(relais("doctor", TWILIO_AUTH_TOKEN=""), 2)
