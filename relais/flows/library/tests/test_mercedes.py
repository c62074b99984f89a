"""The dealer's bot, in conversations with a simulated client."""

from __future__ import annotations

from typing import Any

import pytest

from relais.flows import library
from relais.flows.check import check_file
from relais.flows.library.tests.phone import FLOWS, HOOKS, STRANGER, Phone, incoming
from relais.flows.library.texts import SETTINGS, TEXTS
from relais.typography import typeset

VIN = "WDD 2050042R123456"
EVERYWHERE: dict[str, tuple[list[str], str]] = {
    # question: the messages that lead there, and an invalid answer
    "menu_principal": ([], "blabla"),
    "vehicules_neufs": (["1"], "blabla"),
    "apres_vente": (["2"], "blabla"),
    "reclamations": (["3"], "blabla"),
    "club_vip": (["4"], "blabla"),
    "essai_modele": (["1", "2"], "x"),
    "essai_date": (["1", "2", "Classe C"], "x"),
    "essai_accord": (["1", "2", "Classe C", "samedi 10 h"], "blabla"),
    "rappel_sujet": (["1", "3"], "x"),
    "rappel_moment": (["1", "3", "Financement"], "blabla"),
    "rappel_numero": (["1", "3", "Financement", "1"], "12"),
    "reparation_vin": (["2", "1"], "WDD"),
    "reparation_besoin": (["2", "1", VIN], "x"),
    "reparation_date": (["2", "1", VIN, "Vidange"], "x"),
    "reparation_documents": (["2", "1", VIN, "Vidange", "mardi"], "blabla"),
    "reclamation_vin": (["3", "1"], "WDD"),
    "reclamation_recit": (["3", "1", "passer"], "euh"),
    "reclamation_documents": (["3", "1", "passer", "Le moteur fume"], "blabla"),
    "club_carte": (["4", "3"], "blabla"),
    "autre_chose": (["1", "1"], "blabla"),
    "offre_agent": (["blabla", "blabla", "blabla"], "blabla"),
    "collect_name": ([], "7"),
    "check_client": (["Fatou Diallo"], "blabla"),
}
BACK = {
    "menu_principal": "menu_principal",
    "essai_modele": "vehicules_neufs",
    "essai_date": "essai_modele",
    "essai_accord": "essai_date",
    "rappel_moment": "rappel_sujet",
    "rappel_numero": "rappel_moment",
    "reparation_vin": "apres_vente",
    "reparation_besoin": "reparation_vin",
    "reparation_date": "reparation_besoin",
    "reparation_documents": "reparation_date",
    "reclamation_vin": "reclamations",
    "reclamation_recit": "reclamation_vin",
    "reclamation_documents": "reclamation_recit",
    "club_carte": "club_vip",
}
at_every_question = pytest.mark.parametrize("question", EVERYWHERE)


def phone_at(question: str, **hooks: Any) -> Phone:
    known = STRANGER if question in ("collect_name", "check_client") else incoming()
    phone = Phone(known=known, hooks=hooks)
    phone.says(*EVERYWHERE[question][0])
    assert phone.current_widget == question
    return phone


def text(name: str) -> str:
    message = TEXTS[name]
    for setting, value in (SETTINGS | {"marque": "Mercedes-Benz"}).items():
        message = message.replace(f"{{{{flow.variables.{setting}}}}}", value)
    return typeset(message)


def goodbye(phone: Phone) -> bool:
    return phone.ended == "completed" and phone.hook_calls[-1] == ("complete", {"conversation_id": "17"})


# -- the beginning -----------------------------------------------------------------------------------


def test_it_has_no_problems() -> None:
    assert check_file(library.path_of("mercedes")) == ()


def test_a_known_client_is_welcomed_by_name_and_not_asked_again() -> None:
    phone = Phone()
    assert phone.replies[0].startswith("Bonjour Fatou Diallo, bienvenue chez Mercedes-Benz.")
    assert phone.current_widget == "menu_principal"
    assert "1. Véhicules neufs" in phone.replies[1]
    assert len(phone.replies) == 2


def test_an_unknown_client_is_asked_for_his_name_and_status_once() -> None:
    phone = Phone(known=STRANGER)
    assert phone.replies[0].startswith("Bonjour Fatou, bienvenue")
    assert "quel est votre nom complet" in phone.replies[1]
    assert typeset("Êtes-vous déjà client Mercedes-Benz ?") in phone.says("Fatou Diallo")[0]
    assert typeset("Que puis-je faire pour vous ?") in phone.says("Oui, depuis 2019")[0]
    assert [(params["widget_name"], params["user_input"]) for params in phone.calls_of("free-input")] == [
        ("collect_name", "Fatou Diallo"),
        ("check_client", "oui"),
    ]


