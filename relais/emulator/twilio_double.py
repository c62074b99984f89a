"""The double itself: what it remembers, and what happens to a message in each direction."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from relais.emulator import inbound_webhook
from relais.emulator.callbacks import Callbacks
from relais.emulator.change_counter import Changes
from relais.emulator.clock import Clock
from relais.emulator.demo_clients import People
from relais.emulator.executions import Executions
from relais.emulator.faults import Faults, Rule
from relais.emulator.media import LARGEST, Media, MediaShelf
from relais.emulator.messages import Message, MessageLog
from relais.emulator.send_validation import Outgoing
from relais.emulator.session_windows import Windows
from relais.emulator.settings import Settings
from relais.emulator.sids import new_sid
from relais.emulator.webhooks import Webhooks

OUTSIDE_WINDOW = 63016
MEDIA_FAILED = 63019


class Double:
    """Lives on one event loop; nothing of it may be touched from another thread."""

    def __init__(self, settings: Settings, faults: Iterable[Rule | dict[str, Any]] = ()) -> None:
        self.settings = settings
        self.clock = Clock()
        self.faults = Faults(faults, settings.seed)
        self.changes = Changes()
        self.people = People()
        self.webhooks = Webhooks(settings)
        self.requests: dict[str, int] = {}
        """How many calls of each operation came in, refused ones included."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.forget()

    def forget(self) -> None:
        """Everything said is forgotten; people, settings and faults stay."""
        settings = self.settings
        self.messages = MessageLog(lambda: settings.keep_messages)
        self.media = MediaShelf(lambda: settings.keep_media_bytes)
        self.executions = Executions()
        self.windows = Windows()
        self.requests.clear()
        self._handed = 0
        self._unread: dict[str, Callbacks] = {}
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.changes.boot = new_sid("BO")
        self.changes.mark()

    def count(self, operation: str) -> None:
        self.requests[operation] = self.requests.get(operation, 0) + 1

    # The company writes.

    def accept(self, outgoing: Outgoing) -> Message:
        """Twilio took it: from here on it goes its way, whatever becomes of the answer to the caller."""
        now = self.clock.now()
        message = Message(
            sid=new_sid("MM" if outgoing.media_urls else "SM"),
            account=self.settings.account_sid,
            inbound=False,
            client=outgoing.to,
            sender=outgoing.from_ or self.settings.sender_of_only_number(),
            body="" if outgoing.content_sid else outgoing.body,
            status="accepted" if outgoing.messaging_service else "queued",
            created_at=now,
            updated_at=now,
            status_callback=outgoing.status_callback,
            messaging_service=outgoing.messaging_service,
            content_sid=outgoing.content_sid,
            content_variables=outgoing.content_variables,
        )
        message.media = [Media(new_sid("ME"), "", "", now, url) for url in outgoing.media_urls]
        self.messages.add(message)
        self._changed(message)
        # Its fate is settled now; the clock and the rules may change before it goes its way.
        telling = Callbacks(message, self.faults, self.webhooks, self.settings)
        self._start(self._carry(message, telling, self._coming_error(message)))
        return message

    async def _carry(self, message: Message, telling: Callbacks, error: tuple[int, str] | None) -> None:
        if message.messaging_service:
            self._move(message, "queued", telling)
        if not error and not await self._load_media(message):
            error = (MEDIA_FAILED, "failed")
        await asyncio.sleep(self.settings.sent_after_ms / 1000)
        if error:
            message.error_code, status = error
            message.sent_at = self.clock.now() if status == "undelivered" else None
            self._move(message, status, telling)
            return
        message.sent_at = self.clock.now()
        self._move(message, "sent", telling)
        await asyncio.sleep(self.settings.delivered_after_ms / 1000)
        self._keep_until_read(message, telling)
        self._move(message, "delivered", telling)
        if self.settings.read_after_ms is not None:
            await asyncio.sleep(self.settings.read_after_ms / 1000)
            self.read([message.sid])

    def _coming_error(self, message: Message) -> tuple[int, str] | None:
        rule = self.faults.strike(
            "create", ["error"], to=message.to, body=message.body, **{"from": message.from_}
        )
        if rule:
            return rule.code, rule.status or "undelivered"
        settings, now = self.settings, self.clock.now()
        if not settings.enforce_window or message.content_sid:
            return None
        is_open = self.windows.is_open(message.client, message.sender, now, settings.window_hours)
        forgotten = settings.lenient_window and not self.windows.knows(message.client, message.sender)
        return None if is_open or forgotten else (OUTSIDE_WINDOW, "undelivered")

    async def _load_media(self, message: Message) -> bool:
        """Fetches what is to be sent, as Twilio does before it sends."""
        for place, wanted in enumerate(message.media):
            found = await self.webhooks.fetch(wanted.url, LARGEST)
            if found:
                loaded = self.media.put(*found, self.clock.now())
                loaded.url = wanted.url
                message.media[place] = loaded
            elif not self.settings.lenient_media:
                return False
        return True

    def _move(self, message: Message, status: str, telling: Callbacks) -> None:
        message.status = status
        message.updated_at = self.clock.now()
        self._changed(message)
        self._start(self._tell(message, status, telling))

    async def _tell(self, message: Message, status: str, telling: Callbacks) -> None:
        await telling.tell(status)
        self._changed(message)

    def read(self, sids: Iterable[str]) -> int:
        """The client has seen these messages."""
        seen = 0
        for sid in sids:
            message = self.messages.get(sid)
            telling = self._unread.pop(sid, None)
            if message and telling and message.status == "delivered":
                self._move(message, "read", telling)
                seen += 1
        return seen

    def _keep_until_read(self, message: Message, telling: Callbacks) -> None:
        self._unread[message.sid] = telling
        while len(self._unread) > self.settings.keep_messages:
            del self._unread[next(iter(self._unread))]

    # A client writes.

    def receive(
        self,
        client: str,
        body: str,
        *,
        sender: str = "",
        profile_name: str = "",
        media: Media | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> Message:
        now = self.clock.now()
        message = Message(
            sid=new_sid("MM" if media else "SM"),
            account=self.settings.account_sid,
            inbound=True,
            client=client,
            sender=sender or self.settings.sender_of_only_number(),
            body=body,
            status="received",
            created_at=now,
            updated_at=now,
            sent_at=now,
        )
        if media:
            base = f"https://api.twilio.com/2010-04-01/Accounts/{message.account}/Messages/{message.sid}"
            media.url = f"{base}/Media/{media.sid}"
            message.media = [media]
        self.windows.client_wrote(client, message.sender, now)
        self.messages.add(message)
        self._changed(message)
        name = profile_name or self.people.name_of(client)
        self._start(self._hand_over(message, inbound_webhook.parameters(message, name, extra or {})))
        return message

    async def _hand_over(self, message: Message, params: dict[str, str]) -> None:
        webhook = self.settings.senders.get(message.sender)
        facts = {"to": message.to, "from": message.from_, "body": message.body}
        if webhook and not self.faults.strike("inbound", ["never"], **facts):
            if late := self.faults.strike("inbound", ["latency"], **facts):
                await asyncio.sleep(late.ms / 1000)
            again = self.faults.strike("inbound", ["redelivery"], **facts)
            if self.settings.inbound_in_order:
                async with self._queues.setdefault(message.client, asyncio.Lock()):
                    await self._call_desk(message, webhook, params, again)
            else:
                await self._call_desk(message, webhook, params, again)
        else:
            message.handed_over = not webhook
        self._changed(message)

    async def _call_desk(
        self, message: Message, webhook: str, params: dict[str, str], again: Rule | None
    ) -> None:
        token = new_sid("ID")
        self._handed += 1
        message.turn = self._handed
        for _ in range(1 + (again.copies if again else 0)):
            outcome = await self.webhooks.post(webhook, params, token)
            message.attempts += outcome.attempts
            message.handed_over = message.handed_over or outcome.taken
        self._changed(message)

    # Its own life.

    def _changed(self, message: Message) -> None:
        # The number first: a reader woken by it must find the message under it.
        self.messages.changed(message, self.changes.last + 1)
        self.changes.mark()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def is_idle(self) -> bool:
        """Nothing is under way: no callback to make, no message to hand over."""
        return not self._tasks

    @property
    def under_way(self) -> int:
        """How many messages and callbacks are on their way, either way."""
        return len(self._tasks)

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self.webhooks.close()
