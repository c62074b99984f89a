"""The flows as exported for Twilio, with Relais's real hooks over HTTP; only Twilio is simulated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from django.conf import settings
from starlette.applications import Starlette

from relais.conversations.models import Conversation
from relais.conversations.states import Situation
from relais.emulator.testing import ServerThread
from relais.flows import library
from relais.flows.engine import MakeHttpRequest, RequestResult, parse
from relais.flows.library.tests import phone as phones
from relais.flows.library.tests.phone import Phone
from relais.flows.studio_export import for_twilio, read
from relais.typography import typeset
from relais.whatsapp.inbound.routes import HookRoutes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of Relais's hooks; the exported flows call them there."""
    hooks = HookRoutes()
    server = ServerThread(Starlette(routes=hooks.routes))
    secret = settings.ENVIRONMENT.studio_webhook_secret
    exported = {
        name: parse(for_twilio(read(name), host=server.url, secret=secret, subflow="FW" + 32 * "b"))
        for name in library.NAMES
    }
    monkeypatch.setattr(phones, "FLOWS", exported)
    monkeypatch.setattr(phones, "BOT_SID", "FW" + 32 * "b")
    yield server.url
    server.stop()
    hooks.close()


@dataclass
class PhoneAtTwilio(Phone):
    """With unique message SIDs, since the desk deduplicates those of earlier executions."""

    flow: str = "twilio-flow-agent-mode"
    run: int = 1

    def _message(self, body: str) -> dict[str, str]:
        message = super()._message(body)
        return message | {"MessageSid": f"SM{self.run:016}{self.messages:016}"}

    def _answer(self, call: MakeHttpRequest) -> RequestResult:
        request = call.as_request()
        answer = requests.post(
            request.url,
            data=request.body.encode(),
            headers={"Content-Type": request.content_type},
            timeout=30,
        )
        assert answer.status_code == 200, (call, answer.text)
        return RequestResult(call.ref, answer.status_code, answer.headers["content-type"], answer.text)


def history() -> list[tuple[str, str]]:
    (conversation,) = Conversation.objects.all()
    return list(conversation.events.order_by("seq").values_list("event_type", "body"))


def test_a_claim_runs_from_the_welcome_to_the_queue(desk: str) -> None:
    phone = PhoneAtTwilio()
    phone.says("Fatou Diallo", "oui", "blabla", "3", "1", "WDD 205 004 2R 123456", "Le moteur fume")
    phone.sends("https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1", "voici")
    phone.says("fini")
    conversation = Conversation.objects.get()
    assert phone.ended == "completed"
    assert conversation.situation is Situation.WAITING
    client = conversation.client
    assert (client.client_full_name, client.is_client, client.vin) == (
        "Fatou Diallo",
        True,
        "WDD2050042R123456",
    )
    assert client.attributes == {"reclamation_recit": "Le moteur fume"}
    assert conversation.menu_path == ["reclamations", "reclamation"]
    wrote = [body for kind, body in history() if kind == "message_received"]
    assert wrote == [
        *("Bonjour", "Fatou Diallo", "oui", "blabla", "3", "1"),
        *("WDD 205 004 2R 123456", "Le moteur fume", "voici", "fini"),
    ]
    current_widget = conversation.events.get(event_type="agent_transfer")
    assert current_widget.metadata["reason"] == typeset(
        "Réclamation : Le moteur fume ; VIN WDD2050042R123456"
    )


def test_a_client_is_asked_for_his_name_only_once(desk: str) -> None:
    PhoneAtTwilio(run=1).says("Fatou Diallo", "oui", "quitter")
    assert Conversation.objects.get().situation is Situation.ENDED
    again = PhoneAtTwilio(run=2)
    assert again.replies[0].startswith("Bonjour Fatou Diallo, bienvenue")
    assert again.current_widget == "menu_principal"


def test_a_take_over_ends_the_bot_in_the_middle_of_a_question(desk: str, awa: Any) -> None:
    phone = PhoneAtTwilio()
    conversation = Conversation.objects.get()
    conversation.take_over(awa, at=conversation.last_activity_at)
    assert phone.says("Fatou Diallo") == []
    assert phone.ended == "completed"
    assert ("message_received", "Fatou Diallo") in history()
    conversation.refresh_from_db()
    assert conversation.situation is Situation.HELD


def test_the_waiting_text_is_sent_once(desk: str) -> None:
    PhoneAtTwilio(run=1).says("agent")
    assert Conversation.objects.get().situation is Situation.WAITING
    first, second = PhoneAtTwilio(run=2, first="Vous êtes là ?"), PhoneAtTwilio(run=3, first="Allô ?")
    assert [len(first.replies), len(second.replies)] == [1, 0]
    assert [first.ended, second.ended] == ["completed", "completed"]
