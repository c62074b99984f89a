"""Checks of the machine: clock, disk, data folder."""

import errno
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from relais.ops.doctor import clock, disk
from relais.ops.doctor.tests.conftest import only_problem, states, with_environment

ENOUGH_SPACE = {"f_bavail": 10**7, "f_frsize": 4096, "f_files": 10**7, "f_favail": 10**7}


def test_a_clock_that_agrees_with_the_database_is_ok(with_database):
    [result] = clock.check_clock(with_database)
    assert result.state == "ok"
    assert "Africa/Casablanca" in result.sentence


def test_the_difference_of_a_wrong_clock_is_reported(with_database):
    off = replace(with_database, now=lambda: datetime.now(UTC) - timedelta(hours=1))
    [problem, rest] = clock.check_clock(off)
    assert (problem.state, rest.state) == ("failed", "unverified")
    assert "3600 s behind the database's" in problem.sentence


def test_the_clock_of_the_public_address_is_compared(reachable):
    late = replace(
        with_environment(reachable, database_url="postgresql://127.0.0.1:9/none"),
        now=lambda: datetime.now(UTC) + timedelta(minutes=2),
    )
    sentences = " ".join(result.sentence for result in clock.check_clock(late))
    # A Date header has whole seconds.
    assert re.search(r"1(19|2\d) s ahead of that of the public address", sentences)


def test_the_clock_of_twilio_is_compared_with_live_checks(connected):
    late = replace(
        with_environment(connected, database_url="postgresql://127.0.0.1:9/none"),
        now=lambda: datetime.now(UTC) + timedelta(minutes=10),
    )
    assert any("ahead of Twilio's" in result.sentence for result in clock.check_clock(late))


@pytest.fixture
def fill_disk(monkeypatch):
    def fill_disk(**changes):
        monkeypatch.setattr(disk, "statvfs", lambda folder: SimpleNamespace(**ENOUGH_SPACE | changes))

    return fill_disk


def test_a_disk_with_enough_space_is_ok(context, fill_disk):
    fill_disk()
    assert states(disk.check_space, context) == ["ok"]


@pytest.mark.parametrize(
    ("changes", "state", "sentence"),
    [
        ({"f_bavail": 0}, "failed", "Only 0.0 GB free"),
        ({"f_bavail": 100_000}, "failed", "Only 0.4 GB free"),
        ({"f_bavail": 250_000}, "warning", "Only 1.0 GB free"),
        ({"f_favail": 12}, "failed", "Only 12 more files"),
    ],
)
def test_a_full_disk_is_reported(context, fill_disk, changes, state, sentence):
    fill_disk(**changes)
    problem = only_problem(disk.check_space, context)
    assert (problem.state, sentence in problem.sentence) == (state, True)


def test_a_file_system_that_counts_no_files_is_ok(context, fill_disk):
    fill_disk(f_files=0, f_favail=0)
    assert states(disk.check_space, context) == ["ok"]


def test_a_folder_that_cannot_be_written_to_is_reported(context, fill_disk, monkeypatch):
    fill_disk()

    def refuse(**kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(disk.tempfile, "TemporaryFile", refuse)
    assert "Read-only" in only_problem(disk.check_space, context).sentence


def test_the_disk_check_leaves_no_file(context):
    list(disk.check_space(context))
    assert list(context.environment.data_dir.iterdir()) == []


def test_a_missing_folder_is_reported(context, tmp_path):
    assert (
        "no data folder"
        in only_problem(disk.check_space, with_environment(context, data_dir=tmp_path / "none")).sentence
    )


def test_a_key_that_others_may_read_is_reported(context):
    data = context.environment.data_dir
    (data / "secret_key").write_text("key")
    (data / "secret_key").chmod(0o644)
    assert states(disk.check_permissions, context) == ["ok"], "the folder is closed to them"
    data.chmod(0o755)
    problem = only_problem(disk.check_permissions, context)
    assert problem.state == "failed"
    assert "mode 644" in problem.sentence
    (data / "secret_key").chmod(0o600)
    assert states(disk.check_permissions, context) == ["ok"]


def test_an_env_file_that_others_may_read_is_reported(context, tmp_path, monkeypatch):
    env_file = tmp_path / "env"
    env_file.write_text("")
    env_file.chmod(0o640)
    monkeypatch.setenv("RELAIS_ENV_FILE", str(env_file))
    problem = only_problem(disk.check_permissions, context)
    assert (problem.state, str(env_file) in problem.sentence) == ("warning", True)


def test_a_folder_of_another_user_is_reported(context, monkeypatch):
    monkeypatch.setattr(disk.os, "geteuid", lambda: 4242)
    assert "another user" in only_problem(disk.check_permissions, context).sentence
