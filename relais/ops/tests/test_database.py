import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from relais.ops.database import Cluster, OperationError, dsn, running
from relais.ops.tests.desk import until


def one_row(address, query="SELECT current_user, current_database()"):
    with psycopg.connect(address) as connection:
        return connection.execute(query).fetchone()


def test_it_runs_for_as_long_as_the_block(tmp_path):
    with running(tmp_path / "data") as address:
        assert one_row(address) == ("relais", "relais")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address)


def test_what_was_written_is_there_the_next_time(tmp_path):
    with running(tmp_path) as address, psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE said AS SELECT 'bonjour' AS text")
    with running(tmp_path) as address:
        assert one_row(address, "SELECT text FROM said") == ("bonjour",)


def test_a_second_command_joins_the_running_one(tmp_path):
    with running(tmp_path) as address:
        with running(tmp_path) as same:
            assert same == address
        assert one_row(address)


def test_a_second_server_on_the_same_data_is_refused(tmp_path):
    with running(tmp_path), pytest.raises(OperationError, match="in use by process"):
        Cluster(tmp_path).start(patience=0.1)


def test_a_path_with_everything_in_it(tmp_path):
    folder = tmp_path / 'it\'s "$HOME" é' / ("long" * 40)
    with running(folder) as address:
        assert one_row(address)
        assert len(address) < 150
        assert Cluster(folder).socket_dir.exists()
    assert not Cluster(folder).socket_dir.exists()


def test_a_foreign_port_variable_is_of_no_effect(tmp_path, monkeypatch):
    monkeypatch.setenv("PGPORT", "1")
    with running(tmp_path) as address:
        assert one_row(address)


def test_a_start_that_was_killed_halfway_is_made_anew(tmp_path):
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    with running(tmp_path) as address:
        assert one_row(address)


def test_stale_files_of_a_dead_server_are_of_no_effect(tmp_path):
    with running(tmp_path):
        pass
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    (tmp_path / "socket" / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    with running(tmp_path) as address:
        assert one_row(address)


def test_data_of_another_major_version_is_refused_with_a_sentence(tmp_path):
    with running(tmp_path):
        pass
    (tmp_path / "postgres" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(OperationError, match=r"made by PostgreSQL 9\.6"), running(tmp_path):
        pass


def test_nobody_else_is_let_in(tmp_path):
    with running(tmp_path) as address:
        rules = (tmp_path / "postgres" / "pg_hba.conf").read_text()
        assert rules == "local all relais peer map=relais\n"
        with pytest.raises(psycopg.OperationalError, match="no pg_hba.conf entry"):
            psycopg.connect(address, user="postgres")


def test_no_permission_of_a_parent_folder_is_changed(tmp_path):
    parent = tmp_path / "private"
    parent.mkdir(mode=0o700)
    with running(parent / "data") as address:
        assert one_row(address)
    assert parent.stat().st_mode & 0o777 == 0o700
    assert (parent / "data").stat().st_uid == os.geteuid()


def test_a_data_folder_that_must_not_be_read_by_others_stays_so(tmp_path):
    with running(tmp_path / "data"):
        assert (tmp_path / "data" / "postgres").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "data" / "socket").stat().st_mode & 0o777 == 0o700


def test_the_server_dies_with_who_started_it(tmp_path):
    program = f"""
from pathlib import Path
from relais.ops.database import running
with running(Path({str(tmp_path)!r})):
    print("up", flush=True)
    input()
"""
    starter = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert starter.stdout is not None and starter.stdout.readline() == b"up\n"
    server = int((tmp_path / "postgres" / "postmaster.pid").read_text().split("\n")[0])
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    with running(tmp_path) as address:  # Waits for the old one to be gone.
        assert one_row(address)
    until(lambda: not Path(f"/proc/{server}").exists(), what="the old server is gone")


def test_what_clients_wrote_is_not_in_its_log(tmp_path):
    with running(tmp_path) as address, psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE TABLE said (text text UNIQUE)")
        for _twice in range(2):
            with suppress(psycopg.Error):
                connection.execute("INSERT INTO said VALUES ('ma carte 4242')")
        with suppress(psycopg.Error):
            connection.execute("SELECT 'ma carte 4242'::int")
    log = (tmp_path / "log" / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "4242" not in log


def test_the_address_is_known_without_a_server(tmp_path):
    assert dsn(tmp_path).startswith("postgresql:///relais?host=%2F")
    assert not any(tmp_path.iterdir())