def test_the_brand_is_the_desks_own() -> None:
    assert "bienvenue chez Renault." in Phone(data={"brand": "Renault"}).replies[0]


def test_only_unknown_fields_are_asked() -> None:
    assert Phone(known=incoming(client_status_known="false")).current_widget == "check_client"
    named = Phone(known=incoming(client_has_name="false"))
    assert named.current_widget == "collect_name"
    named.says("Fatou Diallo")
    assert named.current_widget == "menu_principal"


@pytest.mark.parametrize(
    ("answer", "stored"), [("1", "oui"), ("OUI", "oui"), ("2", "non"), ("pas encore", "non")]
)
def test_the_client_status_is_posted_as_oui_or_non(answer: str, stored: str) -> None:
    phone = phone_at("check_client")
    phone.says(answer)
    assert phone.calls_of("free-input")[-1]["user_input"] == stored


def test_a_client_without_any_name_is_welcomed() -> None:
    phone = Phone(known=STRANGER | {"whatsapp_profile_name": ""})
    assert phone.replies[0].startswith("Bonjour et bienvenue chez Mercedes-Benz.")


def test_after_a_hand_back_the_bot_skips_the_welcome() -> None:
    phone = Phone(data={"previous_agent": "Awa Diop", "reason": "…"})
    assert phone.replies[0] == text("reprise")
    assert phone.current_widget == "menu_principal"


@pytest.mark.parametrize(
    ("params", "replies"),
    [
        ({"agent_mode": "true", "status": "transferred"}, []),
        ({"pending_agent": "true", "status": "transferred"}, []),
        ({"pending_agent": "true", "waiting_due": "true"}, [text("agent_attendu")]),
        ({"agent_mode": "true", "waiting_due": "true"}, [text("agent_attendu")]),
    ],
)
def test_it_is_silent_while_an_agent_is_requested_or_present(
    params: dict[str, str], replies: list[str]
) -> None:
    phone = Phone(known=incoming(**params))
    assert phone.replies == replies
    assert phone.ended == "completed"
    assert [hook for hook, _ in phone.hook_calls] == ["incoming"]


def test_without_relais_the_client_gets_the_telephone_number() -> None:
    phone = Phone(hooks={"incoming": None})
    assert phone.replies == [text("panne")]
    assert "+212 5 22 00 00 00" in phone.replies[0]


def test_incoming_gets_the_whole_message_and_the_execution() -> None:
    params = Phone().calls_of("incoming")[0]
    assert params["From"] == "whatsapp:+212612000001"
    assert params["To"] == "whatsapp:+14155238886"
    assert (params["MessageSid"], params["Body"], params["ProfileName"]) == (
        f"SM{1:032}",
        "Bonjour",
        "Fatou",
    )
    assert (params["flow_sid"], params["execution_sid"]) == ("FW" + 32 * "2", "FN" + 32 * "1")


# -- at every question -------------------------------------------------------------------------------


@at_every_question
def test_quitter_ends_politely(question: str) -> None:
    phone = phone_at(question)
    assert phone.says(" Quitter ") == [text("au_revoir")]
    assert goodbye(phone)


@at_every_question
def test_a_time_out_after_one_hour_ends_politely(question: str) -> None:
    phone = phone_at(question)
    assert phone.waits(3599) == []
    assert phone.waits(1) == [text("silence")]
    assert goodbye(phone)


@at_every_question
def test_an_undelivered_question_ends_the_flow(question: str) -> None:
    phone = phone_at(question)
    assert phone.is_unreachable() == []
    assert goodbye(phone)


@at_every_question
@pytest.mark.parametrize("word", ["retour", "0"])
def test_retour_goes_one_step_back(question: str, word: str) -> None:
    phone = phone_at(question)
    phone.says(word)
    if question == "menu_principal" and word == "0":
        assert goodbye(phone)
    else:
        assert phone.current_widget == BACK.get(question, "menu_principal")


@at_every_question
def test_menu_goes_to_the_main_menu_and_posts_the_choice(question: str) -> None:
    phone = phone_at(question)
    phone.says("menu")
    assert phone.current_widget == "menu_principal"
    assert phone.calls_of("menu-choice")[-1]["menu_choice"] == "main_menu"


