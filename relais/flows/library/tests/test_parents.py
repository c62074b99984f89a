"""The two small flows for Twilio, with the bot as their sub-flow."""

from __future__ import annotations

import pytest

from relais.flows import library
from relais.flows.check import check_file
from relais.flows.library import parents
from relais.flows.library.tests.phone import FLOWS, STRANGER, Phone, incoming
from relais.flows.library.texts import TEXTS
from relais.typography import typeset

AGENT_MODE, BOT_ONLY = "twilio-flow-agent-mode", "twilio-flow-bot-only"
both = pytest.mark.parametrize("flow", [AGENT_MODE, BOT_ONLY])


@both
def test_it_has_no_problems(flow: str) -> None:
    assert check_file(library.path_of(flow)) == ()


@both
@pytest.mark.parametrize(
    "word", ["mercedes", "Bonjour", "HELLO", "salam alaykoum", "Bonjour, ma voiture fume"]
)
def test_a_keyword_starts_the_bot_with_one_welcome(flow: str, word: str) -> None:
    phone = Phone(flow, first=word)
    assert phone.replies[0].startswith("Bonjour Fatou Diallo, bienvenue chez Mercedes-Benz.")
    assert phone.replies[1].startswith(typeset("Que puis-je faire pour vous ?"))
    assert len(phone.replies) == 2
    assert phone.current_widget == "menu_principal"


@both
def test_without_a_keyword_it_explains_how_to_start(flow: str) -> None:
    phone = Phone(flow, first="combien coûte une Classe A ?")
    assert phone.replies == [typeset(parents.INVITATION)]
    assert phone.ended == "completed"


@both
def test_the_sub_flow_asks_an_unknown_client_for_his_name(flow: str) -> None:
    phone = Phone(flow, known=STRANGER)
    assert phone.replies[0].startswith("Bonjour Fatou, bienvenue")
    assert phone.current_widget == "collect_name"
    phone.says("Fatou Diallo", "oui")
    assert phone.current_widget == "menu_principal"


@both
def test_a_client_without_a_name_is_welcomed(flow: str) -> None:
    phone = Phone(flow, known=STRANGER | {"whatsapp_profile_name": ""})
    assert phone.replies[0].startswith("Bonjour et bienvenue chez Mercedes-Benz.")


@both
def test_the_end_of_the_bot_completes_the_conversation(flow: str) -> None:
    phone = Phone(flow)
    assert phone.says("quitter") == [TEXTS["au_revoir"].replace("{{flow.variables.marque}}", "Mercedes-Benz")]
    assert phone.ended == "completed"
    assert phone.calls_of("complete") == 2 * [{"conversation_id": "17"}]


@both
def test_the_bot_is_silent_while_an_agent_is_present(flow: str) -> None:
    phone = Phone(flow, known=incoming(agent_mode="true", status="transferred"))
    assert phone.replies == []
    assert phone.ended == "completed"


@pytest.mark.parametrize(
    ("params", "replies"),
    [
        ({"pending_agent": "true"}, []),
        ({"pending_agent": "true", "waiting_due": "true"}, [parents.WAITING]),
        ({"agent_mode": "true", "waiting_due": "true"}, [parents.WAITING]),
    ],
)
def test_the_waiting_text_is_sent_when_it_is_due(params: dict[str, str], replies: list[str]) -> None:
    phone = Phone(AGENT_MODE, known=incoming(status="transferred", **params))
    assert [line.replace("{{flow.variables.marque}}", "Mercedes-Benz") for line in replies] == phone.replies
    assert phone.ended == "completed"


def test_with_agents_a_request_goes_to_the_queue() -> None:
    phone = Phone(AGENT_MODE)
    assert phone.says("5") == [TEXTS["agent_demande"]]
    assert len(phone.calls_of("agent-transfer")) == 1


def test_without_agents_a_telephone_number_is_given() -> None:
    phone = Phone(BOT_ONLY)
    replies = phone.says("5")
    assert "+212 5 22 00 00 00" in replies[0]
    assert phone.current_widget == "autre_chose"
    assert phone.calls_of("agent-transfer") == []


def test_without_agents_a_request_is_noted() -> None:
    phone = Phone(BOT_ONLY)
    assert phone.says("1", "2", "Classe C", "samedi", "oui")[0].startswith("Votre demande est notée.")
    assert phone.calls_of("agent-transfer") == []


@both
def test_incoming_gets_the_execution_that_relais_may_end(flow: str) -> None:
    phone = Phone(flow)
    phone.says("1")
    executions = {(params["flow_sid"], params["execution_sid"]) for params in phone.calls_of("incoming")}
    assert executions == {("FW" + 32 * "2", "FN" + 32 * "1")}


@both
def test_an_error_message_is_sent_if_incoming_fails(flow: str) -> None:
    phone = Phone(flow, hooks={"incoming": None})
    assert phone.replies[0].startswith("Un incident m'empêche de vous répondre.")
    assert "+212 5 22 00 00 00" in phone.replies[0]
    assert phone.ended == "completed"


@both
def test_every_widget_runs_at_least_once(flow: str) -> None:
    visited: set[str] = set()
    for phone in (
        Phone(flow, known=STRANGER | {"whatsapp_profile_name": ""}),
        Phone(flow, hooks={"incoming": None}),
        Phone(flow, first="?"),
        Phone(flow, known=incoming(waiting_due="true", pending_agent="true")),
        Phone(flow, hooks={"complete": None}),
    ):
        if not phone.ended:
            phone.says("quitter")
        visited |= phone.visited
    assert set(FLOWS[flow].widgets) - visited == set()
