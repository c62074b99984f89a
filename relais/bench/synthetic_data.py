"""Synthetic data: rows for COPY of years of a dealership's conversations, deterministic for the same numbers.

All invariants of the tables hold: `seq` has no gap, `rev` is raised by every visible change, one open conversation
per channel, and time only goes forward.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate, chain, islice, pairwise

from relais.bench import sample_texts
from relais.clients.addresses import match_key

SENDER = "whatsapp:+14155238886"
DAY_SECONDS = 86_400
HISTORY_SECONDS = 730 * DAY_SECONDS
"""The age of the first conversation."""
OPEN_WITHIN_SECONDS = 20 * 3600
"""Every open conversation had a message since, so that none times out."""
FIRST_AGENT_CONVERSATIONS = 35
"""Conversations of the first agent at any size: the lists are full in a small database, too."""
MAX_EVENTS = 20_000
MIN_EVENTS = 3
"""A client writes, an agent is requested, it ends."""
CYCLE_STEPS = 1 << 15
PRIME = 0x9E3779B97F4A7C15F39CC0605CEDC835
"""Odd, so that multiplication modulo 2**128 is a bijection: ids look random and are unique."""
MASK = (1 << 128) - 1
NULL = "\\N"
HERE, FIRST = '{"bot_here": true', ', "first_contact": true'
ENDS = ("conversation_closed", "flow_complete", "timeout")
TABLES = {
    "clients": "id client_full_name whatsapp_profile_name email vin carte_vip is_client attributes created_at",
    "client_addresses": "id client_id address match_key phone_number opted_out_at created_at",
    "conversations": "id address_id client_id sender team_id status agent_id epoch seq rev read_seq last_inbound_seq "
    "session_id current_menu menu_path started_at transferred_at last_activity_at last_inbound_at bot_waits_until "
    "ended_at duration_seconds",
    "conversation_events": "id conversation_id seq rev event_type author_kind author_id author_name body metadata "
    "message_sid waiting_due resend_of_id created_at",
    "message_deliveries": "id event_id conversation_id state rev ref sid epoch by_person attempt not_before claimed_by "
    "claimed_at lease_until uncertain_until error_code error reason sent_at delivered_at read_at failed_at created_at",
    "media": "id event_id position url declared_type state content_type size rev error",
    "flow_executions": "id conversation_id revision_id sid state pending consumed_seq about_id question_id "
    "awaits_reply due_at path started_at ended_at end_reason",
}
"""The columns of each table, in COPY order."""


@dataclass(frozen=True)
class Step:
    """One event without position and time: the text of its columns before and after the author's name."""

    kind: str
    before: str
    after: str
    names_client: bool = False
    by_person: bool = False
    is_out: bool = False
    menu: str = ""
    has_picture: bool = False
    has_ending: bool = False
    """Whether its text differs from one event to the next: see `MessageSuffixes`."""


@dataclass(frozen=True)
class DeliveryOutcome:
    state: str
    moves: int
    """How often `rev` was raised after its event."""
    sent: bool = False
    delivered: bool = False
    read: bool = False
    failed: bool = False
    code: str = NULL
    reason: str = ""


@dataclass
class Plan:
    """The planned end state of a conversation."""

    status: str
    """As in the table, with `waiting` and `held` for `transferred`."""
    length: int
    last: int
    """Unix time of its last event."""
    agent: int = 0
    team: str = NULL


@dataclass(frozen=True)
class World:
    """Existing rows: ids of the agents, of the teams and of the flow revision."""

    agents: Sequence[tuple[int, str]]
    teams: Sequence[int]
    revision: int


