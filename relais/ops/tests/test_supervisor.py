import os
import signal
import socket
import time

import pytest

from relais.ops.tests.desk import Desk, until


@pytest.fixture
def desk(tmp_path):
    """Starts desks and kills all their processes at the end."""
    desks = []

    def start_desk(**options):
        desks.append(Desk(options.pop("folder", tmp_path), **options))
        return desks[-1]

    yield start_desk
    for each in desks:
        each.kill_all()


@pytest.fixture(scope="module", autouse=True)
def failing(tmp_path_factory):
    """A desk whose jobs fail at once; its 15 seconds pass while the other tests run."""
    instance = Desk(tmp_path_factory.mktemp("failing"), CHILD_jobs="fails")
    yield instance
    instance.kill_all()


@pytest.fixture(scope="module", autouse=True)
def stubborn(tmp_path_factory):
    """A desk whose jobs ignore SIGTERM; its 10 seconds pass while the other tests run."""
    instance = Desk(tmp_path_factory.mktemp("stubborn"), CHILD_jobs="stubborn").wait_until_ready()
    instance.signal(signal.SIGTERM)
    yield instance
    instance.kill_all()


def test_everything_starts_and_the_banner_names_the_address(desk):
    instance = desk().wait_until_ready()
    assert f"http://localhost:{instance.port}" in instance.printed
    assert f"http://localhost:{instance.port}/simulator" in instance.printed
    assert "relais-demo" in instance.printed
    assert all(len(instance.starts_of(child)) == 1 for child in ("prepare", "web", "jobs"))
    until(lambda: instance.starts_of("emulator"), what="the emulator")


def test_at_a_terminal_the_banner_is_the_last_routine_output(desk):
    instance = desk(terminal=True, CHILD_web="logs", CHILD_jobs="logs").wait_until_ready()
    before_banner = instance.printed.split("Relais est prêt")[0]
    assert "web      | " in before_banner and "jobs     | " in before_banner
    until(lambda: "Ctrl+C" in instance.printed, what="the end of the banner")
    (instance.data / "banner-shown").touch()
    until(lambda: instance.printed.count("WARNING unusual event") == 2, what="the warnings")
    after_banner = instance.printed.split("Ctrl+C")[1]
    assert "routine event" not in after_banner and "process started" not in after_banner
    assert "routine event" in (instance.data / "log" / "web.log").read_text()


def test_a_log_collector_gets_every_line_also_after_the_banner(desk):
    instance = desk(CHILD_web="logs").wait_until_ready()
    (instance.data / "banner-shown").touch()
    until(lambda: '"event": "unusual event"' in instance.printed, what="the warning")
    assert '"event": "process started"' in instance.printed.split("Relais est prêt")[0]
    assert '"event": "routine event"' in instance.printed.split("Ctrl+C")[1]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_all_processes_the_database_last(desk, signum):
    instance = desk().wait_until_ready()
    instance.signal(signum)
    assert instance.exit_code() == 0
    assert all((instance.data / f"{child}.ended").exists() for child in ("web", "jobs"))
    assert "database system is shut down" in (instance.data / "log" / "postgres.log").read_text()
    assert instance.has_ended()


def test_after_a_stop_it_starts_again(desk):
    first = desk().wait_until_ready()
    first.signal(signal.SIGTERM)
    assert first.exit_code() == 0
    second = desk(port=first.port).wait_until_ready()
    assert len(second.starts_of("web")) == 2


def test_a_second_instance_on_the_same_data_is_refused_with_one_sentence(desk, tmp_path):
    first = desk().wait_until_ready()
    second = desk()
    assert second.exit_code() == 1
    assert len(second.printed.strip().splitlines()) == 1
    assert f"process {first.process.pid}" in second.printed
    assert first.process.poll() is None


def test_a_taken_port_is_refused_with_one_sentence(desk):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        instance = desk(port=taken.getsockname()[1])
        assert instance.exit_code() == 1
        assert len(instance.printed.strip().splitlines()) == 1
        assert "RELAIS_PORT" in instance.printed
    assert not (instance.data / "postgres").exists()


