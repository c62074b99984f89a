"""Processes are killed at the worst moments: no message is lost, and none is sent twice."""

import hashlib
import random
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from relais.bench.instance import RelaisInstance, running_instance
from relais.emulator.testing import running_double, wait_for
from relais.ops.port import free_port
from tests.cast import FATOU

ACCOUNT, TOKEN, NUMBER = "AC" + "7" * 32, "a" * 32, "whatsapp:+212522000000"


@pytest.fixture(scope="module")
def desk_and_double(tmp_path_factory):
    """A live desk, Twilio's double with its webhook there, and a signed-in agent."""
    port = free_port()
    webhook = f"http://localhost:{port}/api/twilio/message#rc=5&rp=5xx,ct,rt"
    with (
        running_double(
            account_sid=ACCOUNT, auth_token=TOKEN, sender=NUMBER, webhook=webhook, retry_pause_ms=1500
        ) as double,
        running_instance(
            tmp_path_factory.mktemp("kills") / "data folder",
            port=port,
            TWILIO_ACCOUNT_SID=ACCOUNT,
            TWILIO_AUTH_TOKEN=TOKEN,
            TWILIO_WHATSAPP_NUMBER=NUMBER.removeprefix("whatsapp:"),
            TWILIO_API_BASE_URL=double.url,
            PUBLIC_BASE_URL=f"http://localhost:{port}",
        ) as desk,
    ):
        yield desk, double, desk.create_agent("awa@example.com", "Awa Diop")


@pytest.fixture(autouse=True)
def killable(desk_and_double):
    desk, _double, _awa = desk_and_double
    desk.wait_until_killable("jobs")


@pytest.fixture
def held(desk_and_double):
    """A new client's conversation held by Awa, with its first text delivered."""
    desk, double, awa = desk_and_double
    double.clear_faults()
    client = f"whatsapp:+2126{random.randrange(10**8):08d}"
    double.client_writes(client, "mercedes", name="Fatou")
    [[conversation]] = desk.query(
        "select c.id from conversations c join client_addresses a on a.id = c.address_id where a.address = %s",
        client,
    )
    assert awa.post_action("take-over", conversation).json()["success"] is True
    double.wait_for(lambda: double.texts_on_phone(client))
    return conversation, client


def deliveries(desk: RelaisInstance, conversation: int) -> list[tuple[str, str]]:
    return desk.query(
        "select e.body, d.state from message_deliveries d join conversation_events e on e.id = d.event_id"
        " where d.conversation_id = %s order by d.id",
        conversation,
    )


def test_web_is_killed_while_clients_write(desk_and_double, held):
    desk, double, _awa = desk_and_double
    conversation, client = held
    texts = [f"message {n}" for n in range(60)]

    def write() -> None:
        for text in texts:
            double.client_writes(client, text, wait=False)

    writer = threading.Thread(target=write)
    writer.start()
    for _kill in range(2):
        desk.kill("web")
    writer.join()
    select_bodies = "select body from conversation_events where conversation_id = %s and body like 'message %%' order by seq"
    wait_for(
        lambda: len(desk.query(select_bodies, conversation)) >= len(texts), 60, "all messages to be stored"
    )
    assert [body for (body,) in desk.query(select_bodies, conversation)] == texts
    wait_for(desk.is_healthy, 30)


def test_jobs_is_killed_while_twilio_accepts_a_message(desk_and_double, held):
    """The status callback, which contains our ref, proves that the message was accepted."""
    desk, double, awa = desk_and_double
    conversation, client = held
    double.fault("create", "no_answer", times=1, close=False)
    awa.post_action("send", conversation, message="sous les coups", ref="k1")
    double.wait_for(lambda: double.accepted(to=client, body="sous les coups"))
    desk.kill("jobs")
    wait_for(
        lambda: deliveries(desk, conversation)[-1][1] in ("delivered", "read"), 20, "the delivery to be known"
    )
    assert len(double.accepted(to=client, body="sous les coups")) == 1


def test_jobs_is_killed_and_the_outcome_stays_unknown(desk_and_double, held):
    """After its claim lease the message is uncertain, and it is not sent again."""
    desk, double, awa = desk_and_double
    conversation, client = held
    double.fault("create", "no_answer", times=1, close=False)
    double.fault("status", "never")
    awa.post_action("send", conversation, message="arrivé ou non", ref="k2")
    double.wait_for(lambda: double.accepted(to=client, body="arrivé ou non"))
    desk.kill("jobs")
    awa.post_action("send", conversation, message="ensuite", ref="k3")
    wait_for(lambda: deliveries(desk, conversation)[-2][1] == "uncertain", 60, "the claim's lease to end")
    assert deliveries(desk, conversation)[-1][1] == "queued"
    assert len(double.accepted(to=client, body="arrivé ou non")) == 1


