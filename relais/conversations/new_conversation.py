"""An agent writes first: a conversation that begins with a template, held by the agent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import ActionRefused, InvalidField
from relais.clients.addresses import CHANNEL, InvalidAddress
from relais.clients.models import Client
from relais.clients.phone_numbers import address_of_number, region_of_number
from relais.conversations.find_or_open import conversations_between, open_conversation
from relais.conversations.lifecycle import lock_active_users
from relais.conversations.models import Conversation, MessageDelivery

DEFAULT_REGION = "MA"
"""Of numbers without a country code, if our own number does not tell its country."""


class AlreadyOpen(ActionRefused):
    """The client has an open conversation with that number; `conversation_id` is None if the agent may not see it."""

    http_status = 409

    def __init__(self, conversation: Conversation, agent: User) -> None:
        reachable = agent.reachable_conversations().filter(pk=conversation.pk).exists()
        self.conversation_id = conversation.pk if reachable else None
        self.code = "already_open" if reachable else "not_available"
        super().__init__(
            _("Une conversation est déjà ouverte avec ce client : la voici.")
            if reachable
            else _("Vous ne pouvez pas écrire à ce numéro pour le moment. Demandez à un superviseur.")
        )


def our_number() -> str:
    """The number that new conversations are sent from."""
    number: str = settings.ENVIRONMENT.whatsapp_number
    if not number:
        raise InvalidField("sender", _("Aucun numéro WhatsApp n'est réglé. Prévenez un administrateur."))
    return number


def parse_number(text: str) -> str:
    """The address of a number as a person types it, international or as in the country of our own number."""
    if not text.strip():
        raise InvalidField("phone_number", _("Indiquez un numéro."))
    region = region_of_number(our_number().removeprefix(CHANNEL)) or DEFAULT_REGION
    try:
        return address_of_number(text, region)
    except InvalidAddress as error:
        raise InvalidField("phone_number", str(error)) from error


def number_of(client: Client) -> str:
    """The address to write to, the newest with a number. Raises InvalidField if the client has none."""
    address = client.addresses.exclude(phone_number=None).order_by("-pk").first()
    if address is None:
        raise InvalidField(
            "client", _("Ce client n'a pas de numéro de téléphone : il faut qu'il écrive le premier.")
        )
    return str(address.address)


@transaction.atomic
def start_conversation(
    address: str,
    *,
    agent: User,
    content_sid: str,
    variables: Mapping[str, str],
    at: datetime,
    ref: str | None = None,
    undo_seconds: int = 0,
) -> MessageDelivery:
    """Open it, held by the agent, with the template as its first message: all or nothing. Idempotent by `ref`.

    Raises AlreadyOpen, and what `send_template_as_agent` raises.
    """
    sender = our_number()
    if ref and (known := _sent_before(address, sender, agent, ref)):
        return known
    lock_active_users([agent.pk]).get()
    if other := conversations_between(address, sender).open().first():
        raise AlreadyOpen(other, agent)
    try:
        with transaction.atomic():
            conversation = open_conversation(address, sender, team=agent.team)
    except IntegrityError:
        # Somebody else was faster: with the client, or with the conversation.
        other = conversations_between(address, sender).open().first()
        if other is None:
            raise
        if ref and (known := _sent_before(address, sender, agent, ref)):
            return known
        raise AlreadyOpen(other, agent) from None
    conversation.start(agent, at=at)
    return conversation.send_template_as_agent(
        content_sid, variables, agent=agent, at=at, ref=ref, undo_seconds=undo_seconds
    )


def _sent_before(address: str, sender: str, agent: User, ref: str) -> MessageDelivery | None:
    sent = MessageDelivery.objects.filter(
        conversation__in=conversations_between(address, sender), ref=ref, event__author_id=agent.pk
    )
    return sent.select_related("event", "conversation").first()
