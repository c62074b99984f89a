"""What is printed, how it ends, and that it always ends."""

import json
import threading

import psycopg
import pytest

from relais.ops.doctor import runner
from relais.ops.doctor.report import told
from relais.ops.doctor.result import failed, ok, unverified, warning
from relais.ops.doctor.runner import LOOKS, examine
from relais.ops.doctor.tests.conftest import SECRET, TOKEN, written_to


def examined(patient, look):
    return list(examine(patient, {"it": look}))


def test_a_line_says_how_it_is_and_what_to_do(capsys):
    code = told(
        [ok("Fine."), warning("Odd.", "Look."), failed("Broken.", "Mend it."), unverified("Who knows.")],
        as_json=False,
    )
    printed = capsys.readouterr().out
    assert code == 1
    assert "failed" in printed and "→ Mend it." in printed
    assert "non vérifié" in printed
    assert printed.strip().endswith("1 ok, 1 warning, 1 failed, 1 non vérifié.")


@pytest.mark.parametrize(
    ("finding", "code"), [(ok("."), 0), (warning(".", "."), 0), (unverified("."), 0), (failed(".", "."), 1)]
)
def test_only_what_failed_makes_it_fail(finding, code, capsys):
    assert told([finding], as_json=False) == code


def test_json_is_a_list_with_the_same(capsys):
    told([failed("Broken.", "Mend it."), unverified("Who knows.")], as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"name": "", "state": "failed", "sentence": "Broken.", "advice": "Mend it."},
        {"name": "", "state": "unverified", "sentence": "non vérifié : Who knows.", "advice": ""},
    ]


def test_a_look_that_hangs_is_a_finding(patient, monkeypatch):
    monkeypatch.setattr(runner, "PATIENCE", 0.05)
    never = threading.Event()

    def hangs(patient):
        yield ok("Begun.")
        never.wait()

    assert [each.state for each in examined(patient, hangs)] == ["ok", "failed"]
    never.set()


def test_all_looks_together_have_a_bound(patient, monkeypatch):
    monkeypatch.setattr(runner, "IN_ALL", 0.0)
    never = threading.Event()

    def hangs(patient):
        never.wait()
        yield ok("")

    assert [each.state for each in examine(patient, {"a": hangs, "b": hangs})] == ["failed", "failed"]
    never.set()


def test_a_look_that_breaks_hides_no_other_and_tells_no_secret(patient):
    def breaks(patient):
        raise ValueError(f"token {TOKEN}, secret {SECRET}")
        yield

    [told] = examined(patient, breaks)
    assert (told.name, told.state) == ("it", "failed")
    assert TOKEN not in told.sentence and SECRET not in told.sentence


def test_a_password_of_the_database_is_never_told(patient):
    away = written_to(patient, database_url="postgresql://relais:relais@127.0.0.1:9/desk")

    def quotes(patient):
        yield ok("Start Relais by bin/relais up.")
        raise ValueError("the password is relais")

    [said, broke] = examined(away, quotes)
    assert said.sentence == "Start Relais by bin/relais up.", "a password that is a word spoils no sentence"
    assert "relais" not in broke.sentence
    away = written_to(patient, database_url="postgresql://relais:a-long-password@127.0.0.1:9/desk")

    def tells(patient):
        yield failed(patient.environment.database_url, patient.environment.database_url)

    [told] = examined(away, tells)
    assert "a-long-password" not in told.sentence + told.advice


@pytest.mark.parametrize("error", [psycopg.OperationalError("gone"), psycopg.errors.UndefinedTable("none")])
def test_what_needs_the_database_is_unverified_without_it(patient, error):
    def asks(patient):
        raise error
        yield

    [told] = examined(patient, asks)
    assert told.state == "unverified"


def test_everything_is_looked_at(patient):
    wanted = "database migrations jobs sender clock disk public_address credentials sender_number hooks"
    assert set(wanted.split()) <= set(LOOKS)
