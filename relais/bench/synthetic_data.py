"""Years of a dealership's conversations, invented: rows for COPY, always the same for the same numbers.

It keeps every promise of the tables: `seq` without a gap, `rev` raised by whatever a screen shows, one open
conversation a channel, and moments that go forward.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate, chain, islice, pairwise

from relais.bench import sample_texts as said
from relais.clients.addresses import match_key

SENDER = "whatsapp:+14155238886"
DAY = 86_400
YEARS = 730 * DAY
"""How far back the first one lies."""
FRESH = 20 * 3600
"""Seconds: whatever is open was spoken in since, so that nothing of it has fallen silent."""
HANDFUL = 35
"""Conversations that the first agent holds, whatever the size: his lists are full in a small database, too."""
LONGEST = 20_000
FEWEST = 3
"""Events of a conversation: someone writes, an agent is asked for, it ends."""
CYCLE = 1 << 15
PRIME = 0x9E3779B97F4A7C15F39CC0605CEDC835
"""Odd, so that multiplying by it gives each number another one: ids that look drawn, and never meet."""
MASK = (1 << 128) - 1
NOTHING = "\\N"
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
"""The columns that are written, in the order in which they are."""


@dataclass(frozen=True)
class Step:
    """One event, but for where and when: the text of its columns before the author's name, and after it."""

    kind: str
    before: str
    after: str
    names_client: bool = False
    by_person: bool = False
    is_out: bool = False
    menu: str = ""
    has_picture: bool = False


@dataclass(frozen=True)
class Fate:
    state: str
    moves: int
    """How often `rev` was raised for it after its event."""
    sent: bool = False
    delivered: bool = False
    read: bool = False
    failed: bool = False
    code: str = NOTHING
    reason: str = ""


@dataclass
class Plan:
    """What a conversation comes to."""

    status: str
    """As the table has it, but `waiting` and `held` for what it calls transferred."""
    length: int
    last: int
    """The moment of its last event, in seconds."""
    agent: int = 0
    team: str = NOTHING


@dataclass(frozen=True)
class World:
    """What is there before: ids of the users who are agents, of the teams, and of the flow's revision."""

    agents: Sequence[tuple[int, str]]
    teams: Sequence[int]
    revision: int


