"""The count at the end: what the clients wrote and what the double took, held against what the desk knows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from relais.bench.faults.load import Load
from relais.bench.faults.readers import Reader
from relais.bench.faults.testbed import ECHO, Stage

RECEIVED = """
select e.message_sid, e.conversation_id, e.seq, a.address, e.metadata ? 'occurred_at'
  from conversation_events e join conversations c on c.id = e.conversation_id
  join client_addresses a on a.id = c.address_id
 where e.event_type = 'message_received'
"""
SAID = """
select d.id, d.conversation_id, e.seq, d.state, d.sid, d.ref, d.reason, d.error_code, d.attempt, e.resend_of_id, e.id,
       d.by_person
  from message_deliveries d join conversation_events e on e.id = d.event_id order by d.conversation_id, e.seq
"""
ECHOES = """
select a.address, e.body, count(*) from conversation_events e join conversations c on c.id = e.conversation_id
  join client_addresses a on a.id = c.address_id
 where e.event_type = 'message_sent' and e.author_kind = 'bot' and e.resend_of_id is null
   and a.address = any(%s) group by 1, 2
"""
UNFINISHED_AFTER_SECONDS = 30
UNFINISHED = """
select job.id, job.task_name, job.status::text, round(extract(epoch from now() - last.at)), job.worker_id
  from procrastinate_jobs job
 cross join lateral (select max(event.at) as at from procrastinate_events event where event.job_id = job.id) last
 where job.status in ('todo', 'doing') and (job.scheduled_at is null or job.scheduled_at <= now())
   and greatest(last.at, job.scheduled_at) < now() - make_interval(secs => %s)
"""
STATES = {"delivered": "delivered", "read": "read", "failed": "failed", "undelivered": "failed"}
NEVER_LEFT = ("refused", "failed", "uncertain")


@dataclass(frozen=True)
class Delivery:
    id: int
    conversation: int
    seq: int
    state: str
    sid: str | None
    ref: str | None
    reason: str
    error_code: int | None
    attempt: int
    resend_of: int | None
    event: int
    by_person: bool

    def __str__(self) -> str:
        told = f"delivery {self.id} (conversation {self.conversation}, seq {self.seq}, event {self.event})"
        more = f"{self.state}, sid {self.sid}, attempt {self.attempt}, error {self.error_code}, reason “{self.reason}”"
        return f"{told}: {more}, resend of {self.resend_of}, by person {self.by_person}"


@dataclass
class Count:
    """What is wrong, a line each; all empty when all is well."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    wrong_state: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)
    """Marked so on the page, and truly not at Twilio: left to a person."""
    unfinished_jobs: list[str] = field(default_factory=list)
    healed: int = 0
    received: int = 0
    accepted: int = 0

    @property
    def is_clean(self) -> bool:
        return not (
            self.lost or self.doubled or self.out_of_order or self.wrong_state or self.unfinished_jobs
        )

    @property
    def in_short(self) -> str:
        names = ("lost", "doubled", "out_of_order", "wrong_state", "uncertain", "unfinished_jobs")
        return ", ".join(f"{name} {len(getattr(self, name))}" for name in names)


def count(stage: Stage, load: Load, readers: Iterable[Reader]) -> Count:
    found = Count()
    written = stage.twilio.get("received")["messages"]
    taken = stage.twilio.get("accepted")["messages"]
    deliveries = [Delivery(*row) for row in stage.desk.ask(SAID)]
    found.received, found.accepted = len(written), len(taken)
    healed = _clients_messages(found, stage, written)
    _echoes(found, stage, load, written, healed)
    _outgoing(found, deliveries, taken)
    _order_out(found, deliveries, taken)
    _clicks(found, load, deliveries)
    for job, task, status, seconds, worker in stage.desk.ask(UNFINISHED, UNFINISHED_AFTER_SECONDS):
        found.unfinished_jobs.append(f"job {job} of {task} is {status} for {seconds} s, worker {worker}")
    for reader in readers:
        _frames(found, stage, reader)
    return found


def _clients_messages(found: Count, stage: Stage, written: list[dict[str, Any]]) -> set[str]:
    """Each is stored once, by its SID; those of a client in the order in which they reached us. Returns which were
    found in Twilio's log only: they stand where they were found."""
    stored: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    healed = set()
    for sid, conversation, seq, _address, was_healed in stage.desk.ask(RECEIVED):
        stored[sid].append((conversation, seq))
        if was_healed:
            healed.add(sid)
    found.healed = len(healed)
    last: dict[str, tuple[tuple[int, int], str]] = {}
    for message in sorted(written, key=lambda each: int(each["turn"])):
        places = stored.pop(message["sid"], [])
        told = f"{message['sid']} ({message['body']} of {message['from']}, tries {message['attempts']})"
        if not places:
            found.lost.append(f"a client's message is not stored: {told}")
        elif len(places) > 1:
            found.doubled.append(f"a client's message is stored {len(places)} times: {told}")
        elif message["sid"] not in healed:
            place, before = places[0], last.get(message["from"])
            if before and before[0] > place:
                found.out_of_order.append(f"{told} at {place} stands before {before[1]} at {before[0]}")
            last[message["from"]] = place, message["sid"]
    found.doubled += [f"nobody wrote {sid}, stored at {places}" for sid, places in stored.items()]
    return healed