def test_jobs_is_killed_with_a_full_outbox(desk_and_double, held):
    desk, double, awa = desk_and_double
    conversation, client = held
    texts = [f"réponse {n}" for n in range(20)]
    for text in texts:
        assert awa.post_action("send", conversation, message=text, ref=text).json()["success"] is True
    desk.kill("jobs")
    wait_for(
        lambda: all(
            s in ("delivered", "read") for body, s in deliveries(desk, conversation) if body in texts
        ),
        60,
        "every message to arrive",
    )
    assert [m.body for m in double.accepted(to=client) if m.body in texts] == texts


def test_jobs_is_killed_between_an_upload_and_its_claim(desk_and_double, held):
    """The page repeats what got no answer: the file is stored once, sent once, and fetched by Twilio."""
    desk, double, awa = desk_and_double
    conversation, client = held
    pdf = b"%PDF-1.7\n" + random.randbytes(200_000) + b"\n%%EOF\n"
    upload = {"message": "Votre devis", "ref": "k-file"}
    first = awa.send_files(conversation, ("devis.pdf", pdf), **upload).json()
    desk.kill("jobs")
    again = awa.send_files(conversation, ("devis.pdf", pdf), **upload).json()
    assert [each["event_id"] for each in first["events"]] == [each["event_id"] for each in again["events"]]
    wait_for(
        lambda: (
            [state in ("delivered", "read") for _body, state in deliveries(desk, conversation)[-2:]]
            == [True, True]
        ),
        60,
        "text and file to arrive",
    )
    with_file = [each for each in double.accepted(to=client) if each.media]
    assert [double.double.media.get(each.media[0].sid)[1] for each in with_file] == [pdf]
    assert len(double.accepted(to=client, body="Votre devis")) == 1
    assert stored_files(desk) == desk.query("select count(*) from stored_files")[0][0]


def test_web_is_killed_during_an_upload(desk_and_double, held):
    """Nothing is stored of it, and the same upload works afterwards."""
    desk, _double, awa = desk_and_double
    conversation, _client = held
    before = stored_files(desk), len(deliveries(desk, conversation))
    pdf = b"%PDF-1.7\n" + random.randbytes(8_000_000) + b"\n%%EOF\n"
    outcomes = []

    def send() -> None:
        try:
            outcomes.append(awa.send_files(conversation, ("gros.pdf", pdf), ref="k-cut").status_code)
        except OSError as error:
            outcomes.append(type(error))

    sender = threading.Thread(target=send)
    sender.start()
    desk.kill("web")
    sender.join()
    wait_for(desk.is_healthy, 30)
    if outcomes != [200]:
        assert (stored_files(desk), len(deliveries(desk, conversation))) == before
    assert awa.send_files(conversation, ("gros.pdf", pdf), ref="k-cut").json()["success"] is True
    assert (stored_files(desk), len(deliveries(desk, conversation))) == (before[0] + 1, before[1] + 1)
    assert not [path for path in (desk.folder / "uploads").rglob("*") if path.is_file()]


DEFER_CLEAN_UP = """
select procrastinate_defer_jobs_v1(array[row('default', 'relais.files.tasks.delete_unreferenced', 0, null, null,
    jsonb_build_object('timestamp', extract(epoch from now())::bigint), null)::procrastinate_job_to_defer_v1])
"""


def test_web_is_killed_between_a_file_and_its_message(desk_and_double, held):
    """The file that no message has is deleted by the clean-up job; the same upload is then stored and sent once."""
    desk, double, awa = desk_and_double
    desk.wait_until_killable("web")
    conversation, client = held
    before = len(deliveries(desk, conversation))
    pdf = b"%PDF-1.7\n" + random.randbytes(50_000) + b"\n%%EOF\n"
    sha256 = hashlib.sha256(pdf).hexdigest()
    file = desk.folder / "media" / "sha256" / sha256[:2] / sha256

    def send() -> None:
        with suppress(OSError):
            awa.send_files(conversation, ("devis.pdf", pdf), ref="k-orphan")

    sender = threading.Thread(target=send)
    with desk.connect() as database:
        database.execute("select 1 from conversations where id = %s for update", [conversation])
        sender.start()
        wait_for(file.exists, 30, "the file to be stored")
        desk.kill("web")
    sender.join()
    wait_for(desk.is_healthy, 30)
    assert len(deliveries(desk, conversation)) == before
    with desk.connect() as database:
        # A day later.
        database.execute(
            "update stored_files set stored_at = stored_at - interval '25 hours' where sha256 = %s", [sha256]
        )
        database.execute(DEFER_CLEAN_UP)
    wait_for(lambda: not file.exists(), 30, "the clean-up job to delete the file")
    again = awa.send_files(conversation, ("devis.pdf", pdf), ref="k-orphan").json()
    assert again["success"] is True and file.exists()
    double.wait_for(lambda: [each for each in double.accepted(to=client) if each.media])
    assert len(deliveries(desk, conversation)) == before + 1


