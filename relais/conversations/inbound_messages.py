"""A client's message before it is stored, and its stored result. Pure data: no Django, no database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class InboundMedia:
    url: str
    content_type: str = ""


class Consent(Enum):
    """What a message says about opting in or out of our number."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    """Any ordinary message: a client who writes to us wants an answer."""
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Tap:
    """A tap on a button or a list item under a message of ours."""

    question_sid: str
    """The SID of that message."""
    payload: str
    """The id of the button or item."""


@dataclass(frozen=True)
class InboundMessage:
    """One message of a client, parsed: addresses canonical, no NUL in any text."""

    sid: str
    address: str
    sender: str
    body: str
    profile_name: str = ""
    media: tuple[InboundMedia, ...] = ()
    bot_here: bool = False
    """It came to us, not to a flow at Twilio: the answer to the client is ours to send."""
    other_address: str = ""
    """A second address of the same person that the message names, canonical."""
    consent: Consent = Consent.OPT_IN
    occurred_at: datetime | None = None
    """When the client wrote it, if it reaches us later than that: WhatsApp's window runs from then."""
    tap: Tap | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    """Parameters that have no column."""


@dataclass(frozen=True)
class IngestedMessage:
    """A stored message and its conversation; the same for a repeated delivery. Its fields are the columns of `read`."""

    message_sid: str
    event_id: int
    conversation_id: int
    session_id: str
    address: str
    phone_number: str
    status: str
    agent_id: int | None
    current_menu: str
    body: str
    waiting_due: bool
    bot_here: bool
    has_media: bool
    client_existed: bool
    """The address was known before this message."""
    occurred_at: str | None
    """As given when the message was stored."""
    client_full_name: str
    whatsapp_profile_name: str
    is_client: bool | None
    client_id: int
    opted_out: bool
    """The client opted out of one of our numbers before this message."""

    @property
    def is_held(self) -> bool:
        return self.status == "transferred" and self.agent_id is not None

    @property
    def is_waiting(self) -> bool:
        return self.status == "transferred" and self.agent_id is None