def _echoes(found: Count, stage: Stage, load: Load, written: list[dict[str, Any]], healed: set[str]) -> None:
    """What the bot alone answers it has answered, each message once; one that came late, when the talk had gone on,
    at most once."""
    bots = set(load.cast.bot)
    mine = [m for m in written if m["from"] in bots]
    most = Counter((m["from"], ECHO + m["body"]) for m in mine)
    least = Counter((m["from"], ECHO + m["body"]) for m in mine if m["sid"] not in healed)
    said = {(address, body): times for address, body, times in stage.desk.ask(ECHOES, list(bots))}
    for (address, body), times in most.items():
        really = said.get((address, body), 0)
        told = f"“{body}” to {address}: {really} times, not {times}"
        if really < least[address, body]:
            found.lost.append(f"the bot did not say {told}")
        elif really > times:
            found.doubled.append(f"the bot said {told}")


def _outgoing(found: Count, deliveries: list[Delivery], taken: list[dict[str, Any]]) -> None:
    """The double took each once; our word about it is the double's."""
    by_ref: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in taken:
        by_ref[message["ref"]].append(message)
    resent = {d.resend_of for d in deliveries if d.resend_of}
    took = {d.event: len(by_ref[str(d.id)]) for d in deliveries}
    for delivery in deliveries:
        messages = by_ref.pop(str(delivery.id))
        if len(messages) > 1:
            found.doubled.append(f"taken {len(messages)} times, {[m['sid'] for m in messages]}: {delivery}")
        elif messages:
            _compare(found, delivery, messages[0])
            if delivery.resend_of and took.get(delivery.resend_of):
                found.doubled.append(f"said again although it had been taken: {delivery}")
        elif delivery.state == "uncertain" and delivery.event not in resent:
            found.uncertain.append(str(delivery))
        elif delivery.state not in NEVER_LEFT:
            found.lost.append(f"never taken: {delivery}")
        elif delivery.state == "failed" and not delivery.error_code and delivery.event not in resent:
            found.lost.append(f"given up without a reason: {delivery}")
    found.doubled += [f"of no delivery: {ref}" for ref in by_ref if by_ref[ref]]


def _compare(found: Count, delivery: Delivery, message: dict[str, Any]) -> None:
    right = STATES.get(message["status"], "sent")
    if delivery.state != right or delivery.sid != message["sid"]:
        told = f"{message['sid']} is {message['status']}, callbacks {message['callbacks']}"
        found.wrong_state.append(f"{told}; {delivery}")


def _order_out(found: Count, deliveries: list[Delivery], taken: list[dict[str, Any]]) -> None:
    """Within a conversation the double took them in the order of the history."""
    place = {str(d.id): d for d in deliveries}
    last: dict[int, Delivery] = {}
    for message in taken:
        delivery = place.get(message["ref"])
        if delivery is None:
            continue
        before = last.get(delivery.conversation)
        if before and before.seq > delivery.seq:
            found.out_of_order.append(f"taken after delivery {before.id}, seq {before.seq}: {delivery}")
        last[delivery.conversation] = delivery


def _clicks(found: Count, load: Load, deliveries: list[Delivery]) -> None:
    """What an agent was told was accepted is in the outbox, once; what was refused is not."""
    by_ref = Counter(d.ref for d in deliveries if d.ref)
    for ref, click in load.clicks.items():
        told = f"{ref} in conversation {click.conversation}, answered {click.status}"
        if click.status == 0:
            found.lost.append(f"a click was never answered: {told}")
        elif click.status == 200 and not by_ref[ref]:
            found.lost.append(f"an accepted text is not in the outbox: {told}")
        elif click.status != 200 and by_ref[ref]:
            found.doubled.append(f"a refused text is in the outbox: {told}")


SHOWN = """
select e.rev, e.id, d.id, d.rev from conversation_events e left join message_deliveries d on d.event_id = e.id
 where e.conversation_id = %s
"""


def _frames(found: Count, stage: Stage, reader: Reader) -> None:
    """Whoever looked on saw each event, and each delivery as it is now, once and in order."""
    who = f"the reader of conversation {reader.conversation}"
    for before, after in zip(reader.frames, reader.frames[1:], strict=False):
        if after[2] < before[2]:
            found.out_of_order.append(f"{who} got {after} after {before}")
    for frame, times in Counter(reader.frames).items():
        if times > 1:
            found.doubled.append(f"{who} got {frame} {times} times")
    events = {id for kind, id, _rev in reader.frames if kind in ("message", "event")}
    newest = {(kind, id): rev for kind, id, rev in reader.frames}
    for rev, event, delivery, delivery_rev in stage.desk.ask(SHOWN, reader.conversation):
        if rev > reader.first and event not in events:
            found.lost.append(f"{who} never saw event {event} of rev {rev}; has {reader.rev}")
        if delivery and delivery_rev > max(reader.first, rev):
            seen = max(newest.get(("delivery", delivery), 0), newest.get(("message", event), 0))
            if seen < delivery_rev:
                found.lost.append(f"{who} saw delivery {delivery} at rev {seen}, not {delivery_rev}")
