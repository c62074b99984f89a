"""Flows in the reader's words: kinds of states, events, conditions, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from relais.flows.engine import Condition, Flow, Problem, Transition, Widget
from relais.flows.engine.widgets.messages import OUR_ADDRESS, THEIR_ADDRESS, is_template
from relais.flows.triggers import Verdict
from relais.typography import typeset

VARIABLE = re.compile(r"\{\{-?\s*flow\.variables\.(\w+)\s*-?\}\}")
ASIDE = re.compile(r"\{%-?\s*(if|unless|case)\b.*?\{%-?\s*end\1\s*-?%\}", re.DOTALL)
TAG = re.compile(r"\{%.*?%\}", re.DOTALL)
LONGEST = 2_000
SAYING = ("send-message", "send-and-wait-for-reply")

KINDS: dict[str, tuple[Any, str]] = {
    "trigger": (gettext_lazy("Départ"), "zap"),
    "send-message": (gettext_lazy("Message"), "message-square"),
    "send-and-wait-for-reply": (gettext_lazy("Question"), "message-circle-question-mark"),
    "split-based-on": (gettext_lazy("Aiguillage"), "split"),
    "set-variables": (gettext_lazy("Variables"), "variable"),
    "make-http-request": (gettext_lazy("Requête"), "globe"),
    "run-function": (gettext_lazy("Fonction"), "square-function"),
    "run-subflow": (gettext_lazy("Sous-parcours"), "workflow"),
    "send-to-flex": (gettext_lazy("Demande d'agent"), "headset"),
    "enqueue-call": (gettext_lazy("Demande d'agent"), "headset"),
}
"""By type: its name, its icon."""
UNKNOWN_KIND = (gettext_lazy("Non pris en charge"), "ban")

EVENTS: dict[str, Any] = {
    "incomingMessage": gettext_lazy("réponse"),
    "incomingConversationMessage": gettext_lazy("message d'une conversation"),
    "incomingCall": gettext_lazy("appel vocal"),
    "incomingRequest": gettext_lazy("appel REST"),
    "incomingParent": gettext_lazy("appel d'un parcours"),
    "timeout": gettext_lazy("silence"),
    "deliveryFailure": gettext_lazy("non remis"),
    "sent": gettext_lazy("envoyé"),
    "failed": gettext_lazy("échec"),
    "fail": gettext_lazy("échec"),
    "success": gettext_lazy("réussite"),
    "completed": gettext_lazy("terminé"),
    "next": gettext_lazy("ensuite"),
    "noMatch": gettext_lazy("sinon"),
    "failedToEnqueue": gettext_lazy("échec"),
    "callComplete": gettext_lazy("terminé"),
    "callFailure": gettext_lazy("échec"),
}

STARTS: dict[str, Any] = {
    "incomingMessage": gettext_lazy("Message d'un client"),
    "incomingConversationMessage": gettext_lazy("Message d'une conversation"),
    "incomingRequest": gettext_lazy("Appel REST"),
    "incomingParent": gettext_lazy("Appel d'un autre parcours"),
    "incomingCall": gettext_lazy("Appel vocal"),
}

CONDITIONS: dict[str, Any] = {
    "equal_to": "= %s",
    "not_equal_to": "≠ %s",
    "matches_any_of": gettext_lazy("parmi %s"),
    "does_not_match_any_of": gettext_lazy("hors de %s"),
    "is_blank": gettext_lazy("vide"),
    "is_not_blank": gettext_lazy("non vide"),
    "regex": gettext_lazy("motif %s"),
    "contains": gettext_lazy("contient %s"),
    "does_not_contain": gettext_lazy("sans %s"),
    "starts_with": gettext_lazy("commence par %s"),
    "does_not_start_with": gettext_lazy("ne commence pas par %s"),
    "less_than": "< %s",
    "greater_than": "> %s",
    "is_before_time": gettext_lazy("avant %s"),
    "is_after_time": gettext_lazy("après %s"),
    "is_before_date": gettext_lazy("avant le %s"),
    "is_after_date": gettext_lazy("après le %s"),
}

PROBLEMS: dict[str, Any] = {
    "not_json": gettext_lazy("Ce n'est pas du JSON. Donnez le fichier tel que Studio l'exporte."),
    "not_a_flow": gettext_lazy("Ce n'est pas un parcours : il n'a pas de liste d'états."),
    "unreadable": gettext_lazy("Le fichier ne se lit pas comme un texte en UTF-8."),
    "bad_state": gettext_lazy("Un état doit avoir un nom et un type."),
    "duplicate_name": gettext_lazy("Un autre état porte déjà ce nom."),
    "no_initial_state": gettext_lazy("Le parcours ne commence pas par un état de départ qui existe."),
    "bad_name": gettext_lazy("Un nom commence par une lettre et n'a ni espace ni point."),
    "dangling_next": gettext_lazy("Une transition mène à un état qui n'existe pas."),
    "unknown_event": gettext_lazy("Cet état n'a pas d'événement de ce nom."),
    "repeated_event": gettext_lazy("Une seconde transition du même événement n'est jamais prise."),
    "unreachable": gettext_lazy("Aucune transition ne mène à cet état."),
    "no_branch": gettext_lazy("Rien ne suit un cas qui arrive : le parcours s'arrête là sans un mot."),
    "no_property": gettext_lazy("Une propriété dont cet état a besoin manque, ou est vide."),
    "no_key": gettext_lazy("Une valeur n'a pas de nom."),
    "no_condition": gettext_lazy("Un cas sans condition n'est jamais pris."),
    "unknown_condition": gettext_lazy("Ce type de condition n'existe pas."),
    "bad_value": gettext_lazy("Cette condition n'est jamais vraie : sa valeur n'est pas du bon type."),
    "bad_regex": gettext_lazy("Cette expression régulière ne peut pas être exécutée."),
    "bad_template": gettext_lazy("Ce modèle Liquid est faux."),
    "unknown_widget": gettext_lazy("Un modèle lit un état qui n'existe pas."),
    "bad_timeout": gettext_lazy("La durée d'attente n'est pas un nombre de secondes."),
    "bad_method": gettext_lazy("Une requête est GET ou POST."),
    "bad_subflow": gettext_lazy("Le SID d'un sous-parcours doit être écrit tel quel."),
    "unsupported_trigger": gettext_lazy(
        "Un parcours ne commence pas ainsi ici : il le fait par un message du client."
    ),
    "no_start": gettext_lazy(
        "Aucun message de client ne fait commencer ce parcours : il ne peut pas répondre ici."
    ),
    "other_sender": gettext_lazy(
        "Ce message part toujours du même numéro, même si le client a écrit à un autre."
    ),
    "other_recipient": gettext_lazy(
        "Une question va au client et attend sa réponse : elle ne peut pas aller à quelqu'un d'autre."
    ),
    "unsupported_widget": gettext_lazy("Ce type d'état n'existe pas ici : il prend sa transition d'échec."),
    "too_large": gettext_lazy("Twilio n'accepte que 1 Mo par parcours."),
    "too_many_states": gettext_lazy("Twilio n'accepte que 1 000 états par parcours."),
}
PARSERS = frozenset({"not_json", "bad_template", "bad_regex"})
"""Problems that a parser explains in its own words, which are worth more than none."""
QUOTED = re.compile("“([^”]*)”")

END_REASONS: dict[str, Any] = {
    "completed": gettext_lazy("arrivé à sa fin"),
    "taken_over": gettext_lazy("interrompu : un agent a pris la suite"),
    "failed": gettext_lazy("arrêté : il a échoué plusieurs fois, un agent est demandé"),
    "max_steps": gettext_lazy("arrêté : trop d'états traversés"),
    "widget_loop": gettext_lazy("arrêté : le même état s'est répété"),
    "execution_too_long": gettext_lazy("arrêté : trop ancien"),
    "text_too_long": gettext_lazy("arrêté : un texte est devenu trop long"),
    "computation_too_long": gettext_lazy("arrêté : le calcul d'un état a pris trop de temps"),
}


def kind(widget: Widget) -> str:
    return str(KINDS.get(widget.type, UNKNOWN_KIND)[0])


def icon(widget: Widget) -> str:
    return KINDS.get(widget.type, UNKNOWN_KIND)[1]


def event(transition: Transition, widget: Widget) -> str:
    """In one or two words; of a choice, its condition."""
    if transition.conditions:
        return _(" et ").join(condition(found, widget) for found in transition.conditions)
    return str(EVENTS.get(transition.event, transition.event))


def condition(found: Condition, widget: Widget) -> str:
    words = str(CONDITIONS.get(found.type, f"{found.type} %s"))
    said = words % found.value.strip(", ") if "%s" in words else words
    argument = " ".join(found.arguments)
    # What is compared stands above, unless this condition compares something else.
    return said if argument in ("", widget.text("input")) else f"{_short(argument)} {said}"


def _short(template: str) -> str:
    """The last word of a variable's path."""
    return template.strip("{} ").partition("|")[0].strip().rpartition(".")[2]


