"""The state of the double, and the processing of messages in each direction."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

from relais.emulator import inbound_webhook
from relais.emulator.callbacks import StatusCallbacks
from relais.emulator.change_counter import ChangeCounter
from relais.emulator.clock import AdjustableClock
from relais.emulator.content import Approval, Content, ContentStore
from relais.emulator.content_validation import parse_variables
from relais.emulator.dealer_templates import ContentExample
from relais.emulator.demo_clients import DemoClients
from relais.emulator.executions import ExecutionLog
from relais.emulator.faults import FaultRule, Faults
from relais.emulator.media import MAX_MEDIA_BYTES, Media, MediaStore, is_deliverable
from relais.emulator.messages import Message, MessageLog
from relais.emulator.send_validation import SendRequest
from relais.emulator.session_windows import SessionWindows
from relais.emulator.settings import DoubleSettings
from relais.emulator.sids import new_sid
from relais.emulator.webhooks import WebhookClient

OUTSIDE_WINDOW_CODE = 63016
MEDIA_FAILED_CODE = 63019
VARIABLES_MISSING_CODE = 63028


TYPING_DURATION = timedelta(seconds=25)
"""WhatsApp hides it earlier when the company's message comes."""


class TwilioDouble:
    """Belongs to one event loop; not thread-safe."""

    def __init__(self, settings: DoubleSettings, faults: Iterable[FaultRule | dict[str, Any]] = ()) -> None:
        self.settings = settings
        self.clock = AdjustableClock()
        self.faults = Faults(faults, settings.seed)
        self.changes = ChangeCounter()
        self.clients = DemoClients()
        self.contents = ContentStore(lambda: settings.keep_contents)
        self.webhooks = WebhookClient(settings)
        self.requests: dict[str, int] = {}
        """Number of calls by operation, including refused ones."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.forget_messages()

    def forget_messages(self) -> None:
        """Forget messages, media, executions and session windows. Clients, contents, settings and faults stay."""
        settings = self.settings
        self.messages = MessageLog(lambda: settings.keep_messages)
        self.media = MediaStore(lambda: settings.keep_media_bytes)
        self.executions = ExecutionLog()
        self.windows = SessionWindows()
        self.typing_until: dict[str, datetime] = {}
        self.requests.clear()
        self._delivery_count = 0
        self._unread: dict[str, StatusCallbacks] = {}
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.changes.boot = new_sid("BO")
        self.changes.increment()

    def count(self, operation: str) -> None:
        self.requests[operation] = self.requests.get(operation, 0) + 1

    # Content.

    def create_content(
        self,
        friendly_name: str,
        language: str,
        variables: dict[str, str],
        types: dict[str, dict[str, Any]],
        sid: str = "",
        approval: Approval | None = None,
    ) -> Content:
        now = self.clock.now()
        content = Content(
            sid=sid or new_sid("HX"),
            account=self.settings.account_sid,
            friendly_name=friendly_name,
            language=language,
            variables=variables,
            types=types,
            created_at=now,
            updated_at=now,
            approval=approval or Approval(),
        )
        self.contents.add(content)
        return content

    def add_content_example(
        self, example: ContentExample, *, status: str = "", sid: str = "", rejection_reason: str = ""
    ) -> Content:
        reason = rejection_reason or example.rejection_reason
        status = status or example.status
        return self.create_content(
            friendly_name=example.name,
            language=example.language,
            variables=dict(example.variables),
            types={example.type: dict(example.content)},
            sid=sid or example.sid,
            approval=Approval(
                status=status,
                name=example.name,
                category=example.category,
                rejection_reason=reason if status == "rejected" else "",
            ),
        )

    def accepts_content(self, sid: str) -> bool:
        return self.settings.lenient_content or self.contents.get(sid) is not None

    # Messages of the company.

    def accept(self, request: SendRequest) -> Message:
        """Accept it: it is processed from here on, whatever happens to the response."""
        now = self.clock.now()
        content = self.contents.get(request.content_sid)
        rendered = content.render(parse_variables(request.content_variables)) if content else None
        media_urls = rendered.media_urls if rendered else request.media_urls
        message = Message(
            sid=new_sid("MM" if media_urls else "SM"),
            account=self.settings.account_sid,
            inbound=False,
            client=request.to,
            sender=request.from_ or self.settings.default_sender(),
            body="" if request.content_sid else request.body,
            status="accepted" if request.messaging_service else "queued",
            created_at=now,
            updated_at=now,
            status_callback=request.status_callback,
            messaging_service=request.messaging_service,
            content_sid=request.content_sid,
            content_variables=request.content_variables,
            rendered=rendered,
        )
        message.media = [Media(new_sid("ME"), "", "", now, url) for url in media_urls]
        self.messages.add(message)
        self._record_change(message)
        # Faults and window are evaluated now; the clock and the rules may change before it is processed.
        callbacks = StatusCallbacks(message, self.faults, self.webhooks, self.settings)
        self._run_in_background(self._process(message, callbacks, self._find_error(message)))
        return message

    async def _process(
        self, message: Message, callbacks: StatusCallbacks, error: tuple[int, str] | None
    ) -> None:
        if message.messaging_service:
            self._set_status(message, "queued", callbacks)
        if not error and not await self._fetch_media(message):
            error = (MEDIA_FAILED_CODE, "failed")
        await asyncio.sleep(self.settings.sent_after_ms / 1000)
        if error:
            message.error_code, status = error
            message.sent_at = self.clock.now() if status == "undelivered" else None
            self._set_status(message, status, callbacks)
            return
        message.sent_at = self.clock.now()
        self._set_status(message, "sent", callbacks)
        await asyncio.sleep(self.settings.delivered_after_ms / 1000)
        self._track_unread(message, callbacks)
        self._set_status(message, "delivered", callbacks)
        if self.settings.read_after_ms is not None:
            await asyncio.sleep(self.settings.read_after_ms / 1000)
            self.mark_read([message.sid])

    def _find_error(self, message: Message) -> tuple[int, str] | None:
        rule = self.faults.trigger(
            "create", ["error"], to=message.to, body=message.body, **{"from": message.from_}
        )
        if rule:
            return rule.code, rule.status or "undelivered"
        if message.content_sid:
            return self._find_content_error(message)
        return None if self._is_window_open(message) else (OUTSIDE_WINDOW_CODE, "undelivered")

    def _find_content_error(self, message: Message) -> tuple[int, str] | None:
        content = self.contents.get(message.content_sid)
        if content is None:
            return None
        if not content.may_be_sent(in_window=self._is_window_open(message)):
            return OUTSIDE_WINDOW_CODE, "undelivered"
        if content.missing(parse_variables(message.content_variables)):
            return VARIABLES_MISSING_CODE, "failed"
        return None

    def _is_window_open(self, message: Message) -> bool:
        settings, windows = self.settings, self.windows
        if not settings.enforce_window:
            return True
        if windows.is_open(message.client, message.sender, self.clock.now(), settings.window_hours):
            return True
        return settings.lenient_window and not windows.is_known(message.client, message.sender)

    async def _fetch_media(self, message: Message) -> bool:
        """Fetch the media to send, as Twilio does before it sends."""
        for index, media in enumerate(message.media):
            fetched = await self.webhooks.fetch(media.url, MAX_MEDIA_BYTES)
            if fetched and is_deliverable(fetched[0], fetched[1]):
                stored = self.media.put(*fetched, self.clock.now())
                stored.url = media.url
                message.media[index] = stored
            elif not self._may_be_missing(media.url):
                return False
        return True

    def _may_be_missing(self, url: str) -> bool:
        """A flow may name a file on the internet, where a demo does not go; what the desk serves is there."""
        return self.settings.lenient_media and not url.startswith(tuple(self.settings.reach))

    def _set_status(self, message: Message, status: str, callbacks: StatusCallbacks) -> None:
        message.status = status
        message.updated_at = self.clock.now()
        if message.is_on_phone:
            self.hide_typing(message.client)
        self._record_change(message)
        self._run_in_background(self._send_callback(message, status, callbacks))

    async def _send_callback(self, message: Message, status: str, callbacks: StatusCallbacks) -> None:
        await callbacks.send(status)
        self._record_change(message)

    def mark_read(self, sids: Iterable[str]) -> int:
        """The client's phone has shown these messages. Returns how many were unread."""
        read = 0
        for sid in sids:
            message = self.messages.get(sid)
            callbacks = self._unread.pop(sid, None)
            if message and callbacks and message.status == "delivered":
                self._set_status(message, "read", callbacks)
                read += 1
        return read

    def _track_unread(self, message: Message, callbacks: StatusCallbacks) -> None:
        self._unread[message.sid] = callbacks
        while len(self._unread) > self.settings.keep_messages:
            del self._unread[next(iter(self._unread))]

    # Typing.

    def show_typing(self, message: Message) -> None:
        """The phone of this message's client shows that the company writes; its message has been read."""
        self.typing_until[message.client] = self.clock.now() + TYPING_DURATION
        message.is_read = True
        self._record_change(message)

    def hide_typing(self, client: str) -> None:
        self.typing_until.pop(client, None)

    def typing_seconds(self) -> dict[str, float]:
        """For how long phones still show it, by client."""
        now = self.clock.now()
        self.typing_until = {client: until for client, until in self.typing_until.items() if until > now}
        return {client: (until - now).total_seconds() for client, until in self.typing_until.items()}

    # Messages of clients.

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
            sender=sender or self.settings.default_sender(),
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
        message.location = inbound_webhook.location(extra or {})
        self.windows.open(client, message.sender, now)
        self.messages.add(message)
        self._record_change(message)
        name = profile_name or self.clients.name_of(client)
        self._run_in_background(
            self._deliver_to_desk(message, inbound_webhook.webhook_parameters(message, name, extra or {}))
        )
        return message

    async def _deliver_to_desk(self, message: Message, params: dict[str, str]) -> None:
        webhook = self.settings.senders.get(message.sender)
        match_fields = {"to": message.to, "from": message.from_, "body": message.body}
        if webhook and not self.faults.trigger("inbound", ["never"], **match_fields):
            if late := self.faults.trigger("inbound", ["latency"], **match_fields):
                await asyncio.sleep(late.ms / 1000)
            redelivery = self.faults.trigger("inbound", ["redelivery"], **match_fields)
            if self.settings.inbound_in_order:
                async with self._queues.setdefault(message.client, asyncio.Lock()):
                    await self._post_to_desk(message, webhook, params, redelivery)
            else:
                await self._post_to_desk(message, webhook, params, redelivery)
        else:
            message.handed_over = not webhook
        self._record_change(message)

    async def _post_to_desk(
        self, message: Message, webhook: str, params: dict[str, str], redelivery: FaultRule | None
    ) -> None:
        token = new_sid("ID")
        self._delivery_count += 1
        message.turn = self._delivery_count
        for _ in range(1 + (redelivery.copies if redelivery else 0)):
            result = await self.webhooks.post(webhook, params, token)
            message.attempts += result.attempts
            message.handed_over = message.handed_over or result.is_accepted
        self._record_change(message)

    # Changes and background tasks.

    def _record_change(self, message: Message) -> None:
        # Record first: a reader woken by the counter must find the message.
        self.messages.record_change(message, self.changes.last + 1)
        self.changes.increment()

    def _run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def is_idle(self) -> bool:
        """No callback and no message is pending."""
        return not self._tasks

    @property
    def pending_count(self) -> int:
        """Number of pending callbacks and messages, in both directions."""
        return len(self._tasks)

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self.webhooks.close()