def stored_files(desk: RelaisInstance) -> int:
    return sum(path.is_file() for path in (desk.folder / "media" / "sha256").rglob("*"))


def test_jobs_is_killed_while_the_bot_answers_many_clients(desk_and_double):
    """Each client gets each text of the bot once; a send with an unknown outcome stays uncertain."""
    desk, double, _awa = desk_and_double
    double.clear_faults()
    clients = [f"whatsapp:+2127{random.randrange(10**8):08d}" for _ in range(8)]
    for client in clients:
        double.client_writes(client, "bonjour", name="Fatou", wait=False)
    double.wait_for(lambda: any(double.texts_on_phone(client) for client in clients))
    desk.kill("jobs")
    where_clients = " join client_addresses a on a.id = c.address_id where a.address = any(%s)"
    select_waiting = (
        "select count(*) from flow_executions x join conversations c on c.id = x.conversation_id"
        f"{where_clients} and x.awaits_reply"
    )
    wait_for(
        lambda: desk.query(select_waiting, clients) == [(len(clients),)], 60, "the bot to have asked each"
    )
    select_pending = (
        "select count(*) from message_deliveries d join conversations c on c.id = d.conversation_id"
        f"{where_clients} and d.state in ('sending', 'sent')"
    )
    wait_for(lambda: desk.query(select_pending, clients) == [(0,)], 60, "the state of each send to be known")
    for client in clients:
        texts = [message.body for message in double.accepted(to=client)]
        assert len(texts) == len(set(texts)), texts
    select_counts = (
        "select a.address, count(*), count(distinct e.body) from conversation_events e"
        f" join conversations c on c.id = e.conversation_id{where_clients} and e.event_type = 'message_sent' group by 1"
    )
    rows = desk.query(select_counts, clients)
    assert len(rows) == len(clients)
    assert all(times == texts for _address, times, texts in rows), rows


def test_fifty_take_overs_over_http_have_one_winner(desk_and_double):
    desk, double, awa = desk_and_double
    from concurrent.futures import ThreadPoolExecutor

    agents = [awa, *(desk.create_agent(f"a{n}@example.com", f"Agent {n}") for n in range(4))]
    double.clear_faults()
    double.client_writes(FATOU, "qui me prend ?", name="Fatou")
    [[conversation]] = desk.query("select max(id) from conversations")
    with ThreadPoolExecutor(50) as pool:
        responses = list(pool.map(lambda n: agents[n % 5].post_action("take-over", conversation), range(50)))
    won = [a for a in responses if a.status_code == 200]
    lost = [a for a in responses if a.status_code == 409]
    assert len(won) == 10, [
        a.status_code for a in responses
    ]  # The winner's other nine requests succeed, too: they change nothing.
    assert len(lost) == 40, [(a.status_code, a.text[:200]) for a in responses]
    assert len({a.json()["agent"] for a in lost}) == 1
    assert desk.query("select epoch from conversations where id = %s", conversation) == [(1,)]


def test_jobs_is_killed_while_scheduled_messages_leave(desk_and_double, held):
    """Each is either still scheduled or in the outbox: after the restart all have left, late and once."""
    desk, double, awa = desk_and_double
    conversation, client = held
    texts = [f"programmé {n}" for n in range(5)]
    in_an_hour = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for text in texts:
        answer = awa.post_action("send", conversation, message=text, ref=text, send_at=in_an_hour).json()
        assert answer["status"] == "scheduled"
    blocked = (
        "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
        " and position('for no key update' in lower(query)) > 0"
    )
    with desk.connect() as database:
        database.execute("select 1 from conversations where id = %s for update", [conversation])
        desk.query(
            "update scheduled_messages set send_at = now() where conversation_id = %s returning id",
            conversation,
        )
        wait_for(lambda: desk.query(blocked), 60, "the first of them to be about to leave")
        desk.kill("jobs")
    wait_for(
        lambda: all(double.accepted(to=client, body=text) for text in texts), 60, "all of them to be accepted"
    )
    wait_for(
        lambda: all(
            state in ("delivered", "read") for body, state in deliveries(desk, conversation) if body in texts
        ),
        60,
        "all of them to arrive",
    )
    assert [message.body for message in double.accepted(to=client) if message.body in texts] == texts
    select_states = "select distinct state from scheduled_messages where conversation_id = %s"
    assert desk.query(select_states, conversation) == [("sent",)]