def sentence(problem: Problem) -> str:
    return str(PROBLEMS.get(problem.code, problem.message))


def explanation(problem: Problem) -> str:
    """Which event or value it is about."""
    if problem.code in PARSERS:
        return problem.message
    return ", ".join(typeset(f"« {word} »") for word in QUOTED.findall(problem.message))


def verdict(found: Verdict) -> str:
    """What becomes of a flow that is started in one way."""
    start = STARTS.get(found.event, found.event)
    if not found.is_available:
        return _("%(start)s : pas disponible ici") % {"start": start}
    if found.errors:
        said = ngettext(
            "%(start)s : %(number)s erreur en chemin",
            "%(start)s : %(number)s erreurs en chemin",
            found.errors,
        )
        return said % {"start": start, "number": found.errors}
    return _("%(start)s : le parcours s'exécute") % {"start": start}


def ended(reason: str) -> str:
    return str(END_REASONS.get(reason, reason))


def texts(flow: Flow) -> dict[str, str]:
    """What a flow's variables are first set to, so that a message can be shown as it reads."""
    found: dict[str, str] = {}
    for widget in flow.widgets.values():
        if widget.type == "set-variables":
            for name, value in widget.pairs("variables"):
                found.setdefault(name, value)
    return found


def read(text: str, known: Mapping[str, str]) -> str:
    """A text whose variables are told as they first are; two deep, for texts that name others."""
    for _turn in range(2):
        text = VARIABLE.sub(lambda name: known.get(name[1], name[0])[:LONGEST], text)
    return text[:LONGEST]