def test_the_path_may_hold_spaces_and_accents(desk, tmp_path):
    folder = tmp_path / "l'été à Abidjan" / ("long " * 20)
    folder.mkdir(parents=True)
    instance = desk(folder=folder).wait_until_ready()
    instance.signal(signal.SIGTERM)
    assert instance.exit_code() == 0


def test_after_sigkill_it_starts_again(desk):
    first = desk().wait_until_ready()
    first.process.kill()
    second = desk(port=first.port).wait_until_ready()
    second.signal(signal.SIGTERM)
    assert second.exit_code() == 0
    until(second.has_ended, what="all processes gone")


def test_after_sigkill_no_process_is_left(desk):
    instance = desk().wait_until_ready()
    instance.process.kill()
    instance.process.wait()
    until(instance.has_ended, what="all processes gone")


def test_a_child_that_exits_is_restarted(desk):
    instance = desk().wait_until_ready()
    os.kill(instance.starts_of("jobs")[0], signal.SIGKILL)
    until(lambda: len(instance.starts_of("jobs")) == 2, what="jobs started again")
    assert "jobs was ended by signal 9; it is started again in 1 s." in instance.printed
    assert len(instance.starts_of("web")) == 1


def test_the_database_is_restarted(desk):
    instance = desk().wait_until_ready()
    postmaster = instance.data / "postgres" / "postmaster.pid"
    first = int(postmaster.read_text().split("\n")[0])
    os.kill(first, signal.SIGKILL)
    until(lambda: "database was ended by signal 9" in instance.printed, what="the notice of the exit")
    until(lambda: postmaster.exists() and f"{first}\n" not in postmaster.read_text(), what="a new postmaster")
    until(lambda: "ready" in postmaster.read_text(), what="the database is ready")
    instance.signal(signal.SIGTERM)
    assert instance.exit_code() == 0


def test_a_failed_preparation_stops_everything(desk):
    instance = desk(CHILD_prepare="fails")
    assert instance.exit_code() == 1
    assert "the last words of prepare" in instance.printed
    assert instance.starts_of("web") == []
    assert instance.has_ended()


def test_a_second_signal_kills_all_processes_at_once(desk):
    instance = desk(CHILD_jobs="stubborn").wait_until_ready()
    instance.signal(signal.SIGTERM)
    until((instance.data / "jobs.asked").exists, what="jobs asked to stop")
    started = time.monotonic()
    instance.signal(signal.SIGTERM)
    assert instance.exit_code() == 1
    assert time.monotonic() - started < 3
    until(instance.has_ended, what="all processes gone")


def test_a_signal_during_the_start_stops_it(desk):
    instance = desk()
    until((instance.data / "postgres.lock").exists, what="the database is being made")
    instance.signal(signal.SIGTERM)
    assert instance.exit_code() == 0
    assert instance.has_ended()


def test_half_a_twilio_account_is_refused_before_anything_starts(desk):
    instance = desk(TWILIO_AUTH_TOKEN="only this")
    assert instance.exit_code() == 2
    assert "TWILIO_ACCOUNT_SID and TWILIO_WHATSAPP_NUMBER are missing" in instance.printed
    assert not instance.data.exists()


def test_a_desk_that_was_ever_live_refuses_the_demo(desk):
    account = {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "0",
        "TWILIO_WHATSAPP_NUMBER": "+212522000000",
    }
    live = desk(**account).wait_until_ready()
    assert "relais-demo" not in live.printed and live.starts_of("emulator") == []
    live.signal(signal.SIGTERM)
    assert live.exit_code() == 0
    demo = desk()
    assert demo.exit_code() == 2
    assert "not the demo's" in demo.printed


def test_a_child_that_does_not_stop_is_killed_after_its_timeout(stubborn):
    assert stubborn.exit_code() == 0
    assert "jobs did not end within 10 s" in stubborn.printed
    log = stubborn.data / "log" / "postgres.log"
    # From the signal, which the web server recorded, to the last line of the database.
    assert log.stat().st_mtime - (stubborn.data / "web.ended").stat().st_mtime < 14
    assert stubborn.has_ended()


def test_a_child_that_exits_five_times_in_a_minute_stops_everything(failing):
    assert failing.exit_code(timeout=120) == 1
    assert len(failing.starts_of("jobs")) == 5
    assert "the last words of jobs" in failing.printed.split("for the fifth time in a minute")[1]
    assert failing.has_ended()
