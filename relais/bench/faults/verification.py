"""The final verification: compares the messages clients wrote and the double accepted with what the desk stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from relais.bench.faults.load_generator import LoadGenerator
from relais.bench.faults.socket_readers import SocketReader
from relais.bench.faults.testbed import ECHO, Testbed

SELECT_RECEIVED = """
select e.message_sid, e.conversation_id, e.seq, a.address, e.metadata ? 'occurred_at'
  from conversation_events e join conversations c on c.id = e.conversation_id
  join client_addresses a on a.id = c.address_id
 where e.event_type = 'message_received'
"""
SELECT_DELIVERIES = """
select d.id, d.conversation_id, e.seq, d.state, d.sid, d.ref, d.reason, d.error_code, d.attempt, e.resend_of_id, e.id,
       d.by_person
  from message_deliveries d join conversation_events e on e.id = d.event_id order by d.conversation_id, e.seq
"""
SELECT_ECHOES = """
select a.address, e.body, count(*) from conversation_events e join conversations c on c.id = e.conversation_id
  join client_addresses a on a.id = c.address_id
 where e.event_type = 'message_sent' and e.author_kind = 'bot' and e.resend_of_id is null
   and a.address = any(%s) group by 1, 2
"""
UNFINISHED_AFTER_SECONDS = 30
SELECT_UNFINISHED_JOBS = """
select job.id, job.task_name, job.status::text, round(extract(epoch from now() - last.at)), job.worker_id
  from procrastinate_jobs job
 cross join lateral (select max(event.at) as at from procrastinate_events event where event.job_id = job.id) last
 where job.status in ('todo', 'doing') and (job.scheduled_at is null or job.scheduled_at <= now())
   and greatest(last.at, job.scheduled_at) < now() - make_interval(secs => %s)
"""
STATE_OF_STATUS = {"delivered": "delivered", "read": "read", "failed": "failed", "undelivered": "failed"}
UNSENT_STATES = ("refused", "failed", "uncertain")


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
        detail = f"delivery {self.id} (conversation {self.conversation}, seq {self.seq}, event {self.event})"
        more = f"{self.state}, sid {self.sid}, attempt {self.attempt}, error {self.error_code}, reason “{self.reason}”"
        return f"{detail}: {more}, resend of {self.resend_of}, by person {self.by_person}"


@dataclass
class Verification:
    """The errors found, a line each; all lists are empty when nothing is wrong."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    wrong_state: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)
    """Shown as uncertain and not accepted by Twilio: a person decides."""
    unfinished_jobs: list[str] = field(default_factory=list)
    recovered: int = 0
    received: int = 0
    accepted: int = 0

    @property
    def is_clean(self) -> bool:
        return not (
            self.lost or self.doubled or self.out_of_order or self.wrong_state or self.unfinished_jobs
        )

    @property
    def summary(self) -> str:
        names = ("lost", "doubled", "out_of_order", "wrong_state", "uncertain", "unfinished_jobs")
        return ", ".join(f"{name} {len(getattr(self, name))}" for name in names)


def verify(testbed: Testbed, load: LoadGenerator, readers: Iterable[SocketReader]) -> Verification:
    result = Verification()
    written = testbed.twilio.get("received")["messages"]
    accepted_messages = testbed.twilio.get("accepted")["messages"]
    deliveries = [Delivery(*row) for row in testbed.desk.query(SELECT_DELIVERIES)]
    result.received, result.accepted = len(written), len(accepted_messages)
    recovered = _check_received(result, testbed, written)
    _check_echoes(result, testbed, load, written, recovered)
    _check_outgoing(result, deliveries, accepted_messages)
    _check_outgoing_order(result, deliveries, accepted_messages)
    _check_clicks(result, load, deliveries)
    for job, task, status, seconds, worker in testbed.desk.query(
        SELECT_UNFINISHED_JOBS, UNFINISHED_AFTER_SECONDS
    ):
        result.unfinished_jobs.append(f"job {job} of {task} is {status} for {seconds} s, worker {worker}")
    for reader in readers:
        _check_frames(result, testbed, reader)
    return result


def _check_received(result: Verification, testbed: Testbed, written: list[dict[str, Any]]) -> set[str]:
    """Check that each is stored once, by SID, and in order of arrival per client.

    Returns the SIDs recovered from Twilio's log only: their position is the time of recovery.
    """
    stored: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    recovered = set()
    for sid, conversation, seq, _address, was_recovered in testbed.desk.query(SELECT_RECEIVED):
        stored[sid].append((conversation, seq))
        if was_recovered:
            recovered.add(sid)
    result.recovered = len(recovered)
    last: dict[str, tuple[tuple[int, int], str]] = {}
    for message in sorted(written, key=lambda each: int(each["turn"])):
        positions = stored.pop(message["sid"], [])
        detail = f"{message['sid']} ({message['body']} of {message['from']}, tries {message['attempts']})"
        if not positions:
            result.lost.append(f"a client's message is not stored: {detail}")
        elif len(positions) > 1:
            result.doubled.append(f"a client's message is stored {len(positions)} times: {detail}")
        elif message["sid"] not in recovered:
            position, before = positions[0], last.get(message["from"])
            if before and before[0] > position:
                result.out_of_order.append(f"{detail} at {position} stands before {before[1]} at {before[0]}")
            last[message["from"]] = position, message["sid"]
    result.doubled += [f"nobody wrote {sid}, stored at {positions}" for sid, positions in stored.items()]
    return recovered


