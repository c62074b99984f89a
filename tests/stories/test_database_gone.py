"""The database dies under a running desk: everyone is told so, nothing is half done, and all comes back by itself."""

import os
import signal
from collections import Counter
from contextlib import contextmanager

import pytest
import requests
from twilio.request_validator import RequestValidator

from relais.bench.instance import running_instance
from relais.emulator.testing import wait_for
from relais.ops.port import free_port
from tests.cast import new_sid

ACCOUNT, TOKEN, NUMBER = "AC" + "8" * 32, "b" * 32, "+212522000000"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with running_instance(
        tmp_path_factory.mktemp("gone") / "data",
        port=(port := free_port()),
        TWILIO_ACCOUNT_SID=ACCOUNT,
        TWILIO_AUTH_TOKEN=TOKEN,
        TWILIO_WHATSAPP_NUMBER=NUMBER,
        TWILIO_API_BASE_URL="http://127.0.0.1:9",
        PUBLIC_BASE_URL=f"http://localhost:{port}",
    ) as desk:
        yield desk


def writes(desk, sid):
    url = f"{desk.url}/api/twilio/message"
    params = {"MessageSid": sid, "From": "whatsapp:+212600000001", "Body": sid}
    signature = RequestValidator(TOKEN).compute_signature(url, params)
    return requests.post(url, data=params, headers={"X-Twilio-Signature": signature}, timeout=15)


@contextmanager
def without_database(desk):
    """Killed, and not started again as long as the supervisor is held up."""
    postmaster = int((desk.folder / "postgres" / "postmaster.pid").read_text().split()[0])
    desk.process.send_signal(signal.SIGSTOP)
    os.kill(postmaster, signal.SIGKILL)
    try:
        yield
    finally:
        desk.process.send_signal(signal.SIGCONT)


def test_hooks_are_503_until_it_is_back_and_what_was_acknowledged_is_there(desk):
    answers = Counter()
    acknowledged = []

    def one() -> int:
        sid = new_sid()
        answer = writes(desk, sid)
        answers[answer.status_code] += 1
        if answer.status_code == 200:
            acknowledged.append(sid)
        return answer.status_code

    assert one() == 200
    with without_database(desk):
        wait_for(lambda: one() == 503, 30, "a hook to be told that nothing is stored")
    wait_for(lambda: one() == 200, 60, "the hooks to be back")
    assert set(answers) <= {200, 503}
    stored = {
        sid
        for (sid,) in desk.query("select message_sid from conversation_events where message_sid is not null")
    }
    assert set(acknowledged) <= stored
    assert desk.query("select count(*) from conversations") == [(1,)]


def test_pages_say_so_and_are_back_with_the_database(desk):
    awa = desk.create_agent("awa@example.com", "Awa")
    page = lambda: awa.http.get(f"{desk.url}/dashboard", timeout=15)  # noqa: E731
    assert page().status_code == 200
    with without_database(desk):
        gone = wait_for(lambda: (answer := page()).status_code == 503 and answer.text, 30, "the page to tell")
        assert "base de données" in gone
        assert "Traceback" not in gone
        assert "psycopg" not in gone
        health = requests.get(f"{desk.url}/api/health", timeout=5)
        assert (health.status_code, health.json()["database"]) == (503, "down")
        assert requests.get(f"{desk.url}/api/live", timeout=5).status_code == 200
    wait_for(lambda: page().status_code == 200, 60, "the page to be back")
    wait_for(desk.is_healthy, 60, "health to be back")
