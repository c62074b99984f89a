"""The disk fills up under a running desk: nothing is acknowledged that is not kept, nobody ends for good, and with
the first free space everything goes on by itself."""

import secrets
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import psycopg
import pytest
import requests
from twilio.request_validator import RequestValidator

from relais.bench.instance import RelaisInstance
from relais.emulator.testing import running_double, wait_for
from relais.ops.database import dsn
from relais.ops.port import free_port
from tests.cast import new_sid

ACCOUNT, TOKEN, NUMBER = "AC" + "5" * 32, "d" * 32, "whatsapp:+212522000000"
MOUNTED = 'mount -t tmpfs -o size=280m,mode=755 tmpfs "$0" && exec "$@"'
PASSWORD = "un bon mot de passe"


def may_mount():
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True
    )
    return tried.returncode == 0


@pytest.fixture
def small():
    """A desk whose data folder is a disk of its own, which only it sees: gone with its last process."""
    if not may_mount():
        pytest.skip("A FULL DISK WAS NOT TRIED: mounting one is not permitted here (run the tests as root).")
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
                data, port, environment, within=["unshare", "--mount", "sh", "-c", MOUNTED, str(data)]
            )
            desk.start()
            try:
                yield Small(desk, double)
            finally:
                if desk.process.poll() is None:
                    assert desk.stop() == 0, desk.output.read_text()


class Small:
    def __init__(self, desk, double):
        self.desk, self.double = desk, double
        # As the desk sees it: from out here the folder is empty.
        self.folder = Path(f"/proc/{desk.process.pid}/root{desk.folder}")
        self.answers, self.acknowledged = Counter(), []

    def writes(self, size=10):
        sid, url = new_sid(), f"{self.desk.url}/api/twilio/message"
        params = {
            "MessageSid": sid,
            "From": "whatsapp:+212600000001",
            "Body": "mercedes",
            "Extra": secrets.token_hex(size),
        }
        signature = RequestValidator(TOKEN).compute_signature(url, params)
        answer = requests.post(url, data=params, headers={"X-Twilio-Signature": signature}, timeout=15)
        self.answers[answer.status_code] += 1
        if answer.status_code == 200:
            self.acknowledged.append(sid)
        return answer.status_code

    def is_filled(self):
        with open(self.folder / "ballast", "ab", buffering=0) as ballast:
            try:
                while ballast.write(bytes(65_536)) == 65_536:
                    pass
            except OSError:
                pass

    def has_room_again(self):
        (self.folder / "ballast").unlink()

    def query(self, statement):
        with psycopg.connect(dsn(self.folder), autocommit=True) as database:
            return database.execute(statement).fetchall()

    def stored(self):
        return {
            sid
            for (sid,) in self.ask(
                "select message_sid from conversation_events where message_sid is not null"
            )
        }


def awa_signs_in(small):
    create = (
        "user",
        "create",
        "--email",
        "awa@example.com",
        "--name",
        "Awa",
        "--role",
        "agent",
        "--password",
        PASSWORD,
    )
    environment = small.desk.environment | {"DATABASE_URL": dsn(small.folder)}
    with tempfile.TemporaryDirectory(prefix="rd-") as elsewhere:
        small.desk.environment = environment | {"RELAIS_DATA_DIR": elsewhere}
        made = small.desk.command(*create)
    assert made.returncode == 0, made.stderr
    return small.desk.sign_in("awa@example.com", PASSWORD)


def test_a_full_disk_stops_nothing_for_good(small):
    desk = small.desk
    assert small.writes() == 200
    awa = awa_signs_in(small)
    page = lambda: awa.http.get(f"{desk.url}/dashboard", timeout=15)  # noqa: E731
    [[conversation]] = small.ask("select id from conversations")
    taken = awa.post_action("take-over", conversation)
    assert taken.status_code == 200, taken.text

    small.is_filled()
    # The tables cannot grow: what comes is refused, and Twilio will try again.
    wait_for(lambda: small.writes(60_000) == 503, 60, "a hook to be told that nothing can be stored")
    assert page().status_code in (200, 503)

    # Its log cannot grow either: the database ends, and has no room to recover in.
    with pytest.raises(psycopg.Error):
        for _segment in range(20):
            small.ask("select pg_switch_wal(), pg_logical_emit_message(true, 'x', repeat('x', 1000))")
    small.is_filled()
    wait_for(lambda: "is full" in desk.output.read_text(), 60, "the supervisor to see why")
    assert small.writes() == 503
    gone = wait_for(lambda: (answer := page()).status_code == 503 and answer.text, 30, "the page to tell")
    assert "Traceback" not in gone
    assert desk.process.poll() is None

    small.has_room_again()
    wait_for(lambda: small.writes() == 200, 60, "the hooks to be back")
    wait_for(lambda: page().status_code == 200, 60, "the page to be back")
    wait_for(desk.is_healthy, 60, "health to be back")
    assert set(small.answers) == {200, 503}
    assert set(small.acknowledged) <= small.stored()
    assert awa.post_action("send", conversation, message="me revoilà", ref="r1").status_code == 200
    small.double.wait_for(lambda: small.double.accepted(body="me revoilà"), 30)
    assert "There is room again" in desk.output.read_text()
