"""One sample conversation while it is made, and what its steps are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from relais.accounts.models import User
from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import InboundMedia, InboundMessage
from relais.conversations.models import Conversation, MessageDelivery
from relais.demo_accounts import DEMO_NUMBER
from relais.typography import typeset

DELIVERY_DELAY = timedelta(seconds=2)
Step = Callable[["ConversationBuilder"], None]
Script = list[tuple[float, Step]]
"""Steps with how many minutes ago each happened."""


class ConversationBuilder:
    """One conversation while it is made: its client, and the time of the current step."""

    def __init__(self, number: str, name: str, users: dict[str, User], *, language: str = "fr") -> None:
        self.address = f"whatsapp:{number}"
        self.name = name
        self.users = users
        self.language = language
        self.at: datetime
        self.pk = 0
        self._sids = 0

    @property
    def conversation(self) -> Conversation:
        return Conversation.objects.get(pk=self.pk)

    def text(self, text: str) -> str:
        return typeset(text) if self.language == "fr" else text

    def client_writes(self, text: str, *, picture: str = "") -> None:
        sid = self.new_sid()
        message = InboundMessage(
            sid=sid,
            address=self.address,
            sender=DEMO_NUMBER,
            body=self.text(text),
            profile_name=self.name,
            media=(InboundMedia(picture, "image/jpeg"),) if picture else (),
            bot_here=True,
        )
        self.pk = ingest([message], at=self.at)[sid].conversation_id

    def new_sid(self) -> str:
        self._sids += 1
        return "SM" + hashlib.sha256(f"{self.address} {self._sids}".encode()).hexdigest()[:32]

    def deliver(self, state: str = "read") -> None:
        """What is queued has left and arrived."""
        for delivery in MessageDelivery.objects.filter(conversation=self.pk, state="queued").order_by("id"):
            delivery.advance(state, at=delivery.created_at + DELIVERY_DELAY, sid=self.new_sid())
