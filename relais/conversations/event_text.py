"""Events as sentences: the text of the timeline's lines between messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from relais.clients.addresses import format_address
from relais.clients.models import FIELD_LABELS, field_label, opt_out_label
from relais.conversations.client_answers import humanize
from relais.conversations.refusal_texts import withheld_sentence
from relais.conversations.states import UNTIL_REPLY
from relais.text import has_visible_characters

if TYPE_CHECKING:
    from relais.conversations.models import ConversationEvent


def event_sentence(event: ConversationEvent) -> str:
    """Who did what, without the client's own words, which are the event's `event_quote`."""
    return SENTENCES.get(event.event_type, _event_type_label)(event)


def event_quote(event: ConversationEvent) -> str:
    has_reason = event.event_type in ("agent_transfer", "agent_release", "conversation_closed")
    quote = str(event.metadata.get("reason", "")) if has_reason else event.body
    return quote if has_visible_characters(quote) else ""


def _actor(event: ConversationEvent) -> str:
    return (event.author_name if has_visible_characters(event.author_name) else "") or {
        "client": _("Le client"),
        "bot": _("Le bot"),
        "agent": _("Un agent"),
        "api": _("Un programme"),
    }.get(event.author_kind, _("Relais"))


def _agent_requested(event: ConversationEvent) -> str:
    if "to" in event.metadata and event.metadata["to"] == event.author_id:
        return _taken_over(event)
    if "to" in event.metadata or "to_team" in event.metadata:
        return _("%(who)s a confié la conversation à %(agent)s") % {
            "who": _actor(event),
            "agent": event.metadata.get("to_name") or _("un agent"),
        }
    if event.author_kind == "agent":
        return _("%(who)s a demandé un agent") % {"who": _actor(event)}
    return _("Un agent est demandé")


def _taken_over(event: ConversationEvent) -> str:
    if event.metadata.get("assigned") == "next":
        return _("%(who)s a pris le client suivant") % {"who": _actor(event)}
    return _("%(who)s a pris la conversation") % {"who": _actor(event)}


def _handed_back(event: ConversationEvent) -> str:
    if event.metadata.get("to") == "queue":
        agent = event.metadata.get("previous_agent") or _("L'agent")
        return _("%(agent)s n'est plus là : la conversation attend un agent") % {"agent": agent}
    return _("%(who)s a rendu la conversation au bot") % {"who": _actor(event)}


def _closed(event: ConversationEvent) -> str:
    if "continues_in" in event.metadata:
        return _("C'est la même personne : la suite est dans la conversation n° %(number)s") % {
            "number": event.metadata["continues_in"]
        }
    return _("%(who)s a clôturé la conversation") % {"who": _actor(event)}


def _reopened(event: ConversationEvent) -> str:
    if "separated" in event.metadata:
        return _("%(who)s a annulé la fusion des clients : cette conversation reprend") % {
            "who": _actor(event)
        }
    return _("%(who)s a annulé la clôture") % {"who": _actor(event)}


def _note(event: ConversationEvent) -> str:
    if "continues" in event.metadata:
        return _("C'est la même personne que dans la conversation n° %(number)s, qui continue ici") % {
            "number": event.metadata["continues"]
        }
    if "to" in event.metadata:
        return _sent_to_other(event)
    if "client_changed" in event.metadata:
        labels = ", ".join(field_label(field) for field in event.metadata["client_changed"])
        return _("%(who)s a modifié la fiche du client : %(fields)s") % {
            "who": _actor(event),
            "fields": labels,
        }
    if "unread" in event.metadata:
        text = str(event.metadata.get("text", ""))
        return _("Non lu par le bot : « %(text)s »") % {"text": text} if text else _("Non lu par le bot")
    return _("Note de %(who)s") % {"who": _actor(event)}


def _sent_to_other(event: ConversationEvent) -> str:
    """The bot's flow sent a message to someone other than the client."""
    to = format_address(str(event.metadata["to"]))
    if "from" not in event.metadata:
        return _("Le bot a écrit à %(to)s") % {"to": to}
    sender = format_address(str(event.metadata["from"]))
    return _("Le bot a écrit à %(to)s depuis le %(from)s") % {"to": to, "from": sender}


def _menu_choice(event: ConversationEvent) -> str:
    menu = humanize(str(event.metadata.get("menu_choice", "")))
    return _("Menu « %(menu)s »") % {"menu": menu} if menu else _("Choix dans un menu")


