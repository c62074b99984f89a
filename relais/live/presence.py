"""Who is on which conversation, and what they do there: ephemeral, in no table, shared by NOTIFY between processes.

A page reports its activity over its socket every few seconds. Each process notifies the activities of its own sockets,
per conversation and only when they change; what is not heard again in time expires, with its socket or its process.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from relais.live.frames import presence
from relais.live.pool import Pool, borrow
from relais.live.socket import LiveSocket

CHANNEL = "presence"
ACTIVITY = re.compile(r"[a-z]{1,16}", re.ASCII)
MAX_MESSAGE_CHARACTERS = 200
MAX_MESSAGES, MAX_MESSAGES_INTERVAL_SECONDS = 10, 5.0
"""What one socket may report; the rest is ignored."""
ACTIVITY_TIMEOUT_SECONDS = 8.0
"""A page repeats its activity every three seconds, as long as it is visible."""
PROCESS_HEARTBEAT_SECONDS, PROCESS_TIMEOUT_SECONDS = 4.0, 12.0
BROADCAST_INTERVAL_SECONDS = 0.2
MAX_VIEWERS = 20
"""Of one conversation in one process: bounds the payload of a notification, which PostgreSQL limits to 8,000 bytes."""
MAX_NAME_CHARACTERS = 80

Viewers: TypeAlias = tuple[tuple[int, str, str], ...]
"""Id, name and activity of each viewer."""
OnActivity: TypeAlias = Callable[[int, int, str], None]


@dataclass
class SocketActivity:
    conversation: int
    activity: str = ""
    reported_at: float = 0.0
    window_start: float = 0.0
    messages_in_window: int = 0
    is_greeted: bool = False
    """Whether it was sent who was there when its page was opened."""

    def count_message(self, now: float) -> bool:
        """Whether this message is within the rate limit."""
        if now - self.window_start >= MAX_MESSAGES_INTERVAL_SECONDS:
            self.window_start, self.messages_in_window = now, 0
        self.messages_in_window += 1
        return self.messages_in_window <= MAX_MESSAGES


@dataclass
class ProcessPresence:
    """What another process, or this one, last notified."""

    heard_at: float
    viewers: dict[int, Viewers] = field(default_factory=dict)
    """By conversation; none is empty."""


class Presence:
    def __init__(
        self,
        process: str,
        pool: Pool,
        sockets_of: Callable[[int], Iterable[LiveSocket]],
        tell_lists: Callable[[int, Mapping[int, str]], None],
        on_activity: OnActivity,
    ) -> None:
        """`sockets_of` gives the open sockets of a conversation in this process; `tell_lists` takes its viewers.

        `on_activity` is called for each report, repeated ones included: viewer, conversation and activity.
        """
        self.tell_lists = tell_lists
        self.on_activity = on_activity
        self.process = process
        self.pool = pool
        self.sockets_of = sockets_of
        self.activities: dict[LiveSocket, SocketActivity] = {}
        self.notified: dict[int, Viewers] = {}
        """By conversation: what other processes were last told."""
        self.processes: dict[str, ProcessPresence] = {}
        self.changed: set[int] = set()
        """Conversations whose notification is due."""
        self.heartbeat_at = 0.0
        self.wake = asyncio.Event()

    # -- sockets of this process ----------------------------------------------------------------------------

    def join(self, socket: LiveSocket, conversation: int) -> None:
        """The socket may report from now on."""
        self.activities[socket] = SocketActivity(conversation)
        socket.on_message = lambda text: self.on_message(socket, text)

    def leave(self, socket: LiveSocket) -> None:
        if activity := self.activities.pop(socket, None):
            self._mark_changed(activity.conversation)

    def on_message(self, socket: LiveSocket, text: str) -> None:
        """A report, `{"activity": "…"}`; an empty one ends it. Anything else is ignored."""
        state, now = self.activities.get(socket), time.monotonic()
        if state is None or not state.count_message(now):
            return
        activity = _parse_activity(text)
        if activity is None:
            return
        state.reported_at = now
        if activity:
            self.on_activity(socket.viewer.id, state.conversation, activity)
        if activity != state.activity:
            state.activity = activity
            self._mark_changed(state.conversation)
        if not state.is_greeted:
            state.is_greeted = True
            if viewers := self._viewers(state.conversation):
                socket.push_ephemeral(presence(state.conversation, viewers))

    def _mark_changed(self, conversation: int) -> None:
        self.changed.add(conversation)
        self.wake.set()

    def _own_viewers(self, conversation: int) -> Viewers:
        viewers = {
            (socket.viewer.id, socket.viewer.name[:MAX_NAME_CHARACTERS], state.activity)
            for socket, state in self.activities.items()
            if state.conversation == conversation and state.activity
        }
        return tuple(sorted(viewers)[:MAX_VIEWERS])

    # -- notifying --------------------------------------------------------------------------------------------

    async def notify_changes(self) -> None:
        """Wait for changes, and notify them to all processes, this one included."""
        await self.wake.wait()
        self.wake.clear()
        changed, self.changed = self.changed, set()
        payloads = []
        for conversation in changed:
            viewers = self._own_viewers(conversation)
            if viewers != self.notified.get(conversation, ()):
                payloads.append(self._payload(conversation, viewers))
                self.notified[conversation] = viewers
                if not viewers:
                    del self.notified[conversation]
        try:
            await self._notify(payloads)
        except Exception:
            self.on_connect()
            raise
        await asyncio.sleep(BROADCAST_INTERVAL_SECONDS)

    def on_connect(self) -> None:
        """Notifications may have been lost: this process repeats its own, and asks the others to do so."""
        self.changed |= {*self.notified, *(state.conversation for state in self.activities.values())}
        self.notified.clear()
        self.heartbeat_at = 0.0
        self.wake.set()

    async def expire(self) -> None:
        """Each second: forget what was not reported again, and other processes that are gone."""
        await asyncio.sleep(1)
        now = time.monotonic()
        for state in self.activities.values():
            if state.activity and now - state.reported_at > ACTIVITY_TIMEOUT_SECONDS:
                state.activity = ""
                self._mark_changed(state.conversation)
        for process, state_of_process in [*self.processes.items()]:
            if process != self.process and now - state_of_process.heard_at > PROCESS_TIMEOUT_SECONDS:
                del self.processes[process]
                self._broadcast(state_of_process.viewers)
        if self.notified and now - self.heartbeat_at >= PROCESS_HEARTBEAT_SECONDS:
            self.heartbeat_at = now
            await self._notify([json.dumps({"process": self.process})])

    def _payload(self, conversation: int, viewers: Viewers) -> str:
        fields = {"process": self.process, "conversation": conversation, "viewers": viewers}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))

    async def _notify(self, payloads: list[str]) -> None:
        if payloads:
            async with borrow(self.pool) as db:
                await db.execute(
                    "select pg_notify(%s, payload) from unnest(%s::text[]) as t(payload)", [CHANNEL, payloads]
                )

    # -- listening --------------------------------------------------------------------------------------------

    def on_notify(self, payload: str) -> None:
        fields = json.loads(payload)
        process = self.processes.setdefault(fields["process"], ProcessPresence(0.0))
        is_new = process.heard_at == 0.0
        process.heard_at = time.monotonic()
        if is_new and fields["process"] != self.process:
            self._repeat_to_new_process()
        if "conversation" not in fields:
            return
        conversation = int(fields["conversation"])
        viewers: Viewers = tuple(
            (int(id), str(name), str(activity)) for id, name, activity in fields["viewers"]
        )
        if viewers:
            process.viewers[conversation] = viewers
        else:
            process.viewers.pop(conversation, None)
        self._broadcast([conversation])

    def _repeat_to_new_process(self) -> None:
        self.changed |= self.notified.keys()
        self.notified.clear()
        if self.changed:
            self.wake.set()

    def _broadcast(self, conversations: Iterable[int]) -> None:
        for conversation in conversations:
            viewers = self._viewers(conversation)
            self.tell_lists(conversation, {each["id"]: each["name"] for each in viewers})
            frame = presence(conversation, viewers)
            for socket in self.sockets_of(conversation):
                socket.push_ephemeral(frame)

    def _viewers(self, conversation: int) -> list[Mapping[str, Any]]:
        """Of all processes. A viewer with several pages is one, with all his activities."""
        activities: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
        for process in self.processes.values():
            for id, name, activity in process.viewers.get(conversation, ()):
                activities[id, name].add(activity)
        return [
            {"id": id, "name": name, "activities": sorted(activities[id, name])}
            for id, name in sorted(activities)
        ]


def _parse_activity(text: str) -> str | None:
    """Empty when it ends; None if the message is malformed."""
    if len(text) > MAX_MESSAGE_CHARACTERS:
        return None
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    activity = message.get("activity") if isinstance(message, dict) else None
    if not isinstance(activity, str) or (activity and not ACTIVITY.fullmatch(activity)):
        return None
    return activity
