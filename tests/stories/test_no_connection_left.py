"""Other clients use up the database's connections: requests get 503, and the desk recovers when some are free again."""

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
def desk_and_double(tmp_path_factory):
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
def connections_exhausted(desk):
    """Within the block, take every connection, and each that the desk releases as soon as it does."""
    with ExitStack() as connections:
        stop, first_round = threading.Event(), threading.Event()

        def take():
            while not stop.wait(0.005):
                try:
                    connections.enter_context(psycopg.connect(dsn(desk.folder)))
                except psycopg.OperationalError:
                    first_round.set()

        thread = threading.Thread(target=take)
        thread.start()
        try:
            assert first_round.wait(30)
            yield
        finally:
            stop.set()
            thread.join()


def test_requests_without_a_connection_get_503_and_nothing_is_lost(desk_and_double):
    desk, double, awa = desk_and_double
    double.client_writes(FATOU, "mercedes", name="Fatou")
    [[conversation]] = desk.query("select id from conversations")
    assert awa.post_action("take-over", conversation).status_code == 200
    double.wait_for(lambda: double.texts_on_phone(FATOU), 30)
    statuses, texts = Counter(), [f"message {n}" for n in range(5)]
    page = lambda: awa.http.get(f"{desk.url}/dashboard", timeout=30)  # noqa: E731
    with connections_exhausted(desk):
        # New processes have no connection yet, and get none.
        desk.kill("web")
        desk.kill("jobs")
        for text in texts:
            double.client_writes(FATOU, text, wait=False)
        error_page = wait_for(
            lambda: (response := page()).status_code == 503 and response.text, 60, "the error page"
        )
        assert "Traceback" not in error_page
        assert "psycopg" not in error_page
        health = lambda: requests.get(f"{desk.url}/api/health", timeout=15).status_code  # noqa: E731
        wait_for(lambda: health() == 503, 30, "health to answer 503")
        assert requests.get(f"{desk.url}/api/live", timeout=5).status_code == 200
        statuses[awa.post_action("send", conversation, message="me voici", ref="r1").status_code] += 1
        assert set(statuses) <= {200, 503}
        assert desk.process.poll() is None
    wait_for(desk.is_healthy, 60, "health to be back")
    wait_for(lambda: page().status_code == 200, 30, "the page to be back")
    assert awa.post_action("send", conversation, message="me voici", ref="r1").status_code == 200
    double.wait_for(lambda: double.accepted(body="me voici"), 30)
    select_bodies = "select body from conversation_events where body like 'message _' order by seq"
    wait_for(lambda: len(desk.query(select_bodies)) == len(texts), 30, "what Fatou wrote to be stored")
    assert [body for (body,) in desk.query(select_bodies)] == texts
