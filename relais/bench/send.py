"""The outbox emptied: a whole desk sends many waiting messages through a double of Twilio, while persons write, too.

First at the rate asked for, then with the limit lifted. Statuses come back all the while, as they do from Twilio.
"""

from __future__ import annotations

import argparse
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import psycopg

from relais.bench.faults.testbed import NUMBER, Stage, set_up
from relais.clients.addresses import match_key
from relais.emulator.testing import wait_for
from relais.ops.database import dsn

IN_A_CONVERSATION = 4
HELD = 20
"""Conversations that the person holds and writes to in turn."""
WRITES_EVERY = 0.25
SLOWEST = 0.5
"""Of the rate: a run that falls below it is given up."""
SLOWEST_LIFTED = 10.0
"""Messages a second, where there is no rate."""
LIFTED = 1_000_000

CONVERSATIONS = """
with made as (
  select nextval(pg_get_serial_sequence('clients', 'id')) as client_id, address, match_key
    from unnest(%(addresses)s::text[], %(keys)s::text[]) as t(address, match_key)
), clients_made as (
  insert into clients (id) select client_id from made
), addresses_made as (
  insert into client_addresses (client_id, address, match_key) select client_id, address, match_key from made
  returning id, client_id
)
insert into conversations (address_id, client_id, sender, status, agent_id, seq, rev, last_inbound_at)
select id, client_id, %(sender)s, %(status)s, %(agent)s, %(events)s, %(events)s, now() from addresses_made
returning id
"""
# One after the other of each conversation, round and round: whoever leaves out of turn is noticed.
MESSAGES = """
with said as (
  insert into conversation_events (conversation_id, seq, rev, event_type, author_kind, body)
  select id, n, n, 'message_sent', 'bot', %(word)s || ' ' || id || ' ' || n
    from generate_series(1, %(events)s) n, unnest(%(conversations)s::bigint[]) id
  returning id, conversation_id, seq
)
insert into message_deliveries (event_id, conversation_id, rev, epoch)
select id, conversation_id, seq, 0 from said order by seq, conversation_id
"""
SET_RATE = (
    "insert into settings (key, value) values (%s, %s) on conflict (key) do update set value = excluded.value"
)
CLAIMED = """
select claimed_at from message_deliveries d join conversation_events e on e.id = d.event_id
 where claimed_at between (select min(claimed_at) from message_deliveries d join conversation_events e
                            on e.id = d.event_id where e.body like %(word)s || ' %%')
                      and (select max(claimed_at) from message_deliveries d join conversation_events e
                            on e.id = d.event_id where e.body like %(word)s || ' %%')
 order by claimed_at
"""
WRITTEN = """
select e.body, d.created_at from message_deliveries d join conversation_events e on e.id = d.event_id
 where e.event_type = 'agent_message'
"""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with set_up(enforce_window=False) as stage:
        held = _conversations(stage, HELD, 0, agent="awa@example.com", prefix="2250")
        _set_rate(stage, options.rate)
        limited = _emptied(stage, options.messages, word="limited", held=held, slowest=SLOWEST * options.rate)
        waits = sorted(_waits(stage))
        claimed = _claimed(stage, "limited")
        _set_rate(stage, LIFTED)
        lifted = _emptied(stage, options.messages, word="lifted", held=[], slowest=SLOWEST_LIFTED)
    return {
        "rate_set": options.rate,
        "messages": limited.messages,
        "seconds": round(limited.seconds, 1),
        "rate": round(limited.rate, 1),
        "rate_most": limited.most,
        "claimed_rate": round((len(claimed) - 1) / (claimed[-1] - claimed[0]), 2),
        "claimed_most": _most_in_a_second(claimed),
        "of_persons": len(waits),
        "p50_wait_ms": round(1000 * waits[len(waits) // 2]),
        "p99_wait_ms": round(1000 * waits[int(len(waits) * 0.99)]),
        "unlimited_rate": round(lifted.rate, 1),
        "order_ok": limited.in_order and lifted.in_order,
        "doubled": limited.doubled + lifted.doubled,
        "lost": limited.lost + lifted.lost,
    }


def told(figures: dict[str, Any]) -> Iterator[str]:
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
    order = "in order" if figures["order_ok"] else "NOT in order"
    yield f"{order}, {figures['doubled']} doubled, {figures['lost']} lost"


class Emptied:
    """What the double took of the messages that begin with a word."""

    def __init__(self, word: str, number: int, accepted: list[dict[str, Any]]) -> None:
        mine = [each for each in accepted if each["body"].startswith(f"{word} ")]
        times = sorted(datetime.fromisoformat(each["at"]).timestamp() for each in mine)
        bodies = Counter(each["body"] for each in mine)
        self.messages = len(mine)
        self.seconds = times[-1] - times[0]
        self.doubled = sum(times - 1 for times in bodies.values())
        self.lost = number - len(bodies)
        self.in_order = _in_order(mine)
        everything = sorted(datetime.fromisoformat(each["at"]).timestamp() for each in accepted)
        meanwhile = [at for at in everything if times[0] <= at <= times[-1]]
        self.rate = (len(meanwhile) - 1) / self.seconds
        """Of all that left from our number: the texts of persons count, too."""
        self.most = _most_in_a_second(meanwhile)


def _claimed(stage: Stage, word: str) -> list[float]:
    """When each message was claimed while those that begin with a word left, those of persons among them."""
    with psycopg.connect(dsn(stage.desk.folder)) as db:
        return [at.timestamp() for (at,) in db.execute(CLAIMED, {"word": word}).fetchall()]


def _in_order(accepted: list[dict[str, Any]]) -> bool:
    """Whether each client's messages were taken in the order of their numbers."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for each in accepted:
        numbers[each["to"]].append(int(each["body"].rsplit(" ", 1)[1]))
    return all(earlier < later for taken in numbers.values() for earlier, later in pairwise(taken))


def _most_in_a_second(times: list[float]) -> int:
    most = first = 0
    for place, at in enumerate(times):
        while at - times[first] >= 1:
            first += 1
        most = max(most, place - first + 1)
    return most


def _emptied(stage: Stage, messages: int, *, word: str, held: list[int], slowest: float) -> Emptied:
    number = -(-messages // IN_A_CONVERSATION)
    _conversations(stage, number, IN_A_CONVERSATION, word=word, prefix=f"212{len(word)}")
    with Writing(stage, held):
        wait_for(lambda: stage.outbox == 0, 60 + messages / slowest, "the outbox to be empty")
    return Emptied(word, number * IN_A_CONVERSATION, stage.twilio.get("accepted")["messages"])


def _conversations(
    stage: Stage, number: int, events: int, *, prefix: str, agent: str = "", word: str = ""
) -> list[int]:
    """So many conversations, each with so many messages waiting, all at once. Returns their ids."""
    status = "transferred" if agent else "active"
    with psycopg.connect(dsn(stage.desk.folder)) as db:
        holder = db.execute("select id from users where email = %s", [agent]).fetchone()
        addresses = [f"whatsapp:+{prefix}{n:07}" for n in range(1, number + 1)]
        given = {"sender": NUMBER, "status": status, "agent": holder and holder[0], "events": events}
        given |= {"addresses": addresses, "keys": [match_key(address) for address in addresses]}
        made = db.execute(CONVERSATIONS, given).fetchall()
        conversations = [id for (id,) in made]
        if events:
            db.execute(MESSAGES, {"word": word, "events": events, "conversations": conversations})
    return conversations


class Writing:
    """Within the block somebody writes a text now and then, each to another of the clients held."""

    def __init__(self, stage: Stage, held: list[int]) -> None:
        self._person = stage.people["awa@example.com"]
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
        while self._held and not self._stop.wait(WRITES_EVERY):
            conversation = self._held[written % len(self._held)]
            self._person.does("send", conversation, message=f"person {written}", ref=f"person {written}")
            written += 1


def _waits(stage: Stage) -> Iterator[float]:
    """Seconds from the moment a person's text was taken in until Twilio had it."""
    wait_for(lambda: stage.outbox == 0, 60, "the last texts of persons to leave")
    accepted = {each["body"]: each["at"] for each in stage.twilio.get("accepted")["messages"]}
    for body, created_at in stage.desk.ask(WRITTEN):
        yield (datetime.fromisoformat(accepted[body]) - created_at).total_seconds()


def _set_rate(stage: Stage, rate: int) -> None:
    with psycopg.connect(dsn(stage.desk.folder)) as db:
        db.execute(SET_RATE, ["send_rate", str(rate)])