@at_every_question
def test_an_agent_can_be_requested(question: str) -> None:
    phone = phone_at(question)
    assert phone.says("Parler à un agent") == [text("agent_demande")]
    assert phone.calls_of("agent-transfer") == [
        {"conversation_id": "17", "reason": "Le client demande un agent"}
    ]
    assert phone.ended == "completed"
    assert phone.calls_of("complete") == []


@at_every_question
def test_a_wrong_answer_repeats_the_question_and_the_third_offers_an_agent(question: str) -> None:
    phone = phone_at(question)
    before, amiss = phone.replies[-1], EVERYWHERE[question][1]
    for _ in range(2):
        again = phone.says(amiss)[0]
        assert again.endswith(before)
        excuse = text("vin_pas_compris") if question.endswith("_vin") else text("pas_compris")
        assert again.startswith(excuse)
        assert phone.current_widget == question
    phone.says(amiss)
    if question == "offre_agent":
        assert phone.replies == [text("agent_demande")]
        assert phone.calls_of("agent-transfer")[0]["reason"] == "Le bot n'a pas compris le client"
    else:
        assert phone.current_widget == "offre_agent"


@at_every_question
def test_a_greeting_repeats_the_question_without_an_excuse(question: str) -> None:
    phone = phone_at(question)
    before = phone.replies[-1]
    assert phone.says("Bonjour") == [before]
    assert phone.current_widget == question


@at_every_question
def test_every_reply_is_posted_and_the_bot_ends_after_a_take_over(question: str) -> None:
    phone = phone_at(question)
    phone.known = phone.known | {"agent_mode": "true", "status": "transferred"}
    assert phone.says("1") == []
    assert phone.ended == "completed"
    hook, params = phone.hook_calls[-1]
    assert (hook, params["Body"]) == ("incoming", "1")
    assert params["MessageSid"] == f"SM{phone.messages:032}"


@at_every_question
def test_it_goes_on_if_the_hooks_fail(question: str) -> None:
    phone = phone_at(question)
    phone.hooks = dict.fromkeys(["incoming", *HOOKS])
    phone.says("menu")
    assert phone.current_widget == "menu_principal"
    phone.says("2")
    assert phone.current_widget == "apres_vente"
    phone.says("agent")
    assert phone.replies == [text("agent_injoignable")]
    assert phone.ended == "completed"


def test_the_error_count_restarts_with_each_question() -> None:
    phone = Phone()
    phone.says("blabla", "blabla", "1", "blabla", "blabla")
    assert phone.current_widget == "vehicules_neufs"
    phone.says("retour", "blabla", "blabla")
    assert phone.current_widget == "menu_principal"
    phone.says("blabla")
    assert phone.current_widget == "offre_agent"


def test_the_offer_of_an_agent_can_be_accepted_or_declined() -> None:
    phone = phone_at("offre_agent")
    assert phone.says("oui merci") == [text("agent_demande")]
    declined = phone_at("offre_agent")
    declined.says("2")
    assert declined.current_widget == "menu_principal"


# -- requests of clients -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "leads_to", "menu"),
    [
        ("1", "vehicules_neufs", "vehicules_neufs"),
        ("1.", "vehicules_neufs", "vehicules_neufs"),
        ("Véhicules neufs", "vehicules_neufs", "vehicules_neufs"),
        ("je voudrais acheter une voiture", "vehicules_neufs", "vehicules_neufs"),
        ("deux", "apres_vente", "apres_vente"),
        ("SAV", "apres_vente", "apres_vente"),
        ("Ma voiture est en panne.", "apres_vente", "apres_vente"),
        ("3", "reclamations", "reclamations"),
        ("une réclamation sur le service après-vente", "reclamations", "reclamations"),
        ("le club VIP", "club_vip", "club_vip"),
        ("5", "completed", "agent"),
        ("je veux un conseiller\ntout de suite", "completed", "agent"),
    ],
)
def test_the_main_menu_takes_numbers_and_words(message: str, leads_to: str, menu: str) -> None:
    phone = Phone()
    phone.says(message)
    assert phone.current_widget == leads_to
    params = phone.calls_of("menu-choice")[-1]
    assert params == {
        "conversation_id": "17",
        "menu_choice": menu,
        "user_input": message,
        "message_sid": f"SM{2:032}",
    }


@pytest.mark.parametrize(
    ("path", "page"),
    [
        (["1", "1"], "page_modeles"),
        (["1", "offres"], "page_offres"),
        (["2", "2"], "page_assistance"),
        (["2", "vos horaires ?"], "page_horaires"),
        (["4", "1"], "page_club"),
    ],
)
def test_pages_are_shown_and_then_something_else_is_offered(path: list[str], page: str) -> None:
    phone = Phone()
    replies = phone.says(*path)
    assert replies[0] == text(page)
    assert replies[1].startswith(typeset("Puis-je faire autre chose pour vous ?"))
    phone.says("1")
    assert phone.current_widget == "menu_principal"


