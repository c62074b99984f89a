import os
import signal
import socket
import time

import pytest

from relais.ops.tests.desk import Desk, until


@pytest.fixture
def desk(tmp_path):
    """Opens desks and clears all of them away."""
    opened = []

    def open_desk(**how):
        opened.append(Desk(how.pop("folder", tmp_path), **how))
        return opened[-1]

    yield open_desk
    for each in opened:
        each.clear_away()


@pytest.fixture(scope="module", autouse=True)
def failing(tmp_path_factory):
    """A desk whose jobs fail from the start; it takes its 15 seconds while the other tests run."""
    here = Desk(tmp_path_factory.mktemp("failing"), CHILD_jobs="fails")
    yield here
    here.clear_away()


@pytest.fixture(scope="module", autouse=True)
def stubborn(tmp_path_factory):
    """A desk whose jobs do not stop when asked to; its 10 seconds run meanwhile."""
    here = Desk(tmp_path_factory.mktemp("stubborn"), CHILD_jobs="stubborn").is_ready()
    here.is_told(signal.SIGTERM)
    yield here
    here.clear_away()


def test_everything_runs_and_says_where(desk):
    here = desk().is_ready()
    assert f"http://localhost:{here.port}" in here.said
    assert f"http://localhost:{here.port}/simulator" in here.said
    assert "relais-demo" in here.said
    assert all(len(here.starts_of(child)) == 1 for child in ("prepare", "web", "jobs"))
    until(lambda: here.starts_of("emulator"), what="the emulator")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_everyone_ends_well_the_database_last(desk, signum):
    here = desk().is_ready()
    here.is_told(signum)
    assert here.ends() == 0
    assert all((here.data / f"{child}.ended").exists() for child in ("web", "jobs"))
    assert "database system is shut down" in (here.data / "log" / "postgres.log").read_text()
    assert here.is_gone()


def test_after_a_stop_it_starts_again(desk):
    first = desk().is_ready()
    first.is_told(signal.SIGTERM)
    assert first.ends() == 0
    second = desk(port=first.port).is_ready()
    assert len(second.starts_of("web")) == 2


def test_a_second_one_on_the_same_data_is_refused_with_one_sentence(desk, tmp_path):
    first = desk().is_ready()
    second = desk()
    assert second.ends() == 1
    assert len(second.said.strip().splitlines()) == 1
    assert f"process {first.process.pid}" in second.said
    assert first.process.poll() is None


def test_a_taken_port_is_refused_with_one_sentence(desk):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        here = desk(port=taken.getsockname()[1])
        assert here.ends() == 1
        assert len(here.said.strip().splitlines()) == 1
        assert "RELAIS_PORT" in here.said
    assert not (here.data / "postgres").exists()


def test_a_space_and_an_accent_in_the_path_do_no_harm(desk, tmp_path):
    folder = tmp_path / "l'été à Abidjan" / ("long " * 20)
    folder.mkdir(parents=True)
    here = desk(folder=folder).is_ready()
    here.is_told(signal.SIGTERM)
    assert here.ends() == 0


def test_killed_hard_it_leaves_no_process_and_starts_again(desk):
    first = desk().is_ready()
    first.process.kill()
    second = desk(port=first.port).is_ready()
    second.is_told(signal.SIGTERM)
    assert second.ends() == 0
    until(second.is_gone, what="all processes gone")


def test_killed_hard_everyone_goes(desk):
    here = desk().is_ready()
    here.process.kill()
    here.process.wait()
    until(here.is_gone, within=10, what="all processes gone")


def test_who_dies_is_started_again(desk):
    here = desk().is_ready()
    os.kill(here.starts_of("jobs")[0], signal.SIGKILL)
    until(lambda: len(here.starts_of("jobs")) == 2, what="jobs started again")
    assert "jobs was ended by signal 9; it is started again in 1 s." in here.said
    assert len(here.starts_of("web")) == 1


def test_the_database_too_is_started_again(desk):
    here = desk().is_ready()
    postmaster = here.data / "postgres" / "postmaster.pid"
    first = int(postmaster.read_text().split("\n")[0])
    os.kill(first, signal.SIGKILL)
    until(lambda: "database was ended by signal 9" in here.said, what="the death is said")
    until(lambda: postmaster.exists() and f"{first}\n" not in postmaster.read_text(), what="a new postmaster")
    until(lambda: "ready" in postmaster.read_text(), what="the database is ready")
    here.is_told(signal.SIGTERM)
    assert here.ends() == 0


def test_what_cannot_be_prepared_ends_everything(desk):
    here = desk(CHILD_prepare="fails")
    assert here.ends() == 1
    assert "the last words of prepare" in here.said
    assert here.starts_of("web") == []
    assert here.is_gone()


def test_a_second_signal_ends_everyone_at_once(desk):
    here = desk(CHILD_jobs="stubborn").is_ready()
    here.is_told(signal.SIGTERM)
    until((here.data / "jobs.asked").exists, what="jobs asked to stop")
    began = time.monotonic()
    here.is_told(signal.SIGTERM)
    assert here.ends() == 1
    assert time.monotonic() - began < 3
    until(here.is_gone, what="all processes gone")


def test_a_signal_during_the_start_stops_it(desk):
    here = desk()
    until((here.data / "postgres.lock").exists, what="the database is being made")
    here.is_told(signal.SIGTERM)
    assert here.ends() == 0
    assert here.is_gone()


def test_half_a_twilio_account_is_refused_before_anything_starts(desk):
    here = desk(TWILIO_AUTH_TOKEN="only this")
    assert here.ends() == 2
    assert "TWILIO_ACCOUNT_SID and TWILIO_WHATSAPP_NUMBER are missing" in here.said
    assert not here.data.exists()


def test_a_desk_that_was_ever_live_refuses_the_demo(desk):
    account = {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "0",
        "TWILIO_WHATSAPP_NUMBER": "+212522000000",
    }
    live = desk(**account).is_ready()
    assert "relais-demo" not in live.said and live.starts_of("emulator") == []
    live.is_told(signal.SIGTERM)
    assert live.ends() == 0
    demo = desk()
    assert demo.ends() == 2
    assert "not the demo's" in demo.said


def test_who_will_not_stop_is_ended_by_force_and_in_time(stubborn):
    assert stubborn.ends() == 0
    assert "jobs did not end within 10 s" in stubborn.said
    log = stubborn.data / "log" / "postgres.log"
    # From the signal on, which the web server noted, to the last word of all.
    assert log.stat().st_mtime - (stubborn.data / "web.ended").stat().st_mtime < 14
    assert stubborn.is_gone()


def test_who_dies_five_times_in_a_minute_ends_everything(failing):
    assert failing.ends(within=40) == 1
    assert len(failing.starts_of("jobs")) == 5
    assert "the last words of jobs" in failing.said.split("for the fifth time in a minute")[1]
    assert failing.is_gone()
