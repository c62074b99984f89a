"""Faults of the machine: its clock, its disk, its data folder."""

import errno
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from relais.ops.doctor import clock, disk
from relais.ops.doctor.tests.conftest import only_fault, states, written_to

ROOM = {"f_bavail": 10**7, "f_frsize": 4096, "f_files": 10**7, "f_favail": 10**7}


def test_a_clock_that_agrees_with_the_database_is_well(with_database):
    [told] = clock.look(with_database)
    assert told.state == "ok"
    assert "Africa/Casablanca" in told.sentence


def test_a_clock_that_is_off_says_by_how_much(with_database):
    off = replace(with_database, now=lambda: datetime.now(UTC) - timedelta(hours=1))
    [fault, rest] = clock.look(off)
    assert (fault.state, rest.state) == ("failed", "unverified")
    assert "3600 s behind the database's" in fault.sentence


def test_the_clock_outside_is_compared_too(door):
    late = replace(
        written_to(door, database_url="postgresql://127.0.0.1:9/none"),
        now=lambda: datetime.now(UTC) + timedelta(minutes=2),
    )
    told = " ".join(found.sentence for found in clock.look(late))
    # Such a header tells whole seconds.
    assert re.search(r"1(19|2\d) s ahead of that of the public address", told)


def test_twilios_clock_is_compared_when_it_may_be_asked(connected):
    late = replace(
        written_to(connected, database_url="postgresql://127.0.0.1:9/none"),
        now=lambda: datetime.now(UTC) + timedelta(minutes=10),
    )
    assert any("ahead of Twilio's" in found.sentence for found in clock.look(late))


@pytest.fixture
def full(monkeypatch):
    def full(**changes):
        monkeypatch.setattr(disk, "statvfs", lambda folder: SimpleNamespace(**ROOM | changes))

    return full


def test_a_disk_with_room_is_well(patient, full):
    full()
    assert states(disk.look, patient) == ["ok"]


@pytest.mark.parametrize(
    ("changes", "state", "sentence"),
    [
        ({"f_bavail": 0}, "failed", "Only 0.0 GB free"),
        ({"f_bavail": 100_000}, "failed", "Only 0.4 GB free"),
        ({"f_bavail": 250_000}, "warning", "Only 1.0 GB free"),
        ({"f_favail": 12}, "failed", "Only 12 more files"),
    ],
)
def test_a_full_disk_is_told(patient, full, changes, state, sentence):
    full(**changes)
    fault = only_fault(disk.look, patient)
    assert (fault.state, sentence in fault.sentence) == (state, True)


def test_a_file_system_that_counts_no_files_is_well(patient, full):
    full(f_files=0, f_favail=0)
    assert states(disk.look, patient) == ["ok"]


def test_a_folder_that_cannot_be_written_to_is_told(patient, full, monkeypatch):
    full()

    def refuses(**more):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(disk.tempfile, "TemporaryFile", refuses)
    assert "Read-only" in only_fault(disk.look, patient).sentence


def test_a_look_at_the_disk_leaves_nothing_there(patient):
    list(disk.look(patient))
    assert list(patient.environment.data_dir.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(patient, tmp_path):
    assert "no data folder" in only_fault(disk.look, written_to(patient, data_dir=tmp_path / "none")).sentence


def test_a_key_that_others_may_read_is_told(patient):
    data = patient.environment.data_dir
    (data / "secret_key").write_text("key")
    (data / "secret_key").chmod(0o644)
    assert states(disk.look_at_modes, patient) == ["ok"], "the folder is closed to them"
    data.chmod(0o755)
    fault = only_fault(disk.look_at_modes, patient)
    assert fault.state == "failed"
    assert "mode 644" in fault.sentence
    (data / "secret_key").chmod(0o600)
    assert states(disk.look_at_modes, patient) == ["ok"]


def test_an_env_file_that_others_may_read_is_told(patient, tmp_path, monkeypatch):
    dotenv = tmp_path / "env"
    dotenv.write_text("")
    dotenv.chmod(0o640)
    monkeypatch.setenv("RELAIS_ENV_FILE", str(dotenv))
    fault = only_fault(disk.look_at_modes, patient)
    assert (fault.state, str(dotenv) in fault.sentence) == ("warning", True)


def test_a_folder_of_somebody_else_is_told(patient, monkeypatch):
    monkeypatch.setattr(disk.os, "geteuid", lambda: 4242)
    assert "another user" in only_fault(disk.look_at_modes, patient).sentence
