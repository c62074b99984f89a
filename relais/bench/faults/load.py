"""The steady load: clients write, the bot repeats what they say, agents hold conversations and write, take over,
hand back. A click whose answer was lost is made again, with the same `ref`, as the page does."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
import requests

from relais.bench.desk import Person
from relais.bench.faults.testbed import Stage
from relais.emulator.testing import wait_for

PER_SECOND, AT_LEAST = 100, 25.0
"""Messages in both directions, and seconds that the load is spread over when they are few."""
MOST_WAITING = 150
"""Messages in the outbox, on their way at the double or before the bot, from which on the load waits."""
CLICK_PATIENCE = 180.0
SETTLED_IN = 120.0


@dataclass(frozen=True)
class Click:
    """A text that an agent wrote, and the desk's last word about it: 200, or why not; 0 when it never answered."""

    conversation: int
    agent: str
    status: int


@dataclass
class Cast:
    """The conversations, by who answers in them."""

    bot: list[str] = field(default_factory=list)
    held: dict[str, list[int]] = field(default_factory=dict)
    """By the agent who holds them from beginning to end."""
    moving: list[int] = field(default_factory=list)
    """Taken over and handed back again and again."""
    clients: list[str] = field(default_factory=list)


def opened(stage: Stage, conversations: int) -> Cast:
    """Every client writes once, and the agents take theirs over: half are the bot's, a third held, the rest moves."""
    clients = [f"whatsapp:+2126{n:08d}" for n in range(conversations)]
    for client in clients:
        stage.twilio.post("inbound", {"from": client, "body": "bonjour", "name": f"Client {client[-4:]}"})
    known = "select a.address, c.id from conversations c join client_addresses a on a.id = c.address_id"
    wait_for(lambda: len(stage.desk.ask(known)) == conversations, SETTLED_IN, "the conversations to open")
    number = dict(stage.desk.ask(known))
    half, third = conversations // 2, conversations // 3
    cast = Cast(bot=clients[:half], clients=clients)
    agents = list(stage.people)
    cast.held = {agent: [] for agent in agents}
    for n, client in enumerate(clients[half : half + third]):
        agent = agents[n % len(agents)]
        answer = stage.people[agent].does("take-over", number[client])
        if answer.status_code != 200:
            raise RuntimeError(f"take-over: {answer.status_code}")
        cast.held[agent].append(number[client])
    cast.moving = [number[client] for client in clients[half + third :]]
    return cast


class Load:
    def __init__(self, stage: Stage, cast: Cast, *, messages: int, seed: int) -> None:
        self.stage = stage
        self.cast = cast
        self.seed = seed
        self.clicks: dict[str, Click] = {}
        """By ref."""
        self.repeated = 0
        self.errors: list[str] = []
        self._inbound = max(1, messages // 2 - len(cast.clients))
        self._texts = iter(range(messages // 4))
        span = max(AT_LEAST, messages / PER_SECOND)
        self._pause = {
            "client": span / self._inbound,
            "agent": span * len(stage.people) / max(1, messages // 4),
        }
        self._turn = threading.Lock()
        self._breathes = threading.Event()
        self._breathes.set()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._watch, name="load watch")]
        self._writers = [threading.Thread(target=self._clients_write, name="clients")]
        self._writers += [
            threading.Thread(target=self._agent_writes, args=(agent,), name=agent) for agent in stage.people
        ]

    def start(self) -> None:
        # The writers first: who watches that they do not go too fast stops when none of them is at work.
        for thread in (*self._writers, *self._threads):
            thread.start()

    @property
    def runs(self) -> bool:
        return any(thread.is_alive() for thread in self._writers)

    def stop(self) -> None:
        """Breaks off what is not finished."""
        self._over.set()
        self._breathes.set()
        for thread in (*self._writers, *self._threads):
            if thread.ident is not None:
                thread.join()

    # -- clients ------------------------------------------------------------------------------------------

    def _clients_write(self) -> None:
        chance = random.Random(f"{self.seed} clients")  # noqa: S311
        for n in range(self._inbound):
            if not self._goes_on("client", chance):
                return
            client = chance.choice(self.cast.clients)
            self._write(client, f"m{n}")

    def _write(self, client: str, body: str) -> None:
        """Twice only if the double itself did not answer, which is not what is tried here."""
        while not self._over.is_set():
            try:
                self.stage.twilio.post("inbound", {"from": client, "body": body})
                return
            except requests.RequestException as error:
                self.errors.append(f"the double did not take {body}: {type(error).__name__}")
                time.sleep(0.5)

    # -- agents -------------------------------------------------------------------------------------------

    def _agent_writes(self, agent: str) -> None:
        chance = random.Random(f"{self.seed} {agent}")  # noqa: S311
        person, held = self.stage.people[agent], self.cast.held[agent]
        for ref in self._refs(agent, chance):
            if chance.random() < 0.85 or not self.cast.moving:
                self._say(person, agent, chance.choice(held), ref)
                continue
            conversation = chance.choice(self.cast.moving)
            self._insist(person, "take-over", conversation)
            self._say(person, agent, conversation, ref)
            if chance.random() < 0.7:
                self._insist(person, "hand-back", conversation)

    def _refs(self, agent: str, chance: random.Random) -> Iterator[str]:
        while self._goes_on("agent", chance):
            with self._turn:
                n = next(self._texts, None)
            if n is None:
                return
            yield f"{agent.partition('@')[0]}-{n}"

    def _say(self, person: Person, agent: str, conversation: int, ref: str) -> None:
        status = self._insist(person, "send", conversation, message=f"a {ref}", ref=ref)
        self.clicks[ref] = Click(conversation, agent, status)

    def _insist(self, person: Person, verb: str, conversation: int, **fields: str) -> int:
        """Until there is an answer; 0 when there never was one."""
        until = time.monotonic() + CLICK_PATIENCE
        while time.monotonic() < until and not self._over.is_set():
            with suppress(requests.RequestException):
                answer = person.does(verb, conversation, **fields)
                if answer.status_code < 500:
                    return answer.status_code
                if answer.status_code != 503:
                    self.errors.append(f"{verb} was answered {answer.status_code}")
            self.repeated += 1
            self._over.wait(0.3)
        return 0

    # -- not faster than it goes --------------------------------------------------------------------------

    def _goes_on(self, who: str, chance: random.Random) -> bool:
        self._over.wait(self._pause[who] * chance.uniform(0, 2))
        self._breathes.wait()
        return not self._over.is_set()

    def _watch(self) -> None:
        while not self._over.is_set() and self.runs:
            with suppress(psycopg.Error, requests.RequestException):
                under_way = self.stage.twilio.get("state")["under_way"]
                waiting = max(int(under_way), self.stage.waiting)
                (self._breathes.clear if waiting > MOST_WAITING else self._breathes.set)()
            self._over.wait(0.25)
        self._breathes.set()