def _check_echoes(
    result: Verification,
    testbed: Testbed,
    load: LoadGenerator,
    written: list[dict[str, Any]],
    recovered: set[str],
) -> None:
    """Check that the bot echoed each message once, and at most once if recovered: the bot may be further on."""
    bots = set(load.conversations_by_role.bot)
    client_messages = [m for m in written if m["from"] in bots]
    expected_max = Counter((m["from"], ECHO + m["body"]) for m in client_messages)
    expected_min = Counter(
        (m["from"], ECHO + m["body"]) for m in client_messages if m["sid"] not in recovered
    )
    echoed = {
        (address, body): times for address, body, times in testbed.desk.query(SELECT_ECHOES, list(bots))
    }
    for (address, body), times in expected_max.items():
        actual = echoed.get((address, body), 0)
        detail = f"“{body}” to {address}: {actual} times, not {times}"
        if actual < expected_min[address, body]:
            result.lost.append(f"the bot did not send {detail}")
        elif actual > times:
            result.doubled.append(f"the bot sent {detail}")


def _check_outgoing(
    result: Verification, deliveries: list[Delivery], accepted_messages: list[dict[str, Any]]
) -> None:
    """Check that the double accepted each message once, and that the stored state is the double's."""
    by_ref: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in accepted_messages:
        by_ref[message["ref"]].append(message)
    resent = {d.resend_of for d in deliveries if d.resend_of}
    accepted_count = {d.event: len(by_ref[str(d.id)]) for d in deliveries}
    for delivery in deliveries:
        messages = by_ref.pop(str(delivery.id))
        if len(messages) > 1:
            result.doubled.append(
                f"accepted {len(messages)} times, {[m['sid'] for m in messages]}: {delivery}"
            )
        elif messages:
            _check_state(result, delivery, messages[0])
            if delivery.resend_of and accepted_count.get(delivery.resend_of):
                result.doubled.append(f"sent again although it had been accepted: {delivery}")
        elif delivery.state == "uncertain" and delivery.event not in resent:
            result.uncertain.append(str(delivery))
        elif delivery.state not in UNSENT_STATES:
            result.lost.append(f"never accepted: {delivery}")
        elif delivery.state == "failed" and not delivery.error_code and delivery.event not in resent:
            result.lost.append(f"failed without a reason: {delivery}")
    result.doubled += [f"of no delivery: {ref}" for ref in by_ref if by_ref[ref]]


def _check_state(result: Verification, delivery: Delivery, message: dict[str, Any]) -> None:
    expected_state = STATE_OF_STATUS.get(message["status"], "sent")
    if delivery.state != expected_state or delivery.sid != message["sid"]:
        detail = f"{message['sid']} is {message['status']}, callbacks {message['callbacks']}"
        result.wrong_state.append(f"{detail}; {delivery}")


def _check_outgoing_order(
    result: Verification, deliveries: list[Delivery], accepted_messages: list[dict[str, Any]]
) -> None:
    """Check that the double accepted the messages of a conversation in the order of its history."""
    position = {str(d.id): d for d in deliveries}
    last: dict[int, Delivery] = {}
    for message in accepted_messages:
        delivery = position.get(message["ref"])
        if delivery is None:
            continue
        before = last.get(delivery.conversation)
        if before and before.seq > delivery.seq:
            result.out_of_order.append(f"accepted after delivery {before.id}, seq {before.seq}: {delivery}")
        last[delivery.conversation] = delivery


def _check_clicks(result: Verification, load: LoadGenerator, deliveries: list[Delivery]) -> None:
    """Check that each text acknowledged to an agent is in the outbox once, and a refused one is not."""
    by_ref = Counter(d.ref for d in deliveries if d.ref)
    for ref, click in load.clicks.items():
        detail = f"{ref} in conversation {click.conversation}, answered {click.status}"
        if click.status == 0:
            result.lost.append(f"a click was never answered: {detail}")
        elif click.status == 200 and not by_ref[ref]:
            result.lost.append(f"an accepted text is not in the outbox: {detail}")
        elif click.status != 200 and by_ref[ref]:
            result.doubled.append(f"a refused text is in the outbox: {detail}")


SELECT_SHOWN = """
select e.rev, e.id, d.id, d.rev from conversation_events e left join message_deliveries d on d.event_id = e.id
 where e.conversation_id = %s
"""


def _check_frames(result: Verification, testbed: Testbed, reader: SocketReader) -> None:
    """Check that the socket got each event, and each delivery in its final state, once and in order."""
    name = f"the reader of conversation {reader.conversation}"
    for before, after in zip(reader.frames, reader.frames[1:], strict=False):
        if after[2] < before[2]:
            result.out_of_order.append(f"{name} got {after} after {before}")
    for frame, times in Counter(reader.frames).items():
        if times > 1:
            result.doubled.append(f"{name} got {frame} {times} times")
    events = {id for kind, id, _rev in reader.frames if kind in ("message", "event")}
    newest = {(kind, id): rev for kind, id, rev in reader.frames}
    for rev, event, delivery, delivery_rev in testbed.desk.query(SELECT_SHOWN, reader.conversation):
        if rev > reader.first and event not in events:
            result.lost.append(f"{name} never saw event {event} of rev {rev}; has {reader.rev}")
        if delivery and delivery_rev > max(reader.first, rev):
            seen = max(newest.get(("delivery", delivery), 0), newest.get(("message", event), 0))
            if seen < delivery_rev:
                result.lost.append(f"{name} saw delivery {delivery} at rev {seen}, not {delivery_rev}")
