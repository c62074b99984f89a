"""The steps in the form of a macro: repeatable groups of fields in their order on the page.

Each group has a key: `step` repeats the keys in order, and `type-KEY`, `text-KEY` … are the fields of one. Without
scripts a button `command` adds, moves or removes a group, and the form is shown again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from relais.accounts.models import Team, User
from relais.action_errors import InvalidField
from relais.company import company_settings
from relais.conversations.snooze_times import CHOICES
from relais.conversations.states import UNTIL_REPLY
from relais.conversations.tags import Tag
from relais.macros.step_rules import MAX_STEPS
from relais.macros.steps import (
    SNOOZE_DURATIONS,
    STEP_TYPE_BY_KIND,
    STEP_TYPES,
    Step,
    parse_duration,
    until_label,
)
from relais.quick_replies.models import QuickReply
from relais.web.request_fields import parse_id, text_field, text_list_field

FIELD_NAMES = ("text", "reply", "add", "remove", "to", "note", "until", "reason")
TEMPLATE_KEY = "__key__"


@dataclass
class StepGroup:
    """The fields of one step, with what was typed."""

    key: str
    kind: str
    values: dict[str, str] = field(default_factory=dict)
    number: int = 0

    @property
    def step_type(self) -> type[Step]:
        return STEP_TYPE_BY_KIND[self.kind]

    @property
    def recipient(self) -> User | Team | None:
        """Of a transfer; None if it is gone or not chosen yet."""
        kind, _separator, pk = self.values.get("to", "").partition(":")
        model: type[User] | type[Team] = Team if kind == "team" else User
        return model.objects.filter(pk=parse_id(pk)).first() if pk else None

    @property
    def other_until(self) -> str:
        """The words for a duration that is none of those offered."""
        until = self.values.get("until", "")
        if not until or until in (UNTIL_REPLY, *CHOICES, *SNOOZE_DURATIONS):
            return ""
        try:
            parse_duration(until)
        except (ValueError, OverflowError, TypeError):
            return ""
        return until_label(until)

    def to_json(self) -> dict[str, Any]:
        """As a program gives it."""
        values: dict[str, Any] = {"type": self.kind, **self.values}
        for name in ("add", "remove"):
            values[name] = [tag for tag in self.values.get(name, "").split(",") if tag.strip()]
        recipient_kind, _separator, pk = self.values.get("to", "").partition(":")
        if recipient_kind in ("agent", "team"):
            values[recipient_kind] = pk
        return values


def posted_groups(request: HttpRequest) -> list[StepGroup]:
    groups = []
    for key in text_list_field(request, "step")[: MAX_STEPS + 1]:
        kind = text_field(request, f"type-{key}")
        if kind in STEP_TYPE_BY_KIND:
            values = {name: text_field(request, f"{name}-{key}") for name in FIELD_NAMES}
            groups.append(StepGroup(key, kind, values))
    return _numbered(groups)


def stored_groups(steps: Sequence[dict[str, Any]]) -> list[StepGroup]:
    groups = []
    for number, step in enumerate(steps, start=1):
        values: dict[str, str] = {
            name: str(step[name]) for name in ("text", "reply", "note", "until", "reason") if name in step
        }
        values |= {name: ", ".join(step[name]) for name in ("add", "remove") if name in step}
        if step["type"] == "transfer":
            values["to"] = f"team:{step['team']}" if step["team"] else f"agent:{step['agent']}"
        groups.append(StepGroup(str(number), step["type"], values))
    return _numbered(groups)


def apply_command(groups: list[StepGroup], command: str) -> list[StepGroup]:
    """`add:KIND`, `up:KEY`, `down:KEY` or `remove:KEY`; an unknown command changes nothing."""
    verb, _separator, argument = command.partition(":")
    if verb == "add" and argument in STEP_TYPE_BY_KIND and len(groups) < MAX_STEPS:
        used = {int(group.key) for group in groups if group.key.isdecimal()}
        return _numbered([*groups, StepGroup(str(max(used, default=0) + 1), argument)])
    index = next((n for n, group in enumerate(groups) if group.key == argument), None)
    if index is None:
        return groups
    group = groups[index]
    rest = [*groups[:index], *groups[index + 1 :]]
    if verb == "remove":
        return _numbered(rest)
    if verb in ("up", "down"):
        rest.insert(max(0, index + (1 if verb == "down" else -1)), group)
        return _numbered(rest)
    return groups


def _numbered(groups: list[StepGroup]) -> list[StepGroup]:
    for number, group in enumerate(groups, start=1):
        group.number = number
    return groups


def given_steps(request: HttpRequest) -> list[Any] | None:
    """The steps of a form, or `steps` as JSON; None if a program gives none. Raises InvalidField."""
    if text_list_field(request, "step"):
        return [group.to_json() for group in posted_groups(request)]
    given = _raw_steps(request)
    if given is None or isinstance(given, list):
        return given
    raise InvalidField("steps", _("Donnez les étapes comme une liste d'objets JSON."))


def _raw_steps(request: HttpRequest) -> Any:
    try:
        if request.content_type == "application/json":
            body = json.loads(request.body)
            return body.get("steps") if isinstance(body, dict) else None
        return json.loads(request.POST["steps"]) if "steps" in request.POST else None
    except (ValueError, RecursionError):
        return ""


def choices_context(user: User) -> dict[str, Any]:
    """What the fields of steps offer."""
    return {
        "step_types": STEP_TYPES,
        "templates": [StepGroup(TEMPLATE_KEY, step_type.kind) for step_type in STEP_TYPES],
        "max_steps": MAX_STEPS,
        "replies": QuickReply.objects.visible_to(user)
        .filter(Q(files__isnull=False) | Q(choices__isnull=False))
        .distinct()
        .order_by("title_key"),
        "tags": Tag.objects.in_order().values_list("name", flat=True),
        "agents": User.objects.active().order_by("full_name"),
        "teams": Team.objects.all(),
        "until_choices": [
            (until, until_label(until)) for until in (UNTIL_REPLY, *CHOICES, *SNOOZE_DURATIONS)
        ],
        "close_reasons": company_settings.get_value(company_settings.CLOSE_REASONS),
    }
