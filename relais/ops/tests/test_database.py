import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from relais.ops.database import Cluster, OperationError, dsn, running_database
from relais.ops.tests.desk import until


def one_row(uri, query="SELECT current_user, current_database()"):
    with psycopg.connect(uri) as connection:
        return connection.execute(query).fetchone()


def test_it_runs_for_as_long_as_the_block(tmp_path):
    with running_database(tmp_path / "data") as uri:
        assert one_row(uri) == ("relais", "relais")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(uri)


def test_data_is_kept_between_runs(tmp_path):
    with running_database(tmp_path) as uri, psycopg.connect(uri) as connection:
        connection.execute("CREATE TABLE messages AS SELECT 'bonjour' AS text")
    with running_database(tmp_path) as uri:
        assert one_row(uri, "SELECT text FROM messages") == ("bonjour",)


def test_a_second_command_joins_the_running_one(tmp_path):
    with running_database(tmp_path) as uri:
        with running_database(tmp_path) as same:
            assert same == uri
        assert one_row(uri)


def test_a_second_server_on_the_same_data_is_refused(tmp_path):
    with running_database(tmp_path), pytest.raises(OperationError, match="in use by process"):
        Cluster(tmp_path).start(lock_timeout=0.1)


def test_the_path_may_be_long_and_hold_special_characters(tmp_path):
    folder = tmp_path / 'it\'s "$HOME" é' / ("long" * 40)
    with running_database(folder) as uri:
        assert one_row(uri)
        assert len(uri) < 150
        assert Cluster(folder).socket_dir.exists()
    assert not Cluster(folder).socket_dir.exists()


def test_pgport_is_ignored(tmp_path, monkeypatch):
    monkeypatch.setenv("PGPORT", "1")
    with running_database(tmp_path) as uri:
        assert one_row(uri)


def test_a_half_created_cluster_is_created_anew(tmp_path):
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    with running_database(tmp_path) as uri:
        assert one_row(uri)


def test_stale_pid_and_lock_files_are_removed(tmp_path):
    with running_database(tmp_path):
        pass
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    (tmp_path / "socket" / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    with running_database(tmp_path) as uri:
        assert one_row(uri)


def test_data_of_another_major_version_is_refused_with_a_sentence(tmp_path):
    with running_database(tmp_path):
        pass
    (tmp_path / "postgres" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(OperationError, match=r"made by PostgreSQL 9\.6"), running_database(tmp_path):
        pass


def test_no_other_user_is_admitted(tmp_path):
    with running_database(tmp_path) as uri:
        rules = (tmp_path / "postgres" / "pg_hba.conf").read_text()
        assert rules == "local all relais peer map=relais\n"
        with pytest.raises(psycopg.OperationalError, match="no pg_hba.conf entry"):
            psycopg.connect(uri, user="postgres")


def test_no_permission_of_a_parent_folder_is_changed(tmp_path):
    parent = tmp_path / "private"
    parent.mkdir(mode=0o700)
    with running_database(parent / "data") as uri:
        assert one_row(uri)
    assert parent.stat().st_mode & 0o777 == 0o700
    assert (parent / "data").stat().st_uid == os.geteuid()


def test_the_data_folders_are_readable_by_their_owner_only(tmp_path):
    with running_database(tmp_path / "data"):
        assert (tmp_path / "data" / "postgres").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "data" / "socket").stat().st_mode & 0o777 == 0o700


def test_the_server_ends_with_the_process_that_started_it(tmp_path):
    program = f"""
from pathlib import Path
from relais.ops.database import running_database
with running_database(Path({str(tmp_path)!r})):
    print("up", flush=True)
    input()
"""
    starter = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert starter.stdout is not None and starter.stdout.readline() == b"up\n"
    server = int((tmp_path / "postgres" / "postmaster.pid").read_text().split("\n")[0])
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    with running_database(tmp_path) as uri:  # Waits until the old server has ended.
        assert one_row(uri)
    until(lambda: not Path(f"/proc/{server}").exists(), what="the end of the old server")


def test_client_texts_are_not_in_the_database_s_log(tmp_path):
    with running_database(tmp_path) as uri, psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE TABLE messages (text text UNIQUE)")
        for _twice in range(2):
            with suppress(psycopg.Error):
                connection.execute("INSERT INTO messages VALUES ('ma carte 4242')")
        with suppress(psycopg.Error):
            connection.execute("SELECT 'ma carte 4242'::int")
    log = (tmp_path / "log" / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "4242" not in log


def test_the_connection_uri_is_known_without_a_server(tmp_path):
    assert dsn(tmp_path).startswith("postgresql:///relais?host=%2F")
    assert not any(tmp_path.iterdir())
