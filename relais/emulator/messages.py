"""Twilio's log of messages in both directions, and their JSON in its API."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from relais.emulator.api_errors import ERROR_SENTENCES
from relais.emulator.content import RenderedContent
from relais.emulator.media import Media

FINAL_STATUSES = ("failed", "undelivered", "read")


@dataclass
class Message:
    sid: str
    account: str
    inbound: bool
    client: str
    sender: str
    body: str
    status: str
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None = None
    media: list[Media] = field(default_factory=list)
    change: int = 0

    # Only of the company's messages.
    status_callback: str = ""
    messaging_service: str = ""
    content_sid: str = ""
    content_variables: str = ""
    rendered: RenderedContent | None = None
    """What a message with a ContentSid shows. Twilio's log has an empty body for it."""
    error_code: int | None = None
    callbacks: list[str] = field(default_factory=list)
    """The status callbacks posted so far, in order, each with its result: `sent 204`."""

    # Only of a client's messages.
    location: dict[str, str] | None = None
    """`label`, `address` and `coordinates` of a position that the client shared."""
    attempts: list[str] = field(default_factory=list)
    """For each call of the desk's webhook its HTTP status, or `ct`/`rt`."""
    turn: int = 0
    """Its place in the order of delivery to the desk; 0 while it waits, and if it is never delivered."""
    handed_over: bool | None = None
    """None while the desk is being called; then whether it accepted the message."""
    is_read: bool = False
    """The company has read it: with Twilio only a typing indicator says so."""

    @property
    def to(self) -> str:
        return self.sender if self.inbound else self.client

    @property
    def from_(self) -> str:
        return self.client if self.inbound else self.sender

    @property
    def ref(self) -> str:
        """The reference in the callback URL, by which the desk recognises its message."""
        return parse_qs(urlsplit(self.status_callback).query).get("ref", [""])[0]

    @property
    def error_message(self) -> str | None:
        return ERROR_SENTENCES.get(self.error_code) if self.error_code else None

    @property
    def is_on_phone(self) -> bool:
        """Whether the client's phone shows it: the client's own at once, the company's when delivered."""
        return self.inbound or self.status in ("delivered", "read")

    def as_rest(self) -> dict[str, Any]:
        """The whole field set of Twilio's Message resource."""
        uri = f"/2010-04-01/Accounts/{self.account}/Messages/{self.sid}"
        return {
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": rfc2822(self.created_at),
            "date_sent": rfc2822(self.sent_at) if self.sent_at else None,
            "date_updated": rfc2822(self.updated_at),
            "direction": "inbound" if self.inbound else "outbound-api",
            "error_code": self.error_code,
            "error_message": self.error_message,
            "from": self.from_,
            "messaging_service_sid": self.messaging_service or None,
            "num_media": str(len(self.media)),
            "num_segments": "1",
            "price": None,
            "price_unit": None,
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.to,
            "uri": f"{uri}.json",
        }

    @property
    def shown_text(self) -> str:
        return self.rendered.body if self.rendered else self.body or self._template()

    def as_phone_json(self) -> dict[str, Any]:
        return {
            "sid": self.sid,
            "change": self.change,
            "address": self.client,
            "mine": self.inbound,
            "body": self.shown_text,
            **({"content": self.rendered.as_phone_json()} if self.rendered else {}),
            "media": [each.as_phone_json() for each in self.media],
            "location": self.location,
            "at": self.created_at.isoformat(),
            "state": self._state() if self.inbound else self.status,
        }

    def as_control_json(self) -> dict[str, Any]:
        return {
            "sid": self.sid,
            "change": self.change,
            "to": self.to,
            "from": self.from_,
            "body": self.body,
            "ref": self.ref,
            "status": self.status,
            "error_code": self.error_code,
            "content_sid": self.content_sid,
            "content_variables": self.content_variables,
            "shown_text": self.shown_text,
            "media": [each.url for each in self.media],
            "status_callback": self.status_callback,
            "callbacks": list(self.callbacks),
            "at": self.created_at.isoformat(),
        }

    def _state(self) -> str:
        if self.is_read:
            return "read"
        return {None: "accepted", True: "delivered", False: "failed"}[self.handed_over]

    def _template(self) -> str:
        return f"[Modèle {self.content_sid}] {self.content_variables}".strip() if self.content_sid else ""


def rfc2822(at: datetime) -> str:
    return format_datetime(at)


class MessageLog:
    """Messages by SID, newest last, up to a maximum."""

    def __init__(self, max_messages: Callable[[], int]) -> None:
        self._max_messages = max_messages
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self._by_change: OrderedDict[str, Message] = OrderedDict()

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Message) -> None:
        self._messages[message.sid] = message
        while len(self._messages) > max(self._max_messages(), 1):
            sid, _ = self._messages.popitem(last=False)
            self._by_change.pop(sid, None)

    def record_change(self, message: Message, change: int) -> None:
        message.change = change
        if message.sid in self._messages:
            self._by_change[message.sid] = message
            self._by_change.move_to_end(message.sid)

    def get(self, sid: str) -> Message | None:
        return self._messages.get(sid)

    def newest_first(self) -> Iterator[Message]:
        return iter(list(reversed(self._messages.values())))

    def oldest_first(self) -> Iterator[Message]:
        return iter(list(self._messages.values()))

    def changed_since(self, change: int) -> list[Message]:
        """Messages changed after `change`, in the order of creation."""
        changed = []
        for message in reversed(self._by_change.values()):
            if message.change <= change:
                break
            changed.append(message)
        return sorted(changed, key=lambda each: (each.created_at, each.change))