def _literal(text: str) -> str:
    """As COPY's text format wants it."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def _json(value: object) -> str:
    return _literal(json.dumps(value, ensure_ascii=False))


# -- the steps of a conversation ---------------------------------------------------------------------------


def _step(kind: str, author: str, body: str = "", metadata: object = None, **more: bool | str) -> Step:
    before = f"\t{kind}\t{author}\t{NOTHING}\t"
    return Step(kind, before, f"\t{_literal(body)}\t{_json(metadata or {})}\t", **more)  # type: ignore[arg-type]


def _heard(body: str) -> Step:
    return _step("message_received", "client", body, {"bot_here": True}, names_client=True)


def _picture() -> Step:
    told = {"bot_here": True, "media": 1}
    return _step("message_received", "client", "", told, names_client=True, has_picture=True)


def _bot(body: str) -> Step:
    return _step("message_sent", "bot", body, is_out=True)


def _system(body: str) -> Step:
    return _step("message_sent", "system", body, is_out=True, by_person=True)


def _of_agent(
    agent: tuple[int, str], kind: str, body: str = "", metadata: object = None, *, speaks: bool = False
) -> Step:
    id, name = agent
    before = f"\t{kind}\tagent\t{id}\t{_literal(name)}"
    return Step(
        kind, before, f"\t{_literal(body)}\t{_json(metadata or {})}\t", by_person=speaks, is_out=speaks
    )


def _chosen(menu: str, choice: str) -> Step:
    told = {"menu_choice": menu}
    return _step("menu_choice", "client", choice, told, names_client=True, menu=menu)


def _answered(step: str, field_name: str, body: str) -> Step:
    return _step("free_input", "client", body, {"step": step, "field": field_name}, names_client=True)


@dataclass
class Scenes:
    """Steps in the order in which they follow each other, as long cycles of which a conversation takes a stretch."""

    draw: random.Random
    agents: Sequence[tuple[int, str]]
    openings: list[tuple[Step, ...]] = field(default_factory=list)
    with_bot: list[Step] = field(default_factory=list)
    alone: list[Step] = field(default_factory=list)
    with_agent: dict[int, list[Step]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        heard = [_heard(text) for text in said.CLIENT]
        bot = [_bot(text) for text in said.BOT]
        choices = {text: _heard(text) for text in said.CHOICES}
        self.openings = [
            (self.draw.choice(heard), bot[0], choices[n], _chosen(menu, n), self.draw.choice(bot[1:]))
            for menu in said.MENUS
            for n in "123"
        ]
        self.alone = [self.draw.choice(heard) for _ in range(257)]
        while len(self.with_bot) < CYCLE // 4:
            step, name = self.draw.choice(said.STEPS)
            text = self.draw.choice(said.CLIENT)
            turn = [self.draw.choice(heard), _answered(step, name, text), self.draw.choice(bot)]
            self.with_bot += turn if self.draw.random() < 0.6 else [turn[0], turn[2]]
        for agent in self.agents:
            answers = [_of_agent(agent, "agent_message", text, speaks=True) for text in said.AGENT]
            lines = self.with_agent[agent[0]] = []
            while len(lines) < 2_048:
                lines += [self.draw.choice(heard) for _ in range(self.draw.choice((1, 1, 1, 2, 3)))]
                lines += [self.draw.choice(answers) for _ in range(self.draw.choice((1, 1, 2)))]
                if self.draw.random() < 0.02:
                    lines.append(_picture())

    def of(self, plan: Plan, agent: tuple[int, str]) -> Iterator[Step]:
        """As many steps as planned; what must be there is, and the rest stands between."""
        core, tail, filler = self._frame(plan, agent)
        opening = self.draw.choice(self.openings)
        room = plan.length - 1 - len(core) - len(tail)
        first = opening[: 1 + max(0, room)]
        between = plan.length - len(first) - len(core) - len(tail)
        begin = self.draw.randrange(len(filler))
        endless = chain.from_iterable(_again(filler))
        return chain(first, core, islice(endless, begin, begin + between), tail)

    def _frame(self, plan: Plan, agent: tuple[int, str]) -> tuple[list[Step], list[Step], list[Step]]:
        asked = _step("agent_transfer", "bot", "", {"reason": self.draw.choice(said.REASONS)})
        taken = [_of_agent(agent, "agent_takeover"), _system(said.TAKEN)]
        ends = {"completed": "flow_complete", "timeout": "timeout", "abandoned": "timeout"}
        if plan.status == "held":
            return [asked, *taken] if plan.length > 5 else taken, [], self.with_agent[agent[0]]
        if plan.agent:
            closed = _of_agent(agent, "conversation_closed", metadata={"tell_client": True})
            return [asked, *taken], [closed, _system(said.CLOSED)], self.with_agent[agent[0]]
        if plan.status in ("waiting", "abandoned"):
            tail = [_step("timeout", "system")] if plan.status == "abandoned" else []
            return [asked], tail, self.alone
        tail = (
            [_step(ends[plan.status], "bot" if plan.status == "completed" else "system")]
            if plan.status in ends
            else []
        )
        return [], tail, self.with_bot


def _again(steps: list[Step]) -> Iterator[list[Step]]:
    while True:
        yield steps


# -- how many, how long, when ------------------------------------------------------------------------------


def lengths(conversations: int, events: int, draw: random.Random) -> list[int]:
    """How many events each has: a few very long, most short, all together as many as asked."""
    longest, mean = min(LONGEST, events // 10), events / conversations
    weights = [draw.lognormvariate(0, 0.9) for _ in range(conversations)]
    spare = events - FEWEST * conversations
    few = min(conversations // 20, int(longest / (20 * mean)) + 1)
    tops = [longest // rank for rank in range(1, few + 1)]
    while sum(tops) > spare // 3:
        tops.pop()
    rest = (spare - sum(tops)) / (sum(weights[len(tops) :]) or 1)
    shares = chain(tops, (weight * rest for weight in weights[len(tops) :]))
    whole = [0, *(round(total) for total in accumulate(shares))]
    found = [FEWEST + after - before for before, after in pairwise(whole)]
    found[-1] += events - sum(found)
    return found


def situations(conversations: int) -> dict[str, int]:
    """How many are open, and how: as many as fill a few pages, some hundreds at most."""
    return {
        "waiting": min(300, conversations * 9 // 100),
        "held": min(500, conversations * 12 // 100),
        "active": min(900, conversations * 18 // 100),
    }


def plans(conversations: int, events: int, world: World, now: int, draw: random.Random) -> list[Plan]:
    """All conversations, the oldest first; the longest of all is held, and was spoken in just now."""
    numbers = lengths(conversations, events, draw)
    longest, numbers = numbers[0], numbers[1:]
    draw.shuffle(numbers)
    is_open = [status for status, number in situations(conversations).items() for _ in range(number)]
    draw.shuffle(is_open)
    if "held" in is_open:
        is_open.insert(0, is_open.pop(is_open.index("held")))
    fresh = min(conversations, max(len(is_open) * 2, conversations // 160))
    made = []
    for n, length in enumerate([*numbers, longest]):
        from_end = conversations - n
        if from_end <= fresh:
            last = now - 60 - FRESH * from_end // (fresh + 1)
        else:
            age = (from_end - fresh) / (conversations - fresh + 1)
            last = now - FRESH - DAY // 4 - int(YEARS * age**1.3)
        made.append(Plan("", length, last, team=_team(world, draw)))
    for plan, status in zip(reversed(made), _spread(is_open, fresh), strict=False):
        plan.status = status or "ended"
    for plan in made:
        _settle(plan, world, draw)
    held = [plan for plan in reversed(made) if plan.status == "held"]
    for plan in held[: min(HANDFUL, len(held) // 3 + 1)]:
        plan.agent, plan.team = world.agents[0][0], NOTHING
    return made


def _team(world: World, draw: random.Random) -> str:
    return str(draw.choice(world.teams)) if draw.random() < 0.3 else NOTHING


def _spread(is_open: list[str], fresh: int) -> Iterator[str]:
    """Among the fresh ones, open and ended take turns."""
    for n in range(fresh):
        yield is_open[n // 2] if n % 2 == 0 and n // 2 < len(is_open) else ""


def _settle(plan: Plan, world: World, draw: random.Random) -> None:
    if plan.status == "held":
        plan.agent = draw.choice(world.agents)[0]
    elif plan.status in ("", "ended"):
        if plan.length >= 14 and draw.random() < 0.6:
            plan.status, plan.agent = "completed", draw.choice(world.agents)[0]
        else:
            plan.status = draw.choices(("completed", "timeout", "abandoned"), (45, 45, 10))[0]


# -- rows --------------------------------------------------------------------------------------------------

FATES = (
    [Fate("read", 4, True, True, True)] * 720
    + [Fate("delivered", 3, True, True)] * 200
    + [Fate("sent", 2, True)] * 73
    + [Fate("failed", 3, True, failed=True, code="63016", reason="")] * 4
    + [Fate("failed", 2, failed=True, code="63003", reason="")] * 2
    + [Fate("refused", 0, reason="window_closed")]
)
ERROR = "Ce message n'est pas arrivé."


class Rows:
    """Writes conversations one after the other; `lines` holds the rows of each table until they are taken."""

    def __init__(self, world: World, draw: random.Random) -> None:
        self.world = world
        self.draw = draw
        self.agents = dict(world.agents)
        self.scenes = Scenes(draw, world.agents)
        self.lines: dict[str, list[str]] = {table: [] for table in TABLES}
        self.clients: list[tuple[str, int]] = []
        """Of each: the name on WhatsApp, and when its last conversation ended, 0 for never again."""
        self.counts = dict.fromkeys(TABLES, 0)
        self.gaps = [5 + int(draw.expovariate(1 / 70)) % 1_500 for _ in range(CYCLE)]
        self.elapsed = [0, *accumulate(self.gaps)]
        self.fates = [draw.choice(FATES) for _ in range(4_099)]
        self.seconds = [f" {s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}." for s in range(DAY)]
        self.days: dict[int, str] = {}

    def take(self) -> dict[str, str]:
        taken = {table: "".join(lines) for table, lines in self.lines.items()}
        for lines in self.lines.values():
            lines.clear()
        return taken

    def moment(self, second: int, id: int) -> str:
        day, rest = divmod(second, DAY)
        if day not in self.days:
            self.days[day] = datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d")
        return f"{self.days[day]}{self.seconds[rest]}{id % 1_000_000:06}+00"

    def add(self, plan: Plan) -> None:
        offset = self.draw.randrange(max(1, CYCLE - plan.length))
        start = plan.last - (self.elapsed[offset + plan.length - 1] - self.elapsed[offset])
        client, is_new = self._client_of(plan, start)
        told = Told(self, plan, start, client, is_new)
        for step, gap in zip(
            self.scenes.of(plan, (plan.agent, self.agents.get(plan.agent, ""))),
            chain((0,), islice(self.gaps, offset, None)),
            strict=False,
        ):
            told.add(step, gap)
        told.end()

    # -- clients -------------------------------------------------------------------------------------------

    def _client_of(self, plan: Plan, start: int) -> tuple[int, bool]:
        """Someone who wrote before, if he is free, or someone new."""
        is_open = plan.status in ("waiting", "held", "active")
        if self.clients and self.draw.random() < 0.4:
            id = 1 + int(len(self.clients) * self.draw.random() ** 0.5)
            name, ended = self.clients[id - 1]
            if 0 < ended < start:
                self.clients[id - 1] = (name, 0 if is_open else plan.last)
                return id, False
        name = self._new_client(len(self.clients) + 1, start)
        self.clients.append((name, 0 if is_open else plan.last))
        return len(self.clients), True

    def _new_client(self, id: int, start: int) -> str:
        draw = self.draw
        first, last = draw.choice(said.FIRST_NAMES), draw.choice(said.LAST_NAMES)
        luck = draw.random()
        profile = (
            first if luck < 0.4 else f"{first} {last}" if luck < 0.75 else draw.choice(said.ARABIC_NAMES)
        )
        if luck > 0.95:
            profile = draw.choice(said.NICKNAMES)
        full = f"{first} {last}" if draw.random() < 0.6 else ""
        vin = f"W1K{id * PRIME % 10**14:014}" if full and luck < 0.5 else ""
        card = f"VIP-{id * 7919 % 10**6:06}" if full and luck < 0.15 else ""
        email = f"client{id}@example.com" if full and luck < 0.6 else ""
        known = "t" if vin else "f" if luck > 0.9 else NOTHING
        moment = self.moment(start, id)
        self._row("clients", id, full, profile, email, vin, card, known, "{}", moment)
        number = _number(id)
        address = f"whatsapp:{number}"
        self._row("client_addresses", id, id, address, match_key(address), number, NOTHING, moment)
        return profile

    def _row(self, table: str, *columns: object) -> None:
        self.lines[table].append("\t".join(map(str, columns)) + "\n")
        self.counts[table] += 1


def _number(id: int) -> str:
    """Two of three in Morocco, the others in Ivory Coast; no two the same."""
    drawn = id * 61_803_399 % 100_000_000
    return f"+22507{drawn:08}" if id % 3 == 0 else f"+2126{drawn:08}"


class Told:
    """One conversation while it is written."""

    def __init__(self, rows: Rows, plan: Plan, start: int, client: int, is_new: bool) -> None:
        self.rows, self.plan, self.client = rows, plan, client
        self.name = _literal(rows.clients[client - 1][0])
        self.start = self.at = start
        self.id = rows.counts["conversations"] + 1
        self.seq = self.rev = 0
        self.heard = self.read = self.epoch = 0
        self.heard_at = self.transferred_at = self.ended_at = self.moment = NOTHING
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
        sid = NOTHING
        name = self.name if step.names_client else ""
        if step.kind == "message_received":
            self.heard, self.heard_at = self.seq, moment
            sid = f"SM{id * PRIME & MASK:032x}"
        elif not step.is_out:
            self._note(step)
        after = step.after if self.seq > 1 or not self.is_new else step.after.replace(HERE, HERE + FIRST)
        rows.lines["conversation_events"].append(
            f"{id}\t{self.id}\t{self.seq}\t{self.rev}{step.before}{name}{after}{sid}\tf\t\\N\t{moment}\n"
        )
        if step.is_out:
            self._deliver(id, step, moment)
        if step.has_picture:
            self._receive_picture(id)

    def _note(self, step: Step) -> None:
        if step.kind == "agent_transfer":
            self.transferred_at = self.moment
        elif step.kind == "agent_takeover":
            self.epoch += 1
            self.read = self.heard
            if self.transferred_at == NOTHING:
                self.transferred_at = self.moment
        elif step.kind in ENDS:
            self.epoch += step.kind == "conversation_closed"
            self.ended_at, self.duration = self.moment, self.at - self.start
        elif step.menu:
            self.menus.append(step.menu)

    def _deliver(self, event: int, step: Step, moment: str) -> None:
        rows = self.rows
        id = rows.counts["message_deliveries"] = rows.counts["message_deliveries"] + 1
        fate = rows.fates[id % 4_099]
        self.rev += fate.moves
        at = self.at
        sid = f"MM{id * PRIME & MASK:032x}" if fate.sent else NOTHING
        claim = f"bench:1:00000000\t{moment}\t{rows.moment(at + 30, id)}" if fate.moves else "\\N\t\\N\t\\N"
        times = "\t".join(
            rows.moment(at + after, id) if happened else NOTHING
            for after, happened in ((1, fate.sent), (2, fate.delivered), (4, fate.read), (4, fate.failed))
        )
        epoch, person = (NOTHING, "t") if step.by_person else (self.epoch, "f")
        error = ERROR if fate.failed else ""
        rows.lines["message_deliveries"].append(
            f"{id}\t{event}\t{self.id}\t{fate.state}\t{self.rev}\t\\N\t{sid}\t{epoch}\t{person}\t"
            f"{1 if fate.moves else 0}\t{moment}\t{claim}\t\\N\t{fate.code}\t{error}\t{fate.reason}\t"
            f"{times}\t{moment}\n"
        )

    def _receive_picture(self, event: int) -> None:
        self.rev += 1
        id = self.rows.counts["media"] + 1
        url = f"https://api.twilio.com/2010-04-01/Accounts/AC/Messages/MM{event:032x}/Media/ME{id:032x}"
        gone = "Cette pièce jointe n'existe plus."
        self.rows._row("media", id, event, 0, url, "image/jpeg", "failed", "", NOTHING, self.rev, gone)

    def end(self) -> None:
        plan, rows = self.plan, self.rows
        is_open = plan.status in ("waiting", "held", "active")
        status = "transferred" if plan.status in ("waiting", "held") else plan.status
        read = self.heard if plan.agent and (not is_open or self.id % 2) else self.read
        columns = (
            self.id, self.client, self.client, SENDER, plan.team, status, plan.agent or NOTHING, self.epoch, self.seq,
            self.rev, read, self.heard, f"{self.id * PRIME & MASK:032x}", self.menus[-1] if self.menus else "main_menu",
            "{" + ",".join(self.menus) + "}", rows.moment(self.start, self.first_event),
            self.transferred_at, self.moment, self.heard_at, NOTHING, self.ended_at,
            NOTHING if is_open else self.duration,
        )  # fmt: skip
        rows._row("conversations", *columns)
        if not is_open:
            self._run_of_the_bot()

    def _run_of_the_bot(self) -> None:
        """The flow that answered first, long over."""
        id = self.rows.counts["flow_executions"] + 1
        moment = self.rows.moment(self.start, self.first_event)
        self.rows._row(
            "flow_executions", id, self.id, self.rows.world.revision, f"FN{id * PRIME & MASK:032x}", "{}",
            NOTHING, 1, self.first_event, NOTHING, "f", NOTHING, '["Trigger"]', moment, moment, "ended",
        )  # fmt: skip