def _free_input(event: ConversationEvent) -> str:
    step = asked_for(event)
    return _("Réponse à « %(step)s »") % {"step": step} if step else _("Réponse au bot")


def asked_for(event: ConversationEvent) -> str:
    """What the bot asked the client for, such as « Nom »; empty if it is unknown."""
    field, step = (str(event.metadata.get(name, "")) for name in ("field", "step"))
    label = FIELD_LABELS.get(field) or humanize(step)
    return _(label) if label else ""


def event_time(event: ConversationEvent) -> datetime | None:
    """The time that the sentence ends with; the page shows it in the reader's zone."""
    until = event.metadata.get("until") if event.event_type in ("snoozed", "snooze_ended") else None
    return datetime.fromisoformat(until) if until and until != UNTIL_REPLY else None


def _snoozed(event: ConversationEvent) -> str:
    if event_time(event):
        return _("%(who)s a mis la conversation en pause, rappel") % {"who": _actor(event)}
    return _("%(who)s a mis la conversation en pause jusqu'à la réponse du client") % {"who": _actor(event)}


def _snooze_ended(event: ConversationEvent) -> str:
    if event_time(event):
        return _("Fin de la pause, rappel prévu")
    return _("%(who)s a mis fin à la pause") % {"who": _actor(event)}


def _tags_changed(event: ConversationEvent) -> str:
    added, removed = (
        ", ".join(_("« %(tag)s »") % {"tag": tag} for tag in event.metadata.get(key, ()))
        for key in ("added", "removed")
    )
    fields = {"who": _actor(event), "added": added, "removed": removed}
    if added and removed:
        return _("%(who)s a changé les étiquettes : plus %(added)s, moins %(removed)s") % fields
    if added:
        count = len(event.metadata["added"])
        return (
            ngettext(
                "%(who)s a ajouté l'étiquette %(added)s", "%(who)s a ajouté les étiquettes %(added)s", count
            )
            % fields
        )
    count = len(event.metadata.get("removed", ()))
    return (
        ngettext(
            "%(who)s a retiré l'étiquette %(removed)s", "%(who)s a retiré les étiquettes %(removed)s", count
        )
        % fields
    )


def _error(event: ConversationEvent) -> str:
    if "opted_out" in event.metadata:
        return _("Le client refuse nos messages : %(why)s") % {
            "why": opt_out_label(str(event.metadata["opted_out"]))
        }
    if event.metadata.get("reason") == "window_closed":
        return _("Un message n'est pas parti : la fenêtre de 24 h s'était fermée entre-temps")
    if event.metadata.get("reason") == "opted_out":
        return _("Un message n'est pas parti : le client n'en veut plus depuis")
    if "withheld" in event.metadata:
        return _("Un message automatique a été retenu : il n'avait plus lieu d'être")
    if event.author_kind == "bot":
        return _("Le bot a rencontré une erreur")
    return _("Une erreur s'est produite")


def _scheduled_withheld(event: ConversationEvent) -> str:
    return _("Le message programmé de %(who)s n'est pas parti. %(why)s") % {
        "who": event.metadata.get("agent_name") or _("Un agent"),
        "why": withheld_sentence(str(event.metadata.get("reason", ""))),
    }


SENTENCES: dict[str, Callable[[ConversationEvent], str]] = {
    "agent_transfer": _agent_requested,
    "conversation_started": lambda event: _("%(who)s a commencé la conversation") % {"who": _actor(event)},
    "agent_takeover": _taken_over,
    "agent_release": _handed_back,
    "conversation_closed": _closed,
    "conversation_reopened": _reopened,
    "menu_choice": _menu_choice,
    "free_input": _free_input,
    "invalid_input": lambda event: _("Le bot n'a pas compris"),
    "flow_start": lambda event: _("Le bot commence son parcours"),
    "flow_complete": lambda event: _("Le bot a terminé son parcours"),
    "timeout": lambda event: _("Terminée sans suite : le client n'a plus répondu"),
    "error": _error,
    "note": _note,
    "tags_changed": _tags_changed,
    "snoozed": _snoozed,
    "snooze_ended": _snooze_ended,
    "scheduled_withheld": _scheduled_withheld,
}


def _event_type_label(event: ConversationEvent) -> str:
    return str(event.get_event_type_display())