def _literal(text: str) -> str:
    """Escape for COPY's text format."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def _json(value: object) -> str:
    return _literal(json.dumps(value, ensure_ascii=False))


# -- the steps of a conversation ---------------------------------------------------------------------------


def _step(kind: str, author: str, body: str = "", metadata: object = None, **more: bool | str) -> Step:
    before = f"\t{kind}\t{author}\t{NULL}\t"
    return Step(kind, before, f"\t{_literal(body)}\t{_json(metadata or {})}\t", **more)  # type: ignore[arg-type]


def _inbound(body: str) -> Step:
    return _step(
        "message_received", "client", body, {"bot_here": True}, names_client=True, has_ending=len(body) > 12
    )


def _picture() -> Step:
    fields = {"bot_here": True, "media": 1}
    return _step("message_received", "client", "", fields, names_client=True, has_picture=True)


def _bot(body: str) -> Step:
    return _step("message_sent", "bot", body, is_out=True)


def _system(body: str) -> Step:
    return _step("message_sent", "system", body, is_out=True, by_person=True)


def _agent_step(
    agent: tuple[int, str], kind: str, body: str = "", metadata: object = None, *, speaks: bool = False
) -> Step:
    id, name = agent
    before = f"\t{kind}\tagent\t{id}\t{_literal(name)}"
    return Step(
        kind,
        before,
        f"\t{_literal(body)}\t{_json(metadata or {})}\t",
        by_person=speaks,
        is_out=speaks,
        has_ending=speaks,
    )


def _menu_choice(menu: str, choice: str) -> Step:
    fields = {"menu_choice": menu}
    return _step("menu_choice", "client", choice, fields, names_client=True, menu=menu)


def _free_input(step: str, field_name: str, body: str) -> Step:
    return _step("free_input", "client", body, {"step": step, "field": field_name}, names_client=True)


class MessageSuffixes:
    """What makes the messages of a generated database differ: frequent and rare words, names, and file numbers.

    A file number is in a few messages, however large the database is.
    """

    CYCLE = 65_537
    MESSAGES_PER_NUMBER = 3

    def __init__(self, rng: random.Random, events: int) -> None:
        self.files = max(1, events // 8 // self.MESSAGES_PER_NUMBER)
        words = sample_texts.VOCABULARY.split()
        weights = [1 / rank for rank in range(1, len(words) + 1)]
        self.suffixes = [self._suffix(rng, words, weights) for _ in range(self.CYCLE)]

    def suffix_of(self, event: int) -> str:
        """Of one event in eight, the number of a file; of others, words."""
        if event % 8 == 0:
            return f" dossier D{event * 7_919 % self.files + 1:07}"
        return self.suffixes[event * 40_503 % self.CYCLE]

    @staticmethod
    def _suffix(rng: random.Random, vocabulary: list[str], weights: list[float]) -> str:
        draw = rng.random()
        if draw < 0.4:
            return ""
        words = " ".join(rng.choices(vocabulary, weights, k=rng.choice((1, 2, 2, 3, 5))))
        if draw < 0.8:
            return f", {words}"
        if draw < 0.9:
            return f", {words}, {rng.choice(sample_texts.DISTRICTS)}"
        return f" ({rng.choice(sample_texts.FIRST_NAMES)} {rng.choice(sample_texts.LAST_NAMES)}, {words})"


@dataclass
class Scripts:
    """Long cycles of steps in a plausible order; a conversation takes a slice of one."""

    rng: random.Random
    agents: Sequence[tuple[int, str]]
    openings: list[tuple[Step, ...]] = field(default_factory=list)
    with_bot: list[Step] = field(default_factory=list)
    alone: list[Step] = field(default_factory=list)
    with_agent: dict[int, list[Step]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inbound = [_inbound(text) for text in sample_texts.CLIENT]
        bot = [_bot(text) for text in sample_texts.BOT]
        choices = {text: _inbound(text) for text in sample_texts.CHOICES}
        self.openings = [
            (
                self.rng.choice(inbound),
                bot[0],
                choices[n],
                _menu_choice(menu, n),
                self.rng.choice(bot[1:]),
            )
            for menu in sample_texts.MENUS
            for n in "123"
        ]
        self.alone = [self.rng.choice(inbound) for _ in range(257)]
        while len(self.with_bot) < CYCLE_STEPS // 4:
            step, name = self.rng.choice(sample_texts.STEPS)
            text = self.rng.choice(sample_texts.CLIENT)
            turn = [
                self.rng.choice(inbound),
                _free_input(step, name, text),
                self.rng.choice(bot),
            ]
            self.with_bot += turn if self.rng.random() < 0.6 else [turn[0], turn[2]]
        for agent in self.agents:
            answers = [_agent_step(agent, "agent_message", text, speaks=True) for text in sample_texts.AGENT]
            lines = self.with_agent[agent[0]] = []
            while len(lines) < 2_048:
                lines += [self.rng.choice(inbound) for _ in range(self.rng.choice((1, 1, 1, 2, 3)))]
                lines += [self.rng.choice(answers) for _ in range(self.rng.choice((1, 1, 2)))]
                if self.rng.random() < 0.02:
                    lines.append(_picture())

    def steps_of(self, plan: Plan, agent: tuple[int, str]) -> Iterator[Step]:
        """As many steps as planned: the mandatory ones with others between them."""
        core, tail, filler = self._opening_and_ending(plan, agent)
        opening = self.rng.choice(self.openings)
        room = plan.length - 1 - len(core) - len(tail)
        first = opening[: 1 + max(0, room)]
        between = plan.length - len(first) - len(core) - len(tail)
        begin = self.rng.randrange(len(filler))
        endless = chain.from_iterable(_shuffled_forever(filler))
        return chain(first, core, islice(endless, begin, begin + between), tail)

    def _opening_and_ending(
        self, plan: Plan, agent: tuple[int, str]
    ) -> tuple[list[Step], list[Step], list[Step]]:
        requested = _step("agent_transfer", "bot", "", {"reason": self.rng.choice(sample_texts.REASONS)})
        taken = [_agent_step(agent, "agent_takeover"), _system(sample_texts.TAKEN)]
        ends = {"completed": "flow_complete", "timeout": "timeout", "abandoned": "timeout"}
        if plan.status == "held":
            return [requested, *taken] if plan.length > 5 else taken, [], self.with_agent[agent[0]]
        if plan.agent:
            closed = _agent_step(agent, "conversation_closed", metadata={"tell_client": True})
            return [requested, *taken], [closed, _system(sample_texts.CLOSED)], self.with_agent[agent[0]]
        if plan.status in ("waiting", "abandoned"):
            tail = [_step("timeout", "system")] if plan.status == "abandoned" else []
            return [requested], tail, self.alone
        tail = (
            [_step(ends[plan.status], "bot" if plan.status == "completed" else "system")]
            if plan.status in ends
            else []
        )
        return [], tail, self.with_bot


def _shuffled_forever(steps: list[Step]) -> Iterator[list[Step]]:
    while True:
        yield steps


# -- how many, how long, when ------------------------------------------------------------------------------


def lengths(conversations: int, events: int, rng: random.Random) -> list[int]:
    """Events per conversation: a few very long, most short, with the requested total."""
    longest, mean = min(MAX_EVENTS, events // 10), events / conversations
    weights = [rng.lognormvariate(0, 0.9) for _ in range(conversations)]
    spare = events - MIN_EVENTS * conversations
    few = min(conversations // 20, int(longest / (20 * mean)) + 1)
    tops = [longest // rank for rank in range(1, few + 1)]
    while sum(tops) > spare // 3:
        tops.pop()
    scale = (spare - sum(tops)) / (sum(weights[len(tops) :]) or 1)
    shares = chain(tops, (weight * scale for weight in weights[len(tops) :]))
    whole = [0, *(round(total) for total in accumulate(shares))]
    numbers = [MIN_EVENTS + after - before for before, after in pairwise(whole)]
    numbers[-1] += events - sum(numbers)
    return numbers


def situations(conversations: int) -> dict[str, int]:
    """Open conversations by situation: enough for a few pages, some hundreds at most."""
    return {
        "waiting": min(300, conversations * 9 // 100),
        "held": min(500, conversations * 12 // 100),
        "active": min(900, conversations * 18 // 100),
    }


def plans(conversations: int, events: int, world: World, now: int, rng: random.Random) -> list[Plan]:
    """All conversations, oldest first; the longest one is held and active."""
    numbers = lengths(conversations, events, rng)
    longest, numbers = numbers[0], numbers[1:]
    rng.shuffle(numbers)
    is_open = [status for status, number in situations(conversations).items() for _ in range(number)]
    rng.shuffle(is_open)
    if "held" in is_open:
        is_open.insert(0, is_open.pop(is_open.index("held")))
    fresh = min(conversations, max(len(is_open) * 2, conversations // 160))
    plans_by_age = []
    for n, length in enumerate([*numbers, longest]):
        from_end = conversations - n
        if from_end <= fresh:
            last = now - 60 - OPEN_WITHIN_SECONDS * from_end // (fresh + 1)
        else:
            age = (from_end - fresh) / (conversations - fresh + 1)
            last = now - OPEN_WITHIN_SECONDS - DAY_SECONDS // 4 - int(HISTORY_SECONDS * age**1.3)
        plans_by_age.append(Plan("", length, last, team=_team(world, rng)))
    for plan, status in zip(reversed(plans_by_age), _spread(is_open, fresh), strict=False):
        plan.status = status or "ended"
    for plan in plans_by_age:
        _choose_status_and_agent(plan, world, rng)
    held = [plan for plan in reversed(plans_by_age) if plan.status == "held"]
    for plan in held[: min(FIRST_AGENT_CONVERSATIONS, len(held) // 3 + 1)]:
        plan.agent, plan.team = world.agents[0][0], NULL
    return plans_by_age


def _team(world: World, rng: random.Random) -> str:
    return str(rng.choice(world.teams)) if rng.random() < 0.3 else NULL


def _spread(is_open: list[str], fresh: int) -> Iterator[str]:
    """Alternate open and ended conversations among the recent ones."""
    for n in range(fresh):
        yield is_open[n // 2] if n % 2 == 0 and n // 2 < len(is_open) else ""


def _choose_status_and_agent(plan: Plan, world: World, rng: random.Random) -> None:
    if plan.status == "held":
        plan.agent = rng.choice(world.agents)[0]
    elif plan.status in ("", "ended"):
        if plan.length >= 14 and rng.random() < 0.6:
            plan.status, plan.agent = "completed", rng.choice(world.agents)[0]
        else:
            plan.status = rng.choices(("completed", "timeout", "abandoned"), (45, 45, 10))[0]


# -- rows --------------------------------------------------------------------------------------------------

DELIVERY_OUTCOMES = (
    [DeliveryOutcome("read", 4, True, True, True)] * 720
    + [DeliveryOutcome("delivered", 3, True, True)] * 200
    + [DeliveryOutcome("sent", 2, True)] * 73
    + [DeliveryOutcome("failed", 3, True, failed=True, code="63016", reason="")] * 4
    + [DeliveryOutcome("failed", 2, failed=True, code="63003", reason="")] * 2
    + [DeliveryOutcome("refused", 0, reason="window_closed")]
)
ERROR = "Ce message n'est pas arrivé."


class Rows:
    """Builds conversations one by one; `lines` holds the rows of each table until `take`."""

    def __init__(self, world: World, rng: random.Random, events: int) -> None:
        self.world = world
        self.suffixes = MessageSuffixes(rng, events)
        self.rng = rng
        self.agents = dict(world.agents)
        self.scripts = Scripts(rng, world.agents)
        self.lines: dict[str, list[str]] = {table: [] for table in TABLES}
        self.clients: list[tuple[str, int]] = []
        """Per client: profile name and end of the last conversation, 0 while one is open."""
        self.counts = dict.fromkeys(TABLES, 0)
        self.gaps = [5 + int(rng.expovariate(1 / 70)) % 1_500 for _ in range(CYCLE_STEPS)]
        self.elapsed = [0, *accumulate(self.gaps)]
        self.outcomes = [rng.choice(DELIVERY_OUTCOMES) for _ in range(4_099)]
        self.seconds = [f" {s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}." for s in range(DAY_SECONDS)]
        self.days: dict[int, str] = {}

    def take(self) -> dict[str, str]:
        taken = {table: "".join(lines) for table, lines in self.lines.items()}
        for lines in self.lines.values():
            lines.clear()
        return taken

    def moment(self, second: int, id: int) -> str:
        day, second_of_day = divmod(second, DAY_SECONDS)
        if day not in self.days:
            self.days[day] = datetime.fromtimestamp(day * DAY_SECONDS, UTC).strftime("%Y-%m-%d")
        return f"{self.days[day]}{self.seconds[second_of_day]}{id % 1_000_000:06}+00"

    def add(self, plan: Plan) -> None:
        offset = self.rng.randrange(max(1, CYCLE_STEPS - plan.length))
        start = plan.last - (self.elapsed[offset + plan.length - 1] - self.elapsed[offset])
        client, is_new = self._client_of(plan, start)
        writer = ConversationWriter(self, plan, start, client, is_new)
        for step, gap in zip(
            self.scripts.steps_of(plan, (plan.agent, self.agents.get(plan.agent, ""))),
            chain((0,), islice(self.gaps, offset, None)),
            strict=False,
        ):
            writer.add(step, gap)
        writer.end()

    # -- clients -------------------------------------------------------------------------------------------

    def _client_of(self, plan: Plan, start: int) -> tuple[int, bool]:
        """A known client without an open conversation, or a new one."""
        is_open = plan.status in ("waiting", "held", "active")
        if self.clients and self.rng.random() < 0.4:
            id = 1 + int(len(self.clients) * self.rng.random() ** 0.5)
            name, ended = self.clients[id - 1]
            if 0 < ended < start:
                self.clients[id - 1] = (name, 0 if is_open else plan.last)
                return id, False
        name = self._new_client(len(self.clients) + 1, start)
        self.clients.append((name, 0 if is_open else plan.last))
        return len(self.clients), True

    def _new_client(self, id: int, start: int) -> str:
        rng = self.rng
        first, last = (
            rng.choice(sample_texts.FIRST_NAMES),
            rng.choice(sample_texts.LAST_NAMES),
        )
        draw = rng.random()
        profile = (
            first
            if draw < 0.4
            else f"{first} {last}"
            if draw < 0.75
            else rng.choice(sample_texts.ARABIC_NAMES)
        )
        if draw > 0.95:
            profile = rng.choice(sample_texts.NICKNAMES)
        full = f"{first} {last}" if rng.random() < 0.6 else ""
        vin = f"W1K{id * PRIME % 10**14:014}" if full and draw < 0.5 else ""
        card = f"VIP-{id * 7919 % 10**6:06}" if full and draw < 0.15 else ""
        email = f"client{id}@example.com" if full and draw < 0.6 else ""
        known = "t" if vin else "f" if draw > 0.9 else NULL
        moment = self.moment(start, id)
        self._row("clients", id, full, profile, email, vin, card, known, "{}", moment)
        number = _number(id)
        address = f"whatsapp:{number}"
        self._row("client_addresses", id, id, address, match_key(address), number, NULL, moment)
        return profile

    def _row(self, table: str, *columns: object) -> None:
        self.lines[table].append("\t".join(map(str, columns)) + "\n")
        self.counts[table] += 1


def _number(id: int) -> str:
    """A unique number: two of three in Morocco, the others in Ivory Coast."""
    drawn = id * 61_803_399 % 100_000_000
    return f"+22507{drawn:08}" if id % 3 == 0 else f"+2126{drawn:08}"


class ConversationWriter:
    """Builds the rows of one conversation."""

    def __init__(self, rows: Rows, plan: Plan, start: int, client: int, is_new: bool) -> None:
        self.rows, self.plan, self.client = rows, plan, client
        self.name = _literal(rows.clients[client - 1][0])
        self.start = self.at = start
        self.id = rows.counts["conversations"] + 1
        self.seq = self.rev = 0
        self.inbound_seq = self.read = self.epoch = 0
        self.inbound_at = self.transferred_at = self.ended_at = self.moment = NULL
        self.duration = 0
        self.menus: list[str] = []
        self.is_new = is_new
        self.first_event = rows.counts["conversation_events"] + 1

    def add(self, step: Step, gap: int) -> None:
        rows = self.rows
        self.at += gap
        self.seq += 1
        self.rev += 1
        id = rows.counts["conversation_events"] = rows.counts["conversation_events"] + 1
        moment = self.moment = rows.moment(self.at, id)
        sid = NULL
        name = self.name if step.names_client else ""
        if step.kind == "message_received":
            self.inbound_seq, self.inbound_at = self.seq, moment
            sid = f"SM{id * PRIME & MASK:032x}"
        elif not step.is_out:
            self._update_conversation(step)
        after = step.after if self.seq > 1 or not self.is_new else step.after.replace(HERE, HERE + FIRST)
        if step.has_ending:
            end = after.index("\t", 1)  # A tab in the text is escaped.
            after = after[:end] + rows.suffixes.suffix_of(id) + after[end:]
        rows.lines["conversation_events"].append(
            f"{id}\t{self.id}\t{self.seq}\t{self.rev}{step.before}{name}{after}{sid}\tf\t\\N\t{moment}\n"
        )
        if step.is_out:
            self._deliver(id, step, moment)
        if step.has_picture:
            self._receive_picture(id)

    def _update_conversation(self, step: Step) -> None:
        if step.kind == "agent_transfer":
            self.transferred_at = self.moment
        elif step.kind == "agent_takeover":
            self.epoch += 1
            self.read = self.inbound_seq
            if self.transferred_at == NULL:
                self.transferred_at = self.moment
        elif step.kind in ENDS:
            self.epoch += step.kind == "conversation_closed"
            self.ended_at, self.duration = self.moment, self.at - self.start
        elif step.menu:
            self.menus.append(step.menu)

    def _deliver(self, event: int, step: Step, moment: str) -> None:
        rows = self.rows
        id = rows.counts["message_deliveries"] = rows.counts["message_deliveries"] + 1
        outcome = rows.outcomes[id % 4_099]
        self.rev += outcome.moves
        at = self.at
        sid = f"MM{id * PRIME & MASK:032x}" if outcome.sent else NULL
        claim = (
            f"bench:1:00000000\t{moment}\t{rows.moment(at + 30, id)}" if outcome.moves else "\\N\t\\N\t\\N"
        )
        times = "\t".join(
            rows.moment(at + after, id) if happened else NULL
            for after, happened in (
                (1, outcome.sent),
                (2, outcome.delivered),
                (4, outcome.read),
                (4, outcome.failed),
            )
        )
        epoch, person = (NULL, "t") if step.by_person else (self.epoch, "f")
        error = ERROR if outcome.failed else ""
        rows.lines["message_deliveries"].append(
            f"{id}\t{event}\t{self.id}\t{outcome.state}\t{self.rev}\t\\N\t{sid}\t{epoch}\t{person}\t"
            f"{1 if outcome.moves else 0}\t{moment}\t{claim}\t\\N\t{outcome.code}\t{error}\t{outcome.reason}\t"
            f"{times}\t{moment}\n"
        )

    def _receive_picture(self, event: int) -> None:
        self.rev += 1
        id = self.rows.counts["media"] + 1
        url = f"https://api.twilio.com/2010-04-01/Accounts/AC/Messages/MM{event:032x}/Media/ME{id:032x}"
        error = "Cette pièce jointe n'existe plus."
        self.rows._row("media", id, event, 0, url, "image/jpeg", "failed", "", NULL, self.rev, error)

    def end(self) -> None:
        plan, rows = self.plan, self.rows
        is_open = plan.status in ("waiting", "held", "active")
        status = "transferred" if plan.status in ("waiting", "held") else plan.status
        read = self.inbound_seq if plan.agent and (not is_open or self.id % 2) else self.read
        columns = (
            self.id, self.client, self.client, SENDER, plan.team, status, plan.agent or NULL, self.epoch, self.seq,
            self.rev, read, self.inbound_seq, f"{self.id * PRIME & MASK:032x}",
            self.menus[-1] if self.menus else "main_menu",
            "{" + ",".join(self.menus) + "}", rows.moment(self.start, self.first_event),
            self.transferred_at, self.moment, self.inbound_at, NULL, self.ended_at,
            NULL if is_open else self.duration,
        )  # fmt: skip
        rows._row("conversations", *columns)
        if not is_open:
            self._write_execution()

    def _write_execution(self) -> None:
        """The finished execution of the flow that answered first."""
        id = self.rows.counts["flow_executions"] + 1
        moment = self.rows.moment(self.start, self.first_event)
        self.rows._row(
            "flow_executions", id, self.id, self.rows.world.revision, f"FN{id * PRIME & MASK:032x}", "{}",
            NULL, 1, self.first_event, NULL, "f", NULL, '["Trigger"]', moment, moment, "ended",
        )  # fmt: skip
