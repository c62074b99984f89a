"""Translated labels for flows: widget types, events, conditions, problems and end reasons."""

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

VARIABLE_PATTERN = re.compile(r"\{\{-?\s*flow\.variables\.(\w+)\s*-?\}\}")
CONDITIONAL_PATTERN = re.compile(r"\{%-?\s*(if|unless|case)\b.*?\{%-?\s*end\1\s*-?%\}", re.DOTALL)
TAG_PATTERN = re.compile(r"\{%.*?%\}", re.DOTALL)
MAX_TEXT_CHARACTERS = 2_000
MESSAGE_WIDGETS = ("send-message", "send-and-wait-for-reply")

WIDGET_TYPE_LABELS: dict[str, tuple[Any, str]] = {
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
"""By widget type: its label and its icon."""
UNSUPPORTED_LABEL = (gettext_lazy("Non pris en charge"), "ban")

EVENT_LABELS: dict[str, Any] = {
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

TRIGGER_LABELS: dict[str, Any] = {
    "incomingMessage": gettext_lazy("Message d'un client"),
    "incomingConversationMessage": gettext_lazy("Message d'une conversation"),
    "incomingRequest": gettext_lazy("Appel REST"),
    "incomingParent": gettext_lazy("Appel d'un autre parcours"),
    "incomingCall": gettext_lazy("Appel vocal"),
}

CONDITION_LABELS: dict[str, Any] = {
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

PROBLEM_TEXTS: dict[str, Any] = {
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
SELF_EXPLANATORY_PROBLEMS = frozenset({"not_json", "bad_template", "bad_regex"})
"""Problems whose message is a parser's own, which is shown as it is."""
QUOTED_PATTERN = re.compile("“([^”]*)”")

END_REASON_LABELS: dict[str, Any] = {
    "completed": gettext_lazy("arrivé à sa fin"),
    "taken_over": gettext_lazy("interrompu : un agent a pris la suite"),
    "failed": gettext_lazy("arrêté : il a échoué plusieurs fois, un agent est demandé"),
    "max_steps": gettext_lazy("arrêté : trop d'états traversés"),
    "widget_loop": gettext_lazy("arrêté : le même état s'est répété"),
    "execution_too_long": gettext_lazy("arrêté : trop ancien"),
    "text_too_long": gettext_lazy("arrêté : un texte est devenu trop long"),
    "computation_too_long": gettext_lazy("arrêté : le calcul d'un état a pris trop de temps"),
}


def widget_label(widget: Widget) -> str:
    return str(WIDGET_TYPE_LABELS.get(widget.type, UNSUPPORTED_LABEL)[0])


def widget_icon(widget: Widget) -> str:
    return WIDGET_TYPE_LABELS.get(widget.type, UNSUPPORTED_LABEL)[1]


def event_label(transition: Transition, widget: Widget) -> str:
    """The event in one or two words; for a match, its conditions."""
    if transition.conditions:
        return _(" et ").join(condition_label(condition, widget) for condition in transition.conditions)
    return str(EVENT_LABELS.get(transition.event, transition.event))


def condition_label(condition: Condition, widget: Widget) -> str:
    template = str(CONDITION_LABELS.get(condition.type, f"{condition.type} %s"))
    label = template % condition.value.strip(", ") if "%s" in template else template
    argument = " ".join(condition.arguments)
    # The widget shows its input; name the argument only if this condition compares something else.
    return label if argument in ("", widget.text("input")) else f"{_short(argument)} {label}"


def _short(template: str) -> str:
    """The last part of a variable's path."""
    return template.strip("{} ").partition("|")[0].strip().rpartition(".")[2]


def problem_text(problem: Problem) -> str:
    return str(PROBLEM_TEXTS.get(problem.code, problem.message))


def problem_detail(problem: Problem) -> str:
    """The event or value that a problem is about."""
    if problem.code in SELF_EXPLANATORY_PROBLEMS:
        return problem.message
    return ", ".join(typeset(f"« {word} »") for word in QUOTED_PATTERN.findall(problem.message))


def verdict_label(verdict: Verdict) -> str:
    """What happens when an event of the trigger starts the flow."""
    start = TRIGGER_LABELS.get(verdict.event, verdict.event)
    if not verdict.is_available:
        return _("%(start)s : pas disponible ici") % {"start": start}
    if verdict.errors:
        template = ngettext(
            "%(start)s : %(number)s erreur en chemin",
            "%(start)s : %(number)s erreurs en chemin",
            verdict.errors,
        )
        return template % {"start": start, "number": verdict.errors}
    return _("%(start)s : le parcours s'exécute") % {"start": start}


def end_reason_label(reason: str) -> str:
    return str(END_REASON_LABELS.get(reason, reason))


def initial_variables(flow: Flow) -> dict[str, str]:
    """The first value of each of the flow's variables, to show messages as clients read them."""
    variables: dict[str, str] = {}
    for widget in flow.widgets.values():
        if widget.type == "set-variables":
            for name, value in widget.pairs("variables"):
                variables.setdefault(name, value)
    return variables


def substitute_variables(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables replaced by their values; twice, since values may name other variables."""
    for _pass in range(2):
        text = VARIABLE_PATTERN.sub(
            lambda match: variables.get(match[1], match[0])[:MAX_TEXT_CHARACTERS], text
        )
    return text[:MAX_TEXT_CHARACTERS]


def summary(widget: Widget, variables: Mapping[str, str] | str = "") -> str:
    """What a widget does, in one line."""
    match widget.type:
        case type_ if type_ in MESSAGE_WIDGETS:
            template_sid = widget.text("content_sid") if is_template(widget) else ""
            text = template_sid or widget.text("body") or widget.text("media_url")
            text = substitute_variables(text, variables if isinstance(variables, Mapping) else {})
            text = TAG_PATTERN.sub(" ", CONDITIONAL_PATTERN.sub(" ", text))
        case "split-based-on":
            text = widget.text("input")
        case "set-variables":
            text = ", ".join(key for key, _value in widget.pairs("variables"))
        case "make-http-request":
            text = f"{widget.text('method')} {widget.text('url')}"
        case "run-function":
            text = widget.text("url")
        case "run-subflow":
            text = widget.text("flow_sid")
        case "trigger":
            text = ""
        case _:
            text = widget.type
    return " ".join(text.replace("{{", "").replace("}}", "").split())


def properties(widget: Widget, variables: Mapping[str, str] | str = "") -> Iterator[tuple[str, str]]:
    """The labels and values of a widget's properties, without its position on Studio's canvas."""
    property_labels = _property_labels()
    if widget.type in MESSAGE_WIDGETS and isinstance(variables, Mapping):
        text = substitute_variables(widget.text("body"), variables)
        if text != widget.text("body"):
            yield _("Avec ses variables"), text
    for name, value in widget.properties.items():
        if name in ("offset", "service", "channel") or value in (None, "", [], {}):
            continue
        if name in ("from", "to") and value in (OUR_ADDRESS, THEIR_ADDRESS):
            continue
        if isinstance(value, list):
            yield from widget.pairs(name)
        else:
            yield property_labels.get(name, name), widget.text(name)


def _property_labels() -> Mapping[str, str]:
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
