"""Menu choices and free input of a client, recorded when the bot's host reports them (`menu-choice`, `free-input`)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest

from relais.clients.models import ATTRIBUTE_PREFIX, Client
from relais.company import company_settings
from relais.conversations.events import Author
from relais.conversations.yes_no_answers import yes_or_no
from relais.text import has_visible_characters

if TYPE_CHECKING:
    from relais.conversations.models import Conversation


class ClientAnswersMixin:
    @transaction.atomic
    def record_menu_choice(
        self: Conversation,
        menu: str,
        *,
        user_input: str,
        at: datetime,
        message_sid: str = "",
    ) -> None:
        """The client chose a menu. Idempotent: a repeated `message_sid` with the same choice changes nothing."""
        locked = self.locked()
        metadata = {"menu_choice": menu} | ({"message_sid": message_sid} if message_sid else {})
        if (
            message_sid
            and locked.events.filter(event_type="menu_choice", metadata__contains=metadata).exists()
        ):
            self.refresh_from_db()
            return
        locked._record_inbound_activity(at)
        type(self).objects.filter(pk=self.pk).update(current_menu=menu, menu_path=[*locked.menu_path, menu])
        locked.append_event(
            "menu_choice", by=locked.client_author(), at=at, body=user_input, metadata=metadata
        )
        self.refresh_from_db()

    @transaction.atomic
    def record_answer(
        self: Conversation,
        step: str,
        *,
        user_input: str,
        at: datetime,
        message_sid: str = "",
    ) -> bool:
        """The client answered the step of that name. True when the answer is now stored with the client."""
        locked = self.locked()
        field = company_settings.get_value(company_settings.INPUT_FIELD_MAP).get(step, "")
        metadata = {"step": step, "field": field} | ({"message_sid": message_sid} if message_sid else {})
        repeated = (
            message_sid
            and locked.events.filter(event_type="free_input", metadata__contains=metadata).exists()
        )
        if not repeated:
            locked._record_inbound_activity(at)
            locked.append_event(
                "free_input", by=locked.client_author(), at=at, body=user_input, metadata=metadata
            )
        return store_answer(locked.client, field=field, step=step, value=user_input.strip())

    def client_author(self: Conversation) -> Author:
        return Author("client", self.client.name)

    def _record_inbound_activity(self: Conversation, at: datetime) -> None:
        """A reported answer counts as a message of the client: the 24-hour window starts again."""
        type(self).objects.filter(pk=self.pk).update(
            last_inbound_at=Greatest(F("last_inbound_at"), Value(at))
        )


def store_answer(client: Client, *, field: str, step: str, value: str) -> bool:
    """Store an answer with the client: in its field, else as an attribute named after the step.

    The bot replaces neither a known name nor what a person filled in. An answer that is neither yes nor no leaves
    `is_client` unchanged.
    """
    if not has_visible_characters(value):
        return False
    name = field or ATTRIBUTE_PREFIX + step
    rows = Client.objects.filter(pk=client.pk).exclude(fields_set_by_person__contains=[name])
    if field == "is_client":
        is_client = yes_or_no(value)
        return is_client is not None and bool(rows.update(is_client=is_client))
    if field == "client_full_name":
        return bool(rows.filter(client_full_name="").update(client_full_name=value))
    if field:
        return bool(rows.update(**{field: value}))
    merged = Client.objects.select_for_update(no_key=True).get(pk=client.pk).attributes | {step: value}
    return bool(rows.update(attributes=merged))


def humanize(name: str) -> str:
    """An identifier from a flow as a label for people: `vehicules_neufs` → Vehicules neufs."""
    label = name.replace("_", " ").strip()
    return label[:1].upper() + label[1:] if has_visible_characters(label) else ""
