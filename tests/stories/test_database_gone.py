"""The database of a running desk is killed: hooks and pages answer 503, nothing acknowledged is lost, the desk recovers."""

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


def post_message(desk, sid):
    url = f"{desk.url}/api/twilio/message"
    params = {"MessageSid": sid, "From": "whatsapp:+212600000001", "Body": sid}
    signature = RequestValidator(TOKEN).compute_signature(url, params)
    return requests.post(url, data=params, headers={"X-Twilio-Signature": signature}, timeout=15)


@contextmanager
def without_database(desk):
    """Kill the database; a stopped supervisor does not start it again within the block."""
    postmaster = int((desk.folder / "postgres" / "postmaster.pid").read_text().split()[0])
    desk.process.send_signal(signal.SIGSTOP)
    os.kill(postmaster, signal.SIGKILL)
    try:
        yield
    finally:
        desk.process.send_signal(signal.SIGCONT)


def test_hooks_answer_503_until_the_database_is_back_and_nothing_acknowledged_is_lost(desk):
    statuses = Counter()
    acknowledged = []

    def post_new_message() -> int:
        sid = new_sid()
        response = post_message(desk, sid)
        statuses[response.status_code] += 1
        if response.status_code == 200:
            acknowledged.append(sid)
        return response.status_code

    assert post_new_message() == 200
    with without_database(desk):
        wait_for(lambda: post_new_message() == 503, 30, "the hooks to answer 503")
    wait_for(lambda: post_new_message() == 200, 60, "the hooks to be back")
    assert set(statuses) <= {200, 503}
    stored = {
        sid
        for (sid,) in desk.query("select message_sid from conversation_events where message_sid is not null")
    }
    assert set(acknowledged) <= stored
    assert desk.query("select count(*) from conversations") == [(1,)]


def test_pages_answer_503_until_the_database_is_back(desk):
    awa = desk.create_agent("awa@example.com", "Awa")
    page = lambda: awa.http.get(f"{desk.url}/dashboard", timeout=15)  # noqa: E731
    assert page().status_code == 200
    with without_database(desk):
        error_page = wait_for(
            lambda: (response := page()).status_code == 503 and response.text, 30, "the error page"
        )
        assert "base de données" in error_page
        assert "Traceback" not in error_page
        assert "psycopg" not in error_page
        health = requests.get(f"{desk.url}/api/health", timeout=5)
        assert (health.status_code, health.json()["database"]) == (503, "down")
        assert requests.get(f"{desk.url}/api/live", timeout=5).status_code == 200
    wait_for(lambda: page().status_code == 200, 60, "the page to be back")
    wait_for(desk.is_healthy, 60, "health to be back")
