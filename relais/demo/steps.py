"""The steps of sample conversations: each calls one verb of a room at the builder's time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from django.conf import settings

from relais.clients.models import Client
from relais.conversations.drafts import save_draft
from relais.conversations.events import BOT
from relais.conversations.models import Media
from relais.conversations.states import MediaState
from relais.crm.editing import add_note, edit_client
from relais.crm.editing import change_tags as change_client_tags
from relais.demo.conversation_builder import ConversationBuilder, Step
from relais.flows import runner
from relais.notes.models import Note
from relais.whatsapp.media.files import media_path, write_file

PICTURE = Path(__file__).with_name("car_dashboard.jpg")
UNREACHABLE_CODE = 63024
P = ParamSpec("P")


def step(function: Callable[Concatenate[ConversationBuilder, P], Any]) -> Callable[P, Step]:
    """`client("Bonjour")` is a step; the builder is given when it runs."""

    @wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> Step:
        return lambda builder: function(builder, *args, **kwargs)

    return make


@step
def client(builder: ConversationBuilder, text: str) -> None:
    builder.client_writes(text)


@step
def picture(builder: ConversationBuilder, text: str = "") -> None:
    """The client sends the picture that is beside this file; it has been downloaded."""
    account = settings.ENVIRONMENT.twilio_account_sid
    url = f"https://api.twilio.com/2010-04-01/Accounts/{account}/Messages/{builder.new_sid()}/Media/ME0"
    builder.client_writes(text, picture=url)
    content = PICTURE.read_bytes()
    for media in Media.objects.filter(event__conversation=builder.pk, state=MediaState.WAITING):
        write_file(media_path(media), content)
        media.record_download(MediaState.STORED, content_type="image/jpeg", size=len(content))


@step
def client_to_bot(builder: ConversationBuilder, text: str) -> None:
    """The client writes, and the published flow answers."""
    builder.client_writes(text)
    runner.run(builder.pk, fetch=None, clock=lambda: builder.at)
    builder.deliver()


@step
def bot(builder: ConversationBuilder, text: str) -> None:
    builder.conversation.send_as_program(builder.text(text), by=BOT, at=builder.at)
    builder.deliver()


@step
def asks_for_agent(builder: ConversationBuilder, reason: str = "") -> None:
    builder.conversation.ask_for_agent(by=BOT, at=builder.at, reason=builder.text(reason))


@step
def waiting_text_arrives(builder: ConversationBuilder) -> None:
    builder.deliver()


@step
def takes_over(builder: ConversationBuilder, agent: str) -> None:
    builder.conversation.take_over(builder.users[agent], at=builder.at)
    builder.deliver()


@step
def agent(builder: ConversationBuilder, agent: str, text: str, *, state: str = "read") -> None:
    """An agent writes; he has read what came before."""
    conversation, user = builder.conversation, builder.users[agent]
    conversation.mark_read_by(user)
    conversation.send_as_agent(builder.text(text), agent=user, at=builder.at)
    builder.deliver(state)


@step
def agent_in_vain(builder: ConversationBuilder, agent: str, text: str) -> None:
    """An agent's message that WhatsApp could not deliver."""
    conversation, user = builder.conversation, builder.users[agent]
    conversation.mark_read_by(user)
    delivery = conversation.send_as_agent(builder.text(text), agent=user, at=builder.at)
    sid = builder.new_sid()
    delivery.mark_sent(sid, at=builder.at)
    delivery.mark_failed(at=builder.at, code=UNREACHABLE_CODE, error="", sid=sid)


@step
def reads(builder: ConversationBuilder, agent: str) -> None:
    builder.conversation.mark_read_by(builder.users[agent])


@step
def note(builder: ConversationBuilder, agent: str, text: str) -> None:
    Note.write(builder.conversation, builder.text(text), author=builder.users[agent], at=builder.at)


@step
def tags(builder: ConversationBuilder, agent: str, *names: str) -> None:
    builder.conversation.change_tags(add=names, by=builder.users[agent], at=builder.at)


@step
def draft(builder: ConversationBuilder, agent: str, text: str) -> None:
    save_draft(builder.conversation, builder.text(text), user=builder.users[agent], at=builder.at)


@step
def snoozes(builder: ConversationBuilder, agent: str, *, hours: float) -> None:
    until = builder.at + timedelta(hours=hours)
    builder.conversation.snooze(until, by=builder.users[agent], at=builder.at)


@step
def transfers(builder: ConversationBuilder, agent: str, to: str, reason: str) -> None:
    builder.conversation.transfer(
        builder.users[to], by=builder.users[agent], at=builder.at, note=builder.text(reason)
    )
    builder.deliver()


@step
def closes(builder: ConversationBuilder, agent: str, reason: str = "") -> None:
    builder.conversation.close(builder.users[agent], at=builder.at, reason=reason)
    builder.deliver()


@step
def is_abandoned(builder: ConversationBuilder) -> None:
    builder.conversation.end_for_inactivity(inactive_since=builder.at, at=builder.at)


@step
def card(builder: ConversationBuilder, agent: str, **fields: str) -> None:
    """An agent fills in the client's data. Attributes are named `attribute:NAME`."""
    client = Client.objects.get(conversations=builder.pk)
    edit_client(client, fields, by=builder.users[agent], at=builder.at)


@step
def client_tags(builder: ConversationBuilder, agent: str, *names: str) -> None:
    client = Client.objects.get(conversations=builder.pk)
    change_client_tags(client, add=names, by=builder.users[agent], at=builder.at)


@step
def client_note(builder: ConversationBuilder, agent: str, text: str) -> None:
    client = Client.objects.get(conversations=builder.pk)
    add_note(client, builder.text(text), by=builder.users[agent], at=builder.at)
