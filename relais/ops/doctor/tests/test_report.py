"""The output of the doctor, its exit code, and the timeouts of the checks."""

import json
import threading

import psycopg
import pytest

from relais.ops.doctor import runner
from relais.ops.doctor.report import print_results
from relais.ops.doctor.result import failed, ok, unverified, warning
from relais.ops.doctor.runner import CHECKS, run_checks
from relais.ops.doctor.tests.conftest import SECRET, TOKEN, with_environment


def run_check(context, check):
    return list(run_checks(context, {"it": check}))


def test_a_line_has_state_sentence_and_advice(capsys):
    code = print_results(
        [ok("Fine."), warning("Odd.", "Check."), failed("Broken.", "Mend it."), unverified("Who knows.")],
        as_json=False,
    )
    printed = capsys.readouterr().out
    assert code == 1
    assert "failed" in printed and "→ Mend it." in printed
    assert "non vérifié" in printed
    assert printed.strip().endswith("1 ok, 1 warning, 1 failed, 1 non vérifié.")


@pytest.mark.parametrize(
    ("result", "code"), [(ok("."), 0), (warning(".", "."), 0), (unverified("."), 0), (failed(".", "."), 1)]
)
def test_only_failed_results_fail_the_command(result, code, capsys):
    assert print_results([result], as_json=False) == code


def test_json_lists_the_same_results(capsys):
    print_results([failed("Broken.", "Mend it."), unverified("Who knows.")], as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"name": "", "state": "failed", "sentence": "Broken.", "advice": "Mend it."},
        {"name": "", "state": "unverified", "sentence": "non vérifié : Who knows.", "advice": ""},
    ]


def test_a_check_that_hangs_is_a_failed_result(context, monkeypatch):
    monkeypatch.setattr(runner, "CHECK_TIMEOUT_SECONDS", 0.05)
    never = threading.Event()

    def hangs(context):
        yield ok("Begun.")
        never.wait()

    assert [each.state for each in run_check(context, hangs)] == ["ok", "failed"]
    never.set()


def test_all_checks_together_have_a_timeout(context, monkeypatch):
    monkeypatch.setattr(runner, "TOTAL_TIMEOUT_SECONDS", 0.0)
    never = threading.Event()

    def hangs(context):
        never.wait()
        yield ok("")

    assert [each.state for each in run_checks(context, {"a": hangs, "b": hangs})] == ["failed", "failed"]
    never.set()


def test_a_check_that_raises_hides_no_other_and_shows_no_secret(context):
    def breaks(context):
        raise ValueError(f"token {TOKEN}, secret {SECRET}")
        yield

    [result] = run_check(context, breaks)
    assert (result.name, result.state) == ("it", "failed")
    assert TOKEN not in result.sentence and SECRET not in result.sentence


def test_the_database_password_is_never_shown(context):
    away = with_environment(context, database_url="postgresql://relais:relais@127.0.0.1:9/desk")

    def quotes(context):
        yield ok("Start Relais by bin/relais up.")
        raise ValueError("the password is relais")

    [passed, broke] = run_check(away, quotes)
    assert passed.sentence == "Start Relais by bin/relais up.", "a password that is a word spoils no sentence"
    assert "relais" not in broke.sentence
    away = with_environment(context, database_url="postgresql://relais:a-long-password@127.0.0.1:9/desk")

    def tells(context):
        yield failed(context.environment.database_url, context.environment.database_url)

    [result] = run_check(away, tells)
    assert "a-long-password" not in result.sentence + result.advice


@pytest.mark.parametrize("error", [psycopg.OperationalError("gone"), psycopg.errors.UndefinedTable("none")])
def test_checks_that_need_the_database_are_unverified_without_it(context, error):
    def asks(context):
        raise error
        yield

    [result] = run_check(context, asks)
    assert result.state == "unverified"


def test_every_check_is_run(context):
    wanted = "database migrations jobs sender clock disk public_address credentials sender_number hooks"
    assert set(wanted.split()) <= set(CHECKS)
