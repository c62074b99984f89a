"""Outbox throughput: a whole instance sends queued messages through a double of Twilio while an agent writes, too.

First at the configured rate, then without a limit. Status callbacks arrive throughout, as from Twilio.
"""

from __future__ import annotations

import argparse
import secrets
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from time import perf_counter
from typing import Any

import psycopg

from relais.bench.faults.testbed import NUMBER, Testbed, running_testbed
from relais.clients.addresses import match_key
from relais.emulator.testing import wait_for
from relais.ops.database import dsn

MESSAGES_PER_CONVERSATION = 4
HELD_CONVERSATIONS = 20
"""The agent writes to these in turn."""
WRITE_INTERVAL_SECONDS = 0.25
MIN_RATE_SHARE = 0.5
"""Of the rate: a slower run times out."""
MIN_UNLIMITED_RATE = 10.0
"""Messages per second without a limit."""
UNLIMITED_RATE = 1_000_000
MEDIA_BYTES = 300_000
"""About the size of a photo of a phone as WhatsApp sends it."""

INSERT_CONVERSATIONS = """
with new_clients as (
  select nextval(pg_get_serial_sequence('clients', 'id')) as client_id, address, match_key
    from unnest(%(addresses)s::text[], %(keys)s::text[]) as t(address, match_key)
), inserted_clients as (
  insert into clients (id) select client_id from new_clients
), inserted_addresses as (
  insert into client_addresses (client_id, address, match_key) select client_id, address, match_key from new_clients
  returning id, client_id
)
insert into conversations (address_id, client_id, sender, status, agent_id, seq, rev, last_inbound_at)
select id, client_id, %(sender)s, %(status)s, %(agent)s, %(events)s, %(events)s, now() from inserted_addresses
returning id
"""
# Round robin over the conversations, numbered: a message sent out of order is detected.
INSERT_MESSAGES = """
with inserted as (
  insert into conversation_events (conversation_id, seq, rev, event_type, author_kind, body)
  select id, n, n, 'message_sent', 'bot', %(word)s || ' ' || id || ' ' || n
    from generate_series(1, %(events)s) n, unnest(%(conversations)s::bigint[]) id
  returning id, conversation_id, seq
)
insert into message_deliveries (event_id, conversation_id, rev, epoch)
select id, conversation_id, seq, 0 from inserted order by seq, conversation_id
"""
SET_RATE = (
    "insert into settings (key, value) values (%s, %s) on conflict (key) do update set value = excluded.value"
)
SELECT_CLAIMED_TIMES = """
select claimed_at from message_deliveries d join conversation_events e on e.id = d.event_id
 where claimed_at between (select min(claimed_at) from message_deliveries d join conversation_events e
                            on e.id = d.event_id where e.body like %(word)s || ' %%')
                      and (select max(claimed_at) from message_deliveries d join conversation_events e
                            on e.id = d.event_id where e.body like %(word)s || ' %%')
 order by claimed_at
"""
SELECT_SENT = "select event_id, sid from message_deliveries where event_id = any(%s) and sid is not null"
SELECT_AGENT_MESSAGES = """
select e.body, d.created_at from message_deliveries d join conversation_events e on e.id = d.event_id
 where e.event_type = 'agent_message'
"""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with running_testbed(enforce_window=False) as testbed:
        held = _insert_conversations(testbed, HELD_CONVERSATIONS, 0, agent="awa@example.com", prefix="2250")
        _set_rate(testbed, options.rate)
        limited = _drain(
            testbed, options.messages, word="limited", held=held, slowest=MIN_RATE_SHARE * options.rate
        )
        waits = sorted(_wait_seconds(testbed))
        claimed = _claim_times(testbed, "limited")
        _set_rate(testbed, UNLIMITED_RATE)
        lifted = _drain(testbed, options.messages, word="lifted", held=[], slowest=MIN_UNLIMITED_RATE)
        media = _send_media(testbed, held, options.media) if options.media else {}
    return media | {
        "rate_set": options.rate,
        "messages": limited.messages,
        "seconds": round(limited.seconds, 1),
        "rate": round(limited.rate, 1),
        "rate_most": limited.max_per_second,
        "claimed_rate": round((len(claimed) - 1) / (claimed[-1] - claimed[0]), 2),
        "claimed_most": _max_per_second(claimed),
        "of_persons": len(waits),
        "p50_wait_ms": round(1000 * waits[len(waits) // 2]),
        "p99_wait_ms": round(1000 * waits[int(len(waits) * 0.99)]),
        "unlimited_rate": round(lifted.rate, 1),
        "order_ok": limited.in_order and lifted.in_order,
        "doubled": limited.doubled + lifted.doubled,
        "lost": limited.lost + lifted.lost,
    }


def summary_lines(figures: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{figures['messages']} messages in {figures['seconds']} s: {figures['rate']} a second "
        f"of {figures['rate_set']}, at most {figures['rate_most']} in one"
    )
    yield (
        f"allowed to leave: {figures['claimed_rate']} a second, at most {figures['claimed_most']} in one; "
        f"the calls then take unequally long"
    )
    yield (
        f"a person's text in the middle of it waits {figures['p50_wait_ms']} ms, "
        f"p99 {figures['p99_wait_ms']} ms ({figures['of_persons']} texts)"
    )
    yield f"without a limit: {figures['unlimited_rate']} a second"
    if "media" in figures:
        yield (
            f"{figures['media']} files of {MEDIA_BYTES // 1000} kB: uploaded in {figures['media_upload_p50_ms']} ms, "
            f"p99 {figures['media_upload_p99_ms']} ms; accepted by the double, with the file, "
            f"{figures['media_p50_ms']} ms after the answer, p99 {figures['media_p99_ms']} ms; "
            f"{figures['media_doubled']} doubled, {figures['media_lost']} lost"
        )
    order = "in order" if figures["order_ok"] else "NOT in order"
    yield f"{order}, {figures['doubled']} doubled, {figures['lost']} lost"


def _send_media(testbed: Testbed, held: list[int], number: int) -> dict[str, Any]:
    """An agent uploads files one after the other; the double downloads each before it delivers the message."""
    agent = testbed.users["awa@example.com"]
    uploads: list[float] = []
    answered: dict[int, datetime] = {}
    for n in range(number):
        content = b"%PDF-1.7\n" + secrets.token_bytes(MEDIA_BYTES)
        started = perf_counter()
        response = agent.send_files(held[n % len(held)], (f"{n}.pdf", content), ref=f"file {n}")
        uploads.append(perf_counter() - started)
        answered[response.json()["event_id"]] = datetime.now(UTC)
    wait_for(lambda: testbed.outbox == 0, 60 + number, "the files to be sent")
    accepted = {sid: datetime.fromisoformat(at) for sid, at in _accepted_files(testbed)}
    sent = testbed.desk.query(SELECT_SENT, list(answered))
    times = sorted(
        (accepted[sid] - answered[event]).total_seconds() for event, sid in sent if sid in accepted
    )
    return {
        "media": number,
        "media_upload_p50_ms": _milliseconds(sorted(uploads), 0.5),
        "media_upload_p99_ms": _milliseconds(sorted(uploads), 0.99),
        "media_p50_ms": _milliseconds(times, 0.5),
        "media_p99_ms": _milliseconds(times, 0.99),
        "media_doubled": len(accepted) - len(times),
        "media_lost": number - len(times),
    }


def _accepted_files(testbed: Testbed) -> Iterator[tuple[str, str]]:
    for each in testbed.twilio.get("accepted")["messages"]:
        if each["media"]:
            yield each["sid"], each["at"]


def _milliseconds(times: list[float], share: float) -> int:
    return round(1000 * times[int(len(times) * share)]) if times else 0


class DrainResult:
    """Figures of the messages accepted by the double that begin with a word."""

    def __init__(self, word: str, number: int, accepted: list[dict[str, Any]]) -> None:
        client_messages = [each for each in accepted if each["body"].startswith(f"{word} ")]
        times = sorted(datetime.fromisoformat(each["at"]).timestamp() for each in client_messages)
        bodies = Counter(each["body"] for each in client_messages)
        self.messages = len(client_messages)
        self.seconds = times[-1] - times[0]
        self.doubled = sum(times - 1 for times in bodies.values())
        self.lost = number - len(bodies)
        self.in_order = _in_order(client_messages)
        everything = sorted(datetime.fromisoformat(each["at"]).timestamp() for each in accepted)
        meanwhile = [at for at in everything if times[0] <= at <= times[-1]]
        self.rate = (len(meanwhile) - 1) / self.seconds
        """Of all messages sent from our number, the agent's texts included."""
        self.max_per_second = _max_per_second(meanwhile)


def _claim_times(testbed: Testbed, word: str) -> list[float]:
    """Claim times of all messages while those that begin with a word were sent, the agent's included."""
    with psycopg.connect(dsn(testbed.desk.folder)) as db:
        return [at.timestamp() for (at,) in db.execute(SELECT_CLAIMED_TIMES, {"word": word}).fetchall()]


def _in_order(accepted: list[dict[str, Any]]) -> bool:
    """Whether each client's messages were accepted in the order of their numbers."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for each in accepted:
        numbers[each["to"]].append(int(each["body"].rsplit(" ", 1)[1]))
    return all(
        earlier < later
        for accepted_messages in numbers.values()
        for earlier, later in pairwise(accepted_messages)
    )


def _max_per_second(times: list[float]) -> int:
    highest = first = 0
    for position, at in enumerate(times):
        while at - times[first] >= 1:
            first += 1
        highest = max(highest, position - first + 1)
    return highest


def _drain(testbed: Testbed, messages: int, *, word: str, held: list[int], slowest: float) -> DrainResult:
    number = -(-messages // MESSAGES_PER_CONVERSATION)
    _insert_conversations(testbed, number, MESSAGES_PER_CONVERSATION, word=word, prefix=f"212{len(word)}")
    with WritingAgent(testbed, held):
        wait_for(lambda: testbed.outbox == 0, 60 + messages / slowest, "an empty outbox")
    return DrainResult(word, number * MESSAGES_PER_CONVERSATION, testbed.twilio.get("accepted")["messages"])


def _insert_conversations(
    testbed: Testbed, number: int, events: int, *, prefix: str, agent: str = "", word: str = ""
) -> list[int]:
    """Insert conversations, each with `events` queued messages. Returns their ids."""
    status = "transferred" if agent else "active"
    with psycopg.connect(dsn(testbed.desk.folder)) as db:
        holder = db.execute("select id from users where email = %s", [agent]).fetchone()
        addresses = [f"whatsapp:+{prefix}{n:07}" for n in range(1, number + 1)]
        parameters = {"sender": NUMBER, "status": status, "agent": holder and holder[0], "events": events}
        parameters |= {"addresses": addresses, "keys": [match_key(address) for address in addresses]}
        rows = db.execute(INSERT_CONVERSATIONS, parameters).fetchall()
        conversations = [id for (id,) in rows]
        if events:
            db.execute(INSERT_MESSAGES, {"word": word, "events": events, "conversations": conversations})
    return conversations


class WritingAgent:
    """Within the block an agent writes at an interval, to the held conversations in turn."""

    def __init__(self, testbed: Testbed, held: list[int]) -> None:
        self._agent = testbed.users["awa@example.com"]
        self._held = held
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        written = 0
        while self._held and not self._stop.wait(WRITE_INTERVAL_SECONDS):
            conversation = self._held[written % len(self._held)]
            self._agent.post_action(
                "send", conversation, message=f"person {written}", ref=f"person {written}"
            )
            written += 1


def _wait_seconds(testbed: Testbed) -> Iterator[float]:
    """Seconds from storing an agent's text until Twilio accepted it."""
    wait_for(lambda: testbed.outbox == 0, 60, "the agent's last texts to be sent")
    accepted = {each["body"]: each["at"] for each in testbed.twilio.get("accepted")["messages"]}
    for body, created_at in testbed.desk.query(SELECT_AGENT_MESSAGES):
        yield (datetime.fromisoformat(accepted[body]) - created_at).total_seconds()


def _set_rate(testbed: Testbed, rate: int) -> None:
    with psycopg.connect(dsn(testbed.desk.folder)) as db:
        db.execute(SET_RATE, ["send_rate", str(rate)])
