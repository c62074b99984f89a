"""Others use up all of the database's connections: who gets none is told so, and all goes on when some are free."""

import threading
from collections import Counter
from contextlib import ExitStack, contextmanager

import psycopg
import pytest
import requests

from relais.bench.instance import running_instance
from relais.emulator.testing import running_double, wait_for
from relais.ops.database import dsn
from relais.ops.port import free_port
from tests.cast import FATOU

ACCOUNT, TOKEN, NUMBER = "AC" + "4" * 32, "e" * 32, "whatsapp:+212522000000"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    url = f"http://localhost:{(port := free_port())}"
    hook = f"{url}/api/twilio/message#rc=5&rp=5xx,ct,rt"
    with (
        running_double(
            account_sid=ACCOUNT, auth_token=TOKEN, sender=NUMBER, webhook=hook, retry_pause_ms=2000
        ) as double,
        running_instance(
            tmp_path_factory.mktemp("crowded") / "data",
            port=port,
            TWILIO_ACCOUNT_SID=ACCOUNT,
            TWILIO_AUTH_TOKEN=TOKEN,
            TWILIO_WHATSAPP_NUMBER=NUMBER,
            TWILIO_API_BASE_URL=double.url,
            PUBLIC_BASE_URL=url,
        ) as desk,
    ):
        yield desk, double, desk.create_agent("awa@example.com", "Awa")


@contextmanager
def crowd(desk):
    """Takes every connection there is, and each that the desk lets go of at once, until the block ends."""
    with ExitStack() as taken:
        over, first_round = threading.Event(), threading.Event()

        def take():
            while not over.wait(0.005):
                try:
                    taken.enter_context(psycopg.connect(dsn(desk.folder)))
                except psycopg.OperationalError:
                    first_round.set()

        taking = threading.Thread(target=take)
        taking.start()
        try:
            assert first_round.wait(30)
            yield
        finally:
            over.set()
            taking.join()


def test_who_gets_no_connection_is_told_so_and_nothing_is_lost(stage):
    desk, double, awa = stage
    double.client_writes(FATOU, "mercedes", name="Fatou")
    [[conversation]] = desk.query("select id from conversations")
    assert awa.post_action("take-over", conversation).status_code == 200
    double.wait_for(lambda: double.texts_on_phone(FATOU), 30)
    answers, texts = Counter(), [f"message {n}" for n in range(5)]
    page = lambda: awa.http.get(f"{desk.url}/dashboard", timeout=30)  # noqa: E731
    with crowd(desk):
        # New processes have no connection yet, and get none.
        desk.kill("web")
        desk.kill("jobs")
        for text in texts:
            double.client_writes(FATOU, text, wait=False)
        gone = wait_for(lambda: (answer := page()).status_code == 503 and answer.text, 60, "a page to tell")
        assert "Traceback" not in gone
        assert "psycopg" not in gone
        health = lambda: requests.get(f"{desk.url}/api/health", timeout=15).status_code  # noqa: E731
        wait_for(lambda: health() == 503, 30, "health to tell")
        assert requests.get(f"{desk.url}/api/live", timeout=5).status_code == 200
        answers[awa.post_action("send", conversation, message="me voici", ref="r1").status_code] += 1
        assert set(answers) <= {200, 503}
        assert desk.process.poll() is None
    wait_for(desk.is_healthy, 60, "health to be back")
    wait_for(lambda: page().status_code == 200, 30, "the page to be back")
    assert awa.post_action("send", conversation, message="me voici", ref="r1").status_code == 200
    double.wait_for(lambda: double.accepted(body="me voici"), 30)
    stored = "select body from conversation_events where body like 'message _' order by seq"
    wait_for(lambda: len(desk.query(stored)) == len(texts), 30, "what Fatou wrote to be stored")
    assert [body for (body,) in desk.query(stored)] == texts
