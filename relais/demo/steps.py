"""The steps of sample conversations: each calls one verb of a room at the recorder's time."""

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
from relais.demo.recorder import Recorder, Step
from relais.flows import runner
from relais.notes.models import Note
from relais.whatsapp.media.files import media_path, write_file

PICTURE = Path(__file__).with_name("dashboard.jpg")
UNREACHABLE_CODE = 63024
P = ParamSpec("P")


def step(function: Callable[Concatenate[Recorder, P], Any]) -> Callable[P, Step]:
    """`client("Bonjour")` is a step; the recorder is given when it runs."""

    @wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> Step:
        return lambda recorder: function(recorder, *args, **kwargs)

    return make


@step
def client(recorder: Recorder, text: str) -> None:
    recorder.client_writes(text)


@step
def picture(recorder: Recorder, text: str = "") -> None:
    """The client sends the picture that is beside this file; it has been downloaded."""
    account = settings.ENVIRONMENT.twilio_account_sid
    url = f"https://api.twilio.com/2010-04-01/Accounts/{account}/Messages/{recorder.new_sid()}/Media/ME0"
    recorder.client_writes(text, picture=url)
    content = PICTURE.read_bytes()
    for media in Media.objects.filter(event__conversation=recorder.pk, state=MediaState.WAITING):
        write_file(media_path(media), content)
        media.record_download(MediaState.STORED, content_type="image/jpeg", size=len(content))


@step
def client_to_bot(recorder: Recorder, text: str) -> None:
    """The client writes, and the published flow answers."""
    recorder.client_writes(text)
    runner.run(recorder.pk, fetch=None, clock=lambda: recorder.at)
    recorder.deliver()


@step
def bot(recorder: Recorder, text: str) -> None:
    recorder.conversation.send_as_program(recorder.text(text), by=BOT, at=recorder.at)
    recorder.deliver()


@step
def asks_for_agent(recorder: Recorder, reason: str = "") -> None:
    recorder.conversation.ask_for_agent(by=BOT, at=recorder.at, reason=recorder.text(reason))


@step
def waiting_text_arrives(recorder: Recorder) -> None:
    recorder.deliver()


@step
def takes_over(recorder: Recorder, agent: str) -> None:
    recorder.conversation.take_over(recorder.users[agent], at=recorder.at)
    recorder.deliver()


@step
def agent(recorder: Recorder, agent: str, text: str, *, state: str = "read") -> None:
    """An agent writes; he has read what came before."""
    conversation, user = recorder.conversation, recorder.users[agent]
    conversation.mark_read_by(user)
    conversation.send_as_agent(recorder.text(text), agent=user, at=recorder.at)
    recorder.deliver(state)


@step
def agent_in_vain(recorder: Recorder, agent: str, text: str) -> None:
    """An agent's message that WhatsApp could not deliver."""
    conversation, user = recorder.conversation, recorder.users[agent]
    conversation.mark_read_by(user)
    delivery = conversation.send_as_agent(recorder.text(text), agent=user, at=recorder.at)
    sid = recorder.new_sid()
    delivery.mark_sent(sid, at=recorder.at)
    delivery.mark_failed(at=recorder.at, code=UNREACHABLE_CODE, error="", sid=sid)


@step
def reads(recorder: Recorder, agent: str) -> None:
    recorder.conversation.mark_read_by(recorder.users[agent])


@step
def note(recorder: Recorder, agent: str, text: str) -> None:
    Note.write(recorder.conversation, recorder.text(text), author=recorder.users[agent], at=recorder.at)


@step
def tags(recorder: Recorder, agent: str, *names: str) -> None:
    recorder.conversation.change_tags(add=names, by=recorder.users[agent], at=recorder.at)


@step
def draft(recorder: Recorder, agent: str, text: str) -> None:
    save_draft(recorder.conversation, recorder.text(text), user=recorder.users[agent], at=recorder.at)


@step
def snoozes(recorder: Recorder, agent: str, *, hours: float) -> None:
    until = recorder.at + timedelta(hours=hours)
    recorder.conversation.snooze(until, by=recorder.users[agent], at=recorder.at)


@step
def transfers(recorder: Recorder, agent: str, to: str, reason: str) -> None:
    recorder.conversation.transfer(
        recorder.users[to], by=recorder.users[agent], at=recorder.at, note=recorder.text(reason)
    )
    recorder.deliver()


@step
def closes(recorder: Recorder, agent: str, reason: str = "") -> None:
    recorder.conversation.close(recorder.users[agent], at=recorder.at, reason=reason)
    recorder.deliver()


@step
def is_abandoned(recorder: Recorder) -> None:
    recorder.conversation.end_for_inactivity(inactive_since=recorder.at, at=recorder.at)


@step
def card(recorder: Recorder, agent: str, **fields: str) -> None:
    """An agent fills in the client's data. Attributes are named `attribute:NAME`."""
    client = Client.objects.get(conversations=recorder.pk)
    edit_client(client, fields, by=recorder.users[agent], at=recorder.at)


@step
def client_tags(recorder: Recorder, agent: str, *names: str) -> None:
    client = Client.objects.get(conversations=recorder.pk)
    change_client_tags(client, add=names, by=recorder.users[agent], at=recorder.at)


@step
def client_note(recorder: Recorder, agent: str, text: str) -> None:
    client = Client.objects.get(conversations=recorder.pk)
    add_note(client, recorder.text(text), by=recorder.users[agent], at=recorder.at)