def test_something_else_can_be_an_agent_or_the_end() -> None:
    assert phone_at("autre_chose").says("2") == [text("agent_demande")]
    phone = phone_at("autre_chose")
    assert phone.says("non merci") == [text("au_revoir")]
    assert goodbye(phone)


def reason(phone: Phone) -> str:
    assert phone.ended == "completed"
    return phone.calls_of("agent-transfer")[-1]["reason"]


def test_a_test_drive_is_requested() -> None:
    phone = phone_at("essai_accord")
    assert typeset("Modèle : Classe C\nMoment : samedi 10 h") in phone.replies[0]
    assert phone.says("oui") == [text("essai_transmis")]
    assert reason(phone) == typeset("Essai : Classe C, samedi 10 h")
    stored = [(params["widget_name"], params["user_input"]) for params in phone.calls_of("free-input")]
    assert stored == [("essai_modele", "Classe C"), ("essai_date", "samedi 10 h")]


def test_a_test_drive_can_be_corrected() -> None:
    phone = phone_at("essai_accord")
    phone.says("2", "GLC", "dimanche")
    assert typeset("Modèle : GLC\nMoment : dimanche") in phone.replies[0]


def test_very_long_answers_are_truncated() -> None:
    phone = phone_at("essai_modele")
    phone.says("a" * 1600, "b" * 1600)
    assert phone.current_widget == "essai_accord"
    phone.says("1")
    assert len(reason(phone)) < 500


@pytest.mark.parametrize(
    ("moment", "number", "expected_reason"),
    [
        ("1", "1", typeset("Rappel : Financement ; le matin ; numéro : WhatsApp")),
        ("l'après-midi", "celui-ci", typeset("Rappel : Financement ; l'après-midi ; numéro : WhatsApp")),
        (
            "3",
            "+212 5 22 11 22 33",
            typeset("Rappel : Financement ; dès que possible ; numéro : +212 5 22 11 22 33"),
        ),
    ],
)
def test_a_call_back_is_requested(moment: str, number: str, expected_reason: str) -> None:
    phone = phone_at("rappel_moment")
    assert phone.says(moment, number) == [text("rappel_transmis")]
    assert reason(phone) == expected_reason


def test_a_repair_is_requested_with_documents() -> None:
    phone = phone_at("reparation_documents")
    assert phone.sends("https://api.twilio.com/a.jpg")[0].startswith("Bien reçu.")
    assert phone.calls_of("incoming")[-1]["MediaUrl0"] == "https://api.twilio.com/a.jpg"
    assert phone.says("j'ai fini") == [text("reparation_transmise")]
    assert reason(phone) == typeset("Atelier : Vidange, mardi ; VIN WDD2050042R123456")
    stored = {params["widget_name"]: params["user_input"] for params in phone.calls_of("free-input")}
    assert stored == {
        "collect_vin": "WDD2050042R123456",
        "reparation_besoin": "Vidange",
        "reparation_date": "mardi",
    }


@pytest.mark.parametrize("question", ["reparation_documents", "reclamation_documents"])
def test_the_fifth_document_is_the_last(question: str) -> None:
    phone = phone_at(question)
    for number in range(4):
        phone.sends(f"https://api.twilio.com/{number}.jpg")
        assert phone.current_widget == question
    phone.sends("https://api.twilio.com/5.pdf", caption="la facture")
    assert phone.ended == "completed"
    assert len(phone.calls_of("agent-transfer")) == 1


def test_documents_are_optional() -> None:
    assert phone_at("reclamation_documents").says("1") == [text("reclamation_transmise")]


def test_a_claim_with_a_photo_of_the_registration() -> None:
    phone = phone_at("reclamation_vin")
    phone.sends("https://api.twilio.com/carte-grise.jpg")
    assert phone.says("Le moteur fume", "fini") == [text("reclamation_transmise")]
    assert reason(phone) == typeset("Réclamation : Le moteur fume ; sans VIN")


@pytest.mark.parametrize("vin", ["wdd2050042r123456", "WDD 205 004 2R 123456", "WDD-2050042-R123456"])
def test_a_vin_is_accepted_with_spaces_and_dashes(vin: str) -> None:
    phone = phone_at("reclamation_vin")
    phone.says(vin, "Le moteur fume", "1")
    assert phone.calls_of("free-input")[0]["user_input"] == "WDD2050042R123456"
    assert reason(phone) == typeset("Réclamation : Le moteur fume ; VIN WDD2050042R123456")


