"""`relais emulator` as a process: its configuration, its shutdown, and a port in use."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import requests

from relais.emulator.server import double_from_environment
from relais.emulator.tests.conftest import COMPANY
from relais.environment import ROOT, load

RUN = "import sys; from relais.emulator.server import run; sys.exit(run(int(sys.argv[1])))"


def emulator(folder: Path, port: int) -> "subprocess.Popen[str]":
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("TWILIO_", "DATABASE_"))
    }
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(port)],
        cwd=ROOT,
        env={**environ, "RELAIS_DATA_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_prints_its_url_and_stops_on_sigterm(tmp_path: Path) -> None:
    process = emulator(tmp_path / "data", 0)
    assert process.stdout and process.stderr
    url = process.stdout.readline().split()[-1]
    state = requests.get(f"{url}/control/state", timeout=30).json()
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "", "")
    assert state["sender"] == COMPANY
    assert [each["name"] for each in state["people"]][:3] == ["Fatou Diallo", "Ibrahim Koné", "Salma Benali"]


def test_a_port_in_use_is_reported_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = emulator(tmp_path / "data", taken.getsockname()[1])
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cannot listen" in out and errors == ""


def test_the_demo_is_called_on_loopback_and_signed_for_its_public_url(tmp_path: Path) -> None:
    settings = double_from_environment(load(tmp_path, {"RELAIS_PORT": "8123"})).settings
    assert settings.senders == {
        COMPANY: "http://localhost:8123/api/twilio/message#rc=3&rp=5xx,ct,rt",
    }
    assert settings.reach == {"http://localhost:8123": "http://127.0.0.1:8123"}
    assert settings.account_sid.startswith("AC")


def test_a_public_url_is_called_unchanged(tmp_path: Path) -> None:
    settings = double_from_environment(
        load(tmp_path, {"PUBLIC_BASE_URL": "https://relais.example.com/"})
    ).settings
    assert settings.reach == {}
    assert list(settings.senders.values()) == [
        "https://relais.example.com/api/twilio/message#rc=3&rp=5xx,ct,rt"
    ]