def gist(widget: Widget, known: Mapping[str, str] | str = "") -> str:
    """What a state does, in one line."""
    match widget.type:
        case kind if kind in SAYING:
            said = widget.text("content_sid") if is_template(widget) else ""
            said = said or widget.text("body") or widget.text("media_url")
            said = TAG.sub(" ", ASIDE.sub(" ", read(said, known if isinstance(known, Mapping) else {})))
        case "split-based-on":
            said = widget.text("input")
        case "set-variables":
            said = ", ".join(key for key, _value in widget.pairs("variables"))
        case "make-http-request":
            said = f"{widget.text('method')} {widget.text('url')}"
        case "run-function":
            said = widget.text("url")
        case "run-subflow":
            said = widget.text("flow_sid")
        case "trigger":
            said = ""
        case _:
            said = widget.type
    return " ".join(said.replace("{{", "").replace("}}", "").split())


def facts(widget: Widget, known: Mapping[str, str] | str = "") -> Iterator[tuple[str, str]]:
    """What is written in a state, name and text; where it stands on Studio's canvas is not told."""
    names = _names()
    if widget.type in SAYING and isinstance(known, Mapping):
        said = read(widget.text("body"), known)
        if said != widget.text("body"):
            yield _("Avec ses variables"), said
    for name, value in widget.properties.items():
        if name in ("offset", "service", "channel") or value in (None, "", [], {}):
            continue
        if name in ("from", "to") and value in (OUR_ADDRESS, THEIR_ADDRESS):
            continue
        if isinstance(value, list):
            yield from widget.pairs(name)
        else:
            yield names.get(name, name), widget.text(name)


def _names() -> Mapping[str, str]:
    return {
        "to": _("Destinataire"),
        "from": _("Numéro d'envoi"),
        "body": _("Texte"),
        "timeout": _("Attente, en secondes"),
        "input": _("Ce qui est comparé"),
        "method": _("Méthode"),
        "url": _("Adresse"),
        "content_type": _("Type de contenu"),
        "media_url": _("Média"),
        "flow_sid": _("Parcours"),
    }
