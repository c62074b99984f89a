"""The disk of a running desk fills up: nothing is acknowledged that is not stored, no process gives up, and the desk
recovers when there is free space again."""

import secrets
import tempfile
from collections import Counter
from pathlib import Path

import psycopg
import pytest
import requests
from twilio.request_validator import RequestValidator

from relais.bench.faults.testbed import can_mount
from relais.bench.instance import RelaisInstance
from relais.emulator.testing import running_double, wait_for
from relais.ops.database import dsn
from relais.ops.port import free_port
from tests.cast import new_sid

ACCOUNT, TOKEN, NUMBER = "AC" + "5" * 32, "d" * 32, "whatsapp:+212522000000"
MOUNT_AND_RUN = 'mount -t tmpfs -o size=280m,mode=755 tmpfs "$0" && exec "$@"'


@pytest.fixture
def desk_on_small_disk():
    """A desk whose data folder is a tmpfs in its own mount namespace, which ends with its last process."""
    if not can_mount():
        pytest.skip("A FULL DISK WAS NOT TESTED: mounting one is not permitted here (run the tests as root).")
    with tempfile.TemporaryDirectory(prefix="rd-") as folder:
        data, port = Path(folder, "data"), free_port()
        data.mkdir()
        url = f"http://localhost:{port}"
        hook = f"{url}/api/twilio/message#rc=5&rp=5xx,ct,rt"
        with running_double(
            account_sid=ACCOUNT, auth_token=TOKEN, sender=NUMBER, webhook=hook, enforce_window=False
        ) as double:
            environment = {
                "TWILIO_ACCOUNT_SID": ACCOUNT,
                "TWILIO_AUTH_TOKEN": TOKEN,
                "TWILIO_WHATSAPP_NUMBER": NUMBER,
                "TWILIO_API_BASE_URL": double.url,
                "PUBLIC_BASE_URL": url,
            }
            desk = RelaisInstance(
                data,
                port,
                environment,
                command_prefix=["unshare", "--mount", "sh", "-c", MOUNT_AND_RUN, str(data)],
            )
            desk.start()
            try:
                yield DeskOnSmallDisk(desk, double)
            finally:
                if desk.process.poll() is None:
                    assert desk.stop() == 0, desk.output.read_text()


class DeskOnSmallDisk:
    def __init__(self, desk, double):
        self.desk, self.double = desk, double
        self.folder = desk.visible_folder
        self.statuses, self.acknowledged = Counter(), []

    def post_message(self, extra_bytes=10):
        sid, url = new_sid(), f"{self.desk.url}/api/twilio/message"
        params = {
            "MessageSid": sid,
            "From": "whatsapp:+212600000001",
            "Body": "mercedes",
            "Extra": secrets.token_hex(extra_bytes),
        }
        signature = RequestValidator(TOKEN).compute_signature(url, params)
        response = requests.post(url, data=params, headers={"X-Twilio-Signature": signature}, timeout=15)
        self.statuses[response.status_code] += 1
        if response.status_code == 200:
            self.acknowledged.append(sid)
        return response.status_code

    def fill_disk(self):
        with open(self.folder / "ballast", "ab", buffering=0) as ballast:
            try:
                while ballast.write(bytes(65_536)) == 65_536:
                    pass
            except OSError:
                pass

    def free_disk(self):
        (self.folder / "ballast").unlink()

    def query(self, statement):
        with psycopg.connect(dsn(self.folder), autocommit=True) as database:
            return database.execute(statement).fetchall()

    def stored_sids(self):
        return {
            sid
            for (sid,) in self.query(
                "select message_sid from conversation_events where message_sid is not null"
            )
        }


def test_the_desk_recovers_from_a_full_disk(desk_on_small_disk):
    small, desk = desk_on_small_disk, desk_on_small_disk.desk
    assert small.post_message() == 200
    awa = desk.create_agent("awa@example.com", "Awa")
    page = lambda: awa.http.get(f"{desk.url}/dashboard", timeout=15)  # noqa: E731
    [[conversation]] = small.query("select id from conversations")
    taken = awa.post_action("take-over", conversation)
    assert taken.status_code == 200, taken.text

    small.fill_disk()
    # The tables cannot grow: messages are refused, and Twilio retries them.
    wait_for(lambda: small.post_message(60_000) == 503, 60, "a hook to answer 503")
    assert page().status_code in (200, 503)

    # The WAL cannot grow either: the database stops, and has no room for its recovery.
    with pytest.raises(psycopg.Error):
        for _segment in range(20):
            small.query("select pg_switch_wal(), pg_logical_emit_message(true, 'x', repeat('x', 1000))")
    small.fill_disk()
    wait_for(lambda: "is full" in desk.output.read_text(), 60, "the supervisor to report the full disk")
    assert small.post_message() == 503
    error_page = wait_for(
        lambda: (response := page()).status_code == 503 and response.text, 30, "the error page"
    )
    assert "Traceback" not in error_page
    assert desk.process.poll() is None

    small.free_disk()
    wait_for(lambda: small.post_message() == 200, 60, "the hooks to be back")
    wait_for(lambda: page().status_code == 200, 60, "the page to be back")
    wait_for(desk.is_healthy, 60, "health to be back")
    assert set(small.statuses) == {200, 503}
    assert set(small.acknowledged) <= small.stored_sids()
    assert awa.post_action("send", conversation, message="me revoilà", ref="r1").status_code == 200
    small.double.wait_for(lambda: small.double.accepted(body="me revoilà"), 30)
    assert "There is room again" in desk.output.read_text()
