"""What a client tells the bot: menus chosen and answers given, when the bot runs elsewhere and reports them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest

from relais.clients.models import Client
from relais.company import company_settings
from relais.conversations.events import Author
from relais.text import has_visible_characters

if TYPE_CHECKING:
    from relais.conversations.models import Conversation

YES = frozenset({"oui", "yes", "1"})
NO = frozenset({"non", "no", "2"})


class Inputs:
    @transaction.atomic
    def choose(
        self: Conversation,
        menu: str,
        *,
        said: str,
        at: datetime,
        message_sid: str = "",
    ) -> None:
        """The client went to a menu. A repeated `message_sid` with the same choice changes nothing."""
        locked = self.locked()
        told = {"menu_choice": menu} | ({"message_sid": message_sid} if message_sid else {})
        if message_sid and locked.events.filter(event_type="menu_choice", metadata__contains=told).exists():
            self.refresh_from_db()
            return
        locked._hear(at)
        type(self).objects.filter(pk=self.pk).update(current_menu=menu, menu_path=[*locked.menu_path, menu])
        locked.append("menu_choice", by=locked.as_author(), at=at, body=said, metadata=told)
        self.refresh_from_db()

    @transaction.atomic
    def answer(
        self: Conversation,
        step: str,
        *,
        said: str,
        at: datetime,
        message_sid: str = "",
    ) -> bool:
        """The client answered the step of that name. True when it is now kept with the client."""
        locked = self.locked()
        field = company_settings.get_value(company_settings.INPUT_FIELD_MAP).get(step, "")
        told = {"step": step, "field": field} | ({"message_sid": message_sid} if message_sid else {})
        repeated = (
            message_sid and locked.events.filter(event_type="free_input", metadata__contains=told).exists()
        )
        if not repeated:
            locked._hear(at)
            locked.append("free_input", by=locked.as_author(), at=at, body=said, metadata=told)
        return keep(locked.client, field=field, step=step, value=said.strip())

    def as_author(self: Conversation) -> Author:
        return Author("client", self.client.name)

    def _hear(self: Conversation, at: datetime) -> None:
        """It counts as the client having written: the window opens anew."""
        type(self).objects.filter(pk=self.pk).update(
            last_inbound_at=Greatest(F("last_inbound_at"), Value(at))
        )


def keep(client: Client, *, field: str, step: str, value: str) -> bool:
    """Store an answer with the client: in its field, else as an attribute named after the step.

    A name once known is not replaced by the bot; an answer that says neither yes nor no leaves `is_client` as it was.
    """
    mine = Client.objects.filter(pk=client.pk)
    if not has_visible_characters(value):
        return False
    if field == "is_client":
        known = {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}.get(value.casefold())
        return known is not None and bool(mine.update(is_client=known))
    if field == "client_full_name":
        return bool(mine.filter(client_full_name="").update(client_full_name=value))
    if field:
        return bool(mine.update(**{field: value}))
    merged = Client.objects.select_for_update(no_key=True).get(pk=client.pk).attributes | {step: value}
    return bool(mine.update(attributes=merged))


def in_words(name: str) -> str:
    """A name that a flow's author gave, as a person would write it: `vehicules_neufs` → Vehicules neufs."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:] if has_visible_characters(words) else ""