@pytest.mark.parametrize("vin", ["WDD2050042R12345", "WDD2050042R1234567", "WDD2O50042R123456"])
def test_an_invalid_vin_is_asked_for_again(vin: str) -> None:
    phone = phone_at("reclamation_vin")
    assert phone.says(vin)[0].startswith("Ce n'est pas un VIN")


def test_the_status_of_a_claim_is_requested() -> None:
    phone = Phone()
    assert phone.says("3", "2") == [text("suivi_transmis")]
    assert reason(phone) == "Suivi d'une réclamation"


def test_the_club_menu_works() -> None:
    phone = Phone()
    assert phone.says("4", "devenir membre") == [text("club_transmis")]
    assert reason(phone) == "Adhésion au Club VIP"
    member = phone_at("club_carte")
    assert member.says("vip 1234-5678")[0] == text("carte_notee")
    assert member.calls_of("free-input")[-1]["widget_name"] == "collect_carte_vip"
    assert member.calls_of("free-input")[-1]["user_input"] == "VIP12345678"
    assert member.current_widget == "autre_chose"


def test_a_request_that_is_not_transferred_ends_without_a_promise() -> None:
    late = {"success": "true", "transferred": "false", "status": "completed", "message": "…"}
    phone = phone_at("menu_principal", **{"agent-transfer": late})
    assert phone.says("5") == []
    assert phone.ended == "completed"


def test_a_failed_transfer_gives_the_telephone_number() -> None:
    phone = phone_at("menu_principal", **{"agent-transfer": None})
    assert phone.says("5") == [text("agent_injoignable")]
    assert goodbye(phone)


def test_the_flow_ends_if_the_complete_hook_fails() -> None:
    phone = phone_at("menu_principal", complete=None)
    assert phone.says("quitter") == [text("au_revoir")]
    assert phone.ended == "completed"
    assert "fin_non_dite" in phone.visited


# -- coverage ----------------------------------------------------------------------------------------

STORIES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["1", "1", "1", "2", "2", "1", "2", "3", "3"]),
    ({}, ["1", "4", "menu", "4", "1", "2"]),
    ({}, ["1", "2", "retour", "2", "Classe C", "samedi", "1"]),
    *(
        ({}, ["1", "3", "Financement", moment, number])
        for moment, number in zip("123", ("1", "0522112233", "1"), strict=True)
    ),
    ({}, ["2", "1", "retour", "1", VIN, "Vidange", "mardi", "1"]),
    ({}, ["3", "1", "retour", "1", VIN, "Le moteur fume", "1"]),
    ({}, ["3", "2"]),
    ({}, ["4", "2"]),
    ({}, ["4", "3", "retour", "3", "VIP1234"]),
    ({}, ["5"]),
    ({"known": STRANGER}, ["Fatou Diallo", "1"]),
    ({"known": STRANGER | {"whatsapp_profile_name": ""}}, ["Fatou Diallo", "2"]),
    ({"known": incoming(waiting_due="true")}, []),
    ({"hooks": {"incoming": None}}, []),
    ({"hooks": {"agent-transfer": None}}, ["5"]),
    ({"hooks": {"complete": None}}, ["quitter"]),
    ({"data": {"previous_agent": "Awa"}}, ["x", "x", "x", "x", "x", "x"]),
]


def test_every_widget_runs_at_least_once() -> None:
    visited: set[str] = set()
    for how, lines in STORIES:
        phone = Phone(**how)
        phone.says(*lines)
        visited |= phone.visited
    for question, (_, amiss) in EVERYWHERE.items():
        phone = phone_at(question)
        phone.says(amiss)
        phone.waits(3600)
        visited |= phone.visited
    for question in ("reparation_documents", "reclamation_documents"):
        phone = phone_at(question)
        phone.sends("https://api.twilio.com/a.jpg")
        visited |= phone.visited
    for parent in ("twilio-flow-agent-mode", "twilio-flow-bot-only"):
        phone = Phone(parent)
        phone.says("agent")
        visited |= phone.visited
    assert set(FLOWS["mercedes"].widgets) - visited == set()


def test_a_client_who_repeats_menus_reaches_no_limit() -> None:
    """Studio stops an execution in which the same widget runs more than ten times in a row."""
    phone = Phone()
    for _ in range(25):
        phone.says("1", "retour", "Bonjour")
    assert phone.current_widget == "menu_principal"
