"""What a macro's steps must satisfy when they are saved. Each refusal names the step and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from relais.accounts.models import Team, User
from relais.action_errors import ActionRefused, InvalidField
from relais.company import company_settings
from relais.conversations.snooze import MAX_SNOOZE
from relais.conversations.snooze_times import CHOICES
from relais.conversations.states import UNTIL_REPLY
from relais.conversations.tagging import MAX_TAGS_PER_CONVERSATION, may_make_tags
from relais.conversations.tags import Tag, clean_tag_name
from relais.macros.steps import (
    STEP_TYPE_BY_KIND,
    CloseStep,
    NoteStep,
    SendStep,
    SnoozeStep,
    Step,
    TagStep,
    TransferStep,
    parse_duration,
)
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.notes.limits import MAX_NOTE_CHARACTERS
from relais.quick_replies.models import QuickReply, unknown_variables_sentence
from relais.text import fold, has_visible_characters, sanitize_for_postgres

MAX_STEPS = 20
MAX_REASON_CHARACTERS = 200
MAX_TRANSFER_NOTE_CHARACTERS = 500
Fields = dict[str, Any]


class InvalidStep(InvalidField):
    """`step` is its number, from 1."""

    def __init__(self, number: int, label: str, sentence: str) -> None:
        self.step = number
        super().__init__(
            "steps",
            _("Étape %(number)s (%(label)s) : %(sentence)s")
            % {"number": number, "label": label, "sentence": sentence},
        )


def clean_steps(data: Sequence[Any], *, by: User) -> list[Step]:
    """The steps that someone gave as JSON objects. Raises InvalidField, mostly InvalidStep."""
    if not data:
        raise InvalidField("steps", _("Ajoutez au moins une étape."))
    if len(data) > MAX_STEPS:
        raise InvalidField(
            "steps",
            _("Une macro a au plus %(most)s étapes. Faites-en deux macros.") % {"most": MAX_STEPS},
        )
    steps = [_clean_step(number, each, by) for number, each in enumerate(data, start=1)]
    for number, step in enumerate(steps, start=1):
        if sentence := _order_problem(steps[: number - 1], step):
            raise InvalidStep(number, str(step.label), sentence)
    return steps


def _clean_step(number: int, data: Any, by: User) -> Step:
    fields = data if isinstance(data, dict) else {}
    kind = _text(fields, "type")
    if kind not in STEP_TYPE_BY_KIND:
        known = ", ".join(STEP_TYPE_BY_KIND)
        raise InvalidStep(
            number, kind, _("ce type d'étape est inconnu. Les types sont %(known)s.") % {"known": known}
        )
    try:
        return _CLEANERS[kind](fields, by)
    except ActionRefused as refusal:
        raise InvalidStep(number, str(STEP_TYPE_BY_KIND[kind].label), _as_continuation(refusal)) from refusal


def _as_continuation(refusal: ActionRefused) -> str:
    """After a colon, as French writes it."""
    sentence = str(refusal)
    return sentence[:1].lower() + sentence[1:]


def _clean_send(fields: Fields, by: User) -> Step:
    if not _text(fields, "reply"):
        return SendStep(_variable_text(fields, MAX_MESSAGE_CHARACTERS))
    reply = _id(fields, "reply") or 0
    if not QuickReply.objects.visible_to(by).filter(pk=reply).exists():
        raise InvalidField("reply", _("Choisissez une réponse rapide dans la liste."))
    has_text = has_visible_characters(_text(fields, "text"))
    return SendStep(_variable_text(fields, MAX_MESSAGE_CHARACTERS) if has_text else "", reply)


def _clean_note(fields: Fields, by: User) -> Step:
    return NoteStep(_variable_text(fields, MAX_NOTE_CHARACTERS))


def _variable_text(fields: Fields, max_characters: int) -> str:
    text = _text(fields, "text")
    if not has_visible_characters(text):
        raise InvalidField("text", _("Écrivez le texte, ou retirez l'étape."))
    if len(text) > max_characters:
        raise InvalidField("text", too_long_sentence(len(text), max_characters))
    if sentence := unknown_variables_sentence(text):
        raise InvalidField("text", sentence)
    return text


def too_long_sentence(length: int, max_characters: int) -> str:
    return _("Le texte a %(length)s caractères, et %(most)s au plus sont possibles. Raccourcissez-le.") % {
        "length": length,
        "most": max_characters,
    }


def _clean_tags(fields: Fields, by: User) -> Step:
    add, remove = _tag_names(fields, "add"), _tag_names(fields, "remove")
    if not add and not remove:
        raise InvalidField("tags", _("Indiquez au moins une étiquette, ou retirez l'étape."))
    if len(add) > MAX_TAGS_PER_CONVERSATION:
        raise InvalidField(
            "tags",
            _("Une conversation porte au plus %(most)s étiquettes. Retirez-en.")
            % {"most": MAX_TAGS_PER_CONVERSATION},
        )
    if both := {fold(name) for name in add} & {fold(name) for name in remove}:
        raise InvalidField(
            "tags",
            _("L'étiquette « %(tag)s » y est à la fois ajoutée et retirée. Choisissez.") % {"tag": min(both)},
        )
    if not may_make_tags(by):
        for name in add:
            if not Tag.objects.named(name).exists():
                raise InvalidField(
                    "tags",
                    _(
                        "L'étiquette « %(tag)s » n'existe pas, et seul un superviseur peut en créer. "
                        "Prenez-en une qui existe."
                    )
                    % {"tag": name},
                )
    return TagStep(add, remove)


def _tag_names(fields: Fields, name: str) -> tuple[str, ...]:
    values = fields.get(name) or ()
    values = values if isinstance(values, list | tuple) else (values,)
    names = {fold(cleaned): cleaned for cleaned in (clean_tag_name(str(value)) for value in values)}
    if with_comma := [cleaned for cleaned in names.values() if "," in cleaned]:
        # The form of a macro separates tags by commas.
        raise InvalidField(
            "tags",
            _("Le nom « %(tag)s » contient une virgule. Renommez l'étiquette.") % {"tag": with_comma[0]},
        )
    return tuple(names.values())


def _clean_transfer(fields: Fields, by: User) -> Step:
    note = _text(fields, "note")
    if len(note) > MAX_TRANSFER_NOTE_CHARACTERS:
        raise InvalidField("note", too_long_sentence(len(note), MAX_TRANSFER_NOTE_CHARACTERS))
    agent, team = _id(fields, "agent"), _id(fields, "team")
    if (agent is None) == (team is None):
        raise InvalidField("agent", _("Choisissez un collègue ou une équipe dans la liste."))
    if team is not None and not Team.objects.filter(pk=team).exists():
        raise InvalidField("team", _("Cette équipe n'existe plus. Choisissez-en une autre."))
    if agent is not None and not User.objects.active().filter(pk=agent).exists():
        raise InvalidField("agent", _("Ce collègue n'a plus de compte actif. Choisissez-en un autre."))
    return TransferStep(agent, team, note)


def _id(fields: Fields, name: str) -> int | None:
    value = _text(fields, name)
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


def _clean_snooze(fields: Fields, by: User) -> Step:
    until = _text(fields, "until")
    if until != UNTIL_REPLY and until not in CHOICES:
        try:
            duration = parse_duration(until)
        except (ValueError, OverflowError, TypeError) as error:
            raise InvalidField("until", _("Choisissez une durée dans la liste.")) from error
        if not timedelta(0) < duration <= MAX_SNOOZE:
            raise InvalidField("until", _("Choisissez une durée d'un an au plus."))
    return SnoozeStep(until)


def _clean_close(fields: Fields, by: User) -> Step:
    reason = " ".join(_text(fields, "reason").split())
    if len(reason) > MAX_REASON_CHARACTERS:
        raise InvalidField("reason", too_long_sentence(len(reason), MAX_REASON_CHARACTERS))
    if not reason and company_settings.get_value(company_settings.CLOSE_REASON_REQUIRED):
        raise InvalidField("reason", _("Un motif est exigé à la clôture. Indiquez-le."))
    return CloseStep(reason)


_CLEANERS: dict[str, Callable[[Fields, User], Step]] = {
    "send": _clean_send,
    "note": _clean_note,
    "tags": _clean_tags,
    "transfer": _clean_transfer,
    "snooze": _clean_snooze,
    "close": _clean_close,
}


def _order_problem(before: Sequence[Step], step: Step) -> str:
    """Why the step cannot follow those before it; empty if it can."""
    if any(isinstance(each, CloseStep) for each in before):
        return _("elle suit la clôture, qui est la dernière étape. Placez-la avant.")
    if any(isinstance(each, TransferStep) for each in before) and not isinstance(step, TagStep | NoteStep):
        return _("après le transfert, la conversation est à quelqu'un d'autre. Placez-la avant le transfert.")
    if not any(isinstance(each, SnoozeStep) for each in before):
        return ""
    if isinstance(step, SnoozeStep):
        return _("la macro met déjà en pause. Retirez l'une des deux.")
    if isinstance(step, TransferStep | CloseStep):
        return _("elle mettrait fin à la pause. Retirez l'une des deux étapes.")
    return ""


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    is_scalar = isinstance(value, str | int) and not isinstance(value, bool)
    return sanitize_for_postgres(str(value)).replace("\r\n", "\n").strip() if is_scalar else ""
