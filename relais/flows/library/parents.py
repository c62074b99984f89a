"""The two small flows for Twilio: they post each message to Relais, see who answers, and run the bot as a sub-flow."""

from __future__ import annotations

from relais.flows.library import PLACEHOLDER_BASE, PLACEHOLDER_SUBFLOW
from relais.flows.library.questions import incoming_params
from relais.flows.library.studio import Flow, Transition, match

KEYWORDS = ("mercedes", "bonjour", "hello", "salam")
SETTINGS = {"host": PLACEHOLDER_BASE, "marque": "Mercedes-Benz", "telephone": "+212 5 22 00 00 00"}
BRAND = "{{flow.variables.marque}}"
WELCOME = f"Bonjour et bienvenue chez {BRAND}. Je suis l'assistant de la maison."
WELCOME_BY_NAME = (
    f"Bonjour {{{{flow.variables.nom}}}}, bienvenue chez {BRAND}. Je suis l'assistant de la maison."
)
INVITATION = "Écrivez « Bonjour » pour parler avec l'assistant."
WAITING = f"Votre demande est bien reçue. Un agent {BRAND} vous répond dès que possible."
ERROR = (
    "Un incident m'empêche de vous répondre. Réessayez dans quelques minutes, "
    "ou appelez-nous au {{flow.variables.telephone}}."
)
ANSWER = "widgets.incoming.parsed"


def agent_mode() -> Flow:
    """With agents: the bot is silent while the conversation waits for an agent, or has one."""
    flow = Flow("Entrée WhatsApp : le bot et les agents")
    waiting = [
        match(f"{ANSWER}.waiting_due", "equal_to", "true", "faire_patienter", "attente à dire"),
        _held(),
        match(f"{ANSWER}.pending_agent", "equal_to", "true", None, "un agent est demandé"),
    ]
    _parent(flow, who_answers=waiting, agents="oui")
    flow.say("faire_patienter", (1, 4), WAITING, None)
    return flow


def bot_only() -> Flow:
    """Without agents: the bot gives a telephone number instead.

    If an agent takes a conversation all the same, the bot leaves it to him.
    """
    flow = Flow("Entrée WhatsApp : le bot seul")
    _parent(flow, who_answers=[_held()], agents="non")
    return flow


def _held() -> Transition:
    return match(f"{ANSWER}.agent_mode", "equal_to", "true", None, "un agent est là")


def _parent(flow: Flow, *, who_answers: list[Transition], agents: str) -> None:
    flow.trigger(incomingMessage="reglages")
    flow.set("reglages", (0, 1), "incoming", SETTINGS)
    flow.post(
        "incoming", (0, 2), "incoming", incoming_params("trigger.message"), then="qui_repond", failed="erreur"
    )
    flow.split("qui_repond", (0, 3), f"{ANSWER}.status", who_answers, "retenir")
    known = {
        "conversation_id": f"{{{{{ANSWER}.conversation_id}}}}",
        "nom": f"{{{{{ANSWER}.client_full_name | default: {ANSWER}.whatsapp_profile_name}}}}",
    }
    flow.set("retenir", (0, 4), "mot_cle", known)
    message = "trigger.message.Body"
    keywords = [match(message, "contains", word, "sans_nom", word) for word in KEYWORDS]
    flow.split("mot_cle", (0, 5), message, keywords, "inviter")
    flow.say("inviter", (1, 6), INVITATION, None)
    nameless = match("flow.variables.nom", "is_blank", "", "bienvenue_sans_nom", "sans nom")
    flow.split("sans_nom", (0, 6), "flow.variables.nom", [nameless], "bienvenue")
    flow.say("bienvenue", (0, 7), WELCOME_BY_NAME, "bot")
    flow.say("bienvenue_sans_nom", (1, 7), WELCOME, "bot")
    params = {
        "conversation_id": "{{flow.variables.conversation_id}}",
        "nom": "{{flow.variables.nom}}",
        "nom_connu": f"{{{{{ANSWER}.client_has_name}}}}",
        "client_connu": f"{{{{{ANSWER}.client_status_known}}}}",
        "flow_sid": "{{flow.flow_sid}}",
        "execution_sid": "{{flow.sid}}",
        "agents": agents,
    }
    flow.subflow("bot", (0, 8), PLACEHOLDER_SUBFLOW, params, then="complete", failed="erreur")
    ended = {"conversation_id": "{{flow.variables.conversation_id}}"}
    flow.post("complete", (0, 9), "complete", ended, then=None, failed="fin_non_dite")
    flow.set("fin_non_dite", (1, 9), None, {"fin": "Relais n'a pas répondu"})
    flow.say("erreur", (-1, 9), ERROR, None)
