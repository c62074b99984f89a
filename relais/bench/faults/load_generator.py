"""The steady load: clients write, the bot echoes them, agents write, take over and hand back.

A request whose response was lost is repeated with the same `ref` (idempotency key), as the page does."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
import requests

from relais.bench.faults.testbed import Testbed
from relais.bench.instance import SignedInUser
from relais.emulator.testing import wait_for

MESSAGES_PER_SECOND, MIN_DURATION_SECONDS = 100, 25.0
"""The rate in both directions; few messages are spread over the minimum duration."""
MAX_BACKLOG = 150
"""Messages in the outbox, under way at the double or before the bot: above it the load pauses."""
CLICK_TIMEOUT_SECONDS = 180.0
OPEN_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Click:
    """An agent's text and the last status code: 200, a refusal, or 0 without any response."""

    conversation: int
    agent: str
    status: int


@dataclass
class Conversations:
    """The conversations by who answers in them."""

    bot: list[str] = field(default_factory=list)
    held: dict[str, list[int]] = field(default_factory=dict)
    """By the agent who holds them throughout."""
    moving: list[int] = field(default_factory=list)
    """Taken over and handed back repeatedly."""
    clients: list[str] = field(default_factory=list)


def open_conversations(testbed: Testbed, conversations: int) -> Conversations:
    """Let each client write once and agents take over theirs: half stay with the bot, a third are held."""
    clients = [f"whatsapp:+2126{n:08d}" for n in range(conversations)]
    for client in clients:
        testbed.twilio.post("inbound", {"from": client, "body": "bonjour", "name": f"Client {client[-4:]}"})
    known = "select a.address, c.id from conversations c join client_addresses a on a.id = c.address_id"
    wait_for(
        lambda: len(testbed.desk.query(known)) == conversations,
        OPEN_TIMEOUT_SECONDS,
        "the conversations to open",
    )
    number = dict(testbed.desk.query(known))
    half, third = conversations // 2, conversations // 3
    conversations_by_role = Conversations(bot=clients[:half], clients=clients)
    agents = list(testbed.users)
    conversations_by_role.held = {agent: [] for agent in agents}
    for n, client in enumerate(clients[half : half + third]):
        agent = agents[n % len(agents)]
        answer = testbed.users[agent].post_action("take-over", number[client])
        if answer.status_code != 200:
            raise RuntimeError(f"take-over: {answer.status_code}")
        conversations_by_role.held[agent].append(number[client])
    conversations_by_role.moving = [number[client] for client in clients[half + third :]]
    return conversations_by_role


class LoadGenerator:
    def __init__(
        self, testbed: Testbed, conversations_by_role: Conversations, *, messages: int, seed: int
    ) -> None:
        self.testbed = testbed
        self.conversations_by_role = conversations_by_role
        self.seed = seed
        self.clicks: dict[str, Click] = {}
        """By ref."""
        self.repeated = 0
        self.errors: list[str] = []
        self._inbound = max(1, messages // 2 - len(conversations_by_role.clients))
        self._texts = iter(range(messages // 4))
        span = max(MIN_DURATION_SECONDS, messages / MESSAGES_PER_SECOND)
        self._pause = {
            "client": span / self._inbound,
            "agent": span * len(testbed.users) / max(1, messages // 4),
        }
        self._texts_lock = threading.Lock()
        self._may_continue = threading.Event()
        self._may_continue.set()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._limit_backlog, name="load watch")]
        self._writers = [threading.Thread(target=self._run_clients, name="clients")]
        self._writers += [
            threading.Thread(target=self._run_agent, args=(agent,), name=agent) for agent in testbed.users
        ]

    def start(self) -> None:
        # The writers first: the backlog limiter ends when no writer is alive.
        for thread in (*self._writers, *self._threads):
            thread.start()

    @property
    def runs(self) -> bool:
        return any(thread.is_alive() for thread in self._writers)

    def stop(self) -> None:
        """Abort unfinished work."""
        self._stopping.set()
        self._may_continue.set()
        for thread in (*self._writers, *self._threads):
            if thread.ident is not None:
                thread.join()

    # -- clients ------------------------------------------------------------------------------------------

    def _run_clients(self) -> None:
        rng = random.Random(f"{self.seed} clients")  # noqa: S311
        for n in range(self._inbound):
            if not self._pause_and_continue("client", rng):
                return
            client = rng.choice(self.conversations_by_role.clients)
            self._write(client, f"m{n}")

    def _write(self, client: str, body: str) -> None:
        """Repeat only when the double itself did not answer, which is not under test here."""
        while not self._stopping.is_set():
            try:
                self.testbed.twilio.post("inbound", {"from": client, "body": body})
                return
            except requests.RequestException as error:
                self.errors.append(f"the double did not take {body}: {type(error).__name__}")
                time.sleep(0.5)

    # -- agents -------------------------------------------------------------------------------------------

    def _run_agent(self, agent: str) -> None:
        rng = random.Random(f"{self.seed} {agent}")  # noqa: S311
        person, held = self.testbed.users[agent], self.conversations_by_role.held[agent]
        for ref in self._next_refs(agent, rng):
            if rng.random() < 0.85 or not self.conversations_by_role.moving:
                self.log_progress(person, agent, rng.choice(held), ref)
                continue
            conversation = rng.choice(self.conversations_by_role.moving)
            self._post_until_answered(person, "take-over", conversation)
            self.log_progress(person, agent, conversation, ref)
            if rng.random() < 0.7:
                self._post_until_answered(person, "hand-back", conversation)

    def _next_refs(self, agent: str, rng: random.Random) -> Iterator[str]:
        while self._pause_and_continue("agent", rng):
            with self._texts_lock:
                n = next(self._texts, None)
            if n is None:
                return
            yield f"{agent.partition('@')[0]}-{n}"

    def log_progress(self, person: SignedInUser, agent: str, conversation: int, ref: str) -> None:
        status = self._post_until_answered(person, "send", conversation, message=f"a {ref}", ref=ref)
        self.clicks[ref] = Click(conversation, agent, status)

    def _post_until_answered(self, person: SignedInUser, verb: str, conversation: int, **fields: str) -> int:
        """Repeat until there is a final response; 0 without any."""
        until = time.monotonic() + CLICK_TIMEOUT_SECONDS
        while time.monotonic() < until and not self._stopping.is_set():
            with suppress(requests.RequestException):
                answer = person.post_action(verb, conversation, **fields)
                if answer.status_code < 500:
                    return answer.status_code
                if answer.status_code != 503:
                    self.errors.append(f"{verb} was answered {answer.status_code}")
            self.repeated += 1
            self._stopping.wait(0.3)
        return 0

    # -- backpressure -------------------------------------------------------------------------------------

    def _pause_and_continue(self, who: str, rng: random.Random) -> bool:
        self._stopping.wait(self._pause[who] * rng.uniform(0, 2))
        self._may_continue.wait()
        return not self._stopping.is_set()

    def _limit_backlog(self) -> None:
        while not self._stopping.is_set() and self.runs:
            with suppress(psycopg.Error, requests.RequestException):
                under_way = self.testbed.twilio.get("state")["under_way"]
                backlog = max(int(under_way), self.testbed.backlog)
                (self._may_continue.clear if backlog > MAX_BACKLOG else self._may_continue.set)()
            self._stopping.wait(0.25)
        self._may_continue.set()
