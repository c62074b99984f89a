"""A template with its values, checked: what may be sent, and what the client will read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from relais.action_errors import ActionRefused
from relais.content_templates.content import Content
from relais.content_templates.models import ContentTemplate
from relais.content_templates.states import status_advice, status_label
from relais.text import has_visible_characters, sanitize_for_postgres

MAX_VALUE_CHARACTERS = 1_024
_WHITESPACE = re.compile(r"\s+")


class TemplateUnknown(ActionRefused):
    code = "template_unknown"

    def __init__(self) -> None:
        super().__init__(
            _("Ce modèle n'existe pas, ou plus. Choisissez-en un autre, ou actualisez la liste des modèles.")
        )


class TemplateNotApproved(ActionRefused):
    code = "template_not_approved"

    def __init__(self, template: ContentTemplate) -> None:
        sentence = _("WhatsApp n'accepte pas le modèle « %(name)s » : %(status)s. Choisissez-en un autre.")
        super().__init__(sentence % {"name": template.name, "status": status_label(template.status).lower()})
        self.advice = status_advice(template.status)


class VariablesMissing(ActionRefused):
    code = "variables_missing"

    def __init__(self, template: ContentTemplate, names: list[str]) -> None:
        self.names = names
        super().__init__(
            _("Remplissez toutes les variables du modèle « %(name)s ». Il manque : %(missing)s.")
            % {"name": template.name, "missing": ", ".join(f"{{{{{name}}}}}" for name in names)}
        )


@dataclass(frozen=True)
class RenderedTemplate:
    content_sid: str
    name: str
    variables: dict[str, str]
    content: Content

    @property
    def metadata(self) -> dict[str, Any]:
        """What the event of the message keeps besides its text."""
        return {
            "content_sid": self.content_sid,
            "content_variables": self.variables,
            "template": {
                "name": self.name,
                "buttons": [
                    {"kind": each.kind, "title": each.title, "target": each.target}
                    for each in self.content.buttons
                ],
                "media": list(self.content.media),
            },
        }


def render_template(content_sid: str, values: Mapping[str, str]) -> RenderedTemplate:
    """For an agent. Raises TemplateUnknown, TemplateNotApproved or VariablesMissing."""
    template = ContentTemplate.objects.filter(content_sid=content_sid, removed_at=None).first()
    if template is None:
        raise TemplateUnknown
    if not template.is_approved:
        raise TemplateNotApproved(template)
    given = clean_values(values)
    missing = [name for name in template.variables if name not in given]
    if missing:
        raise VariablesMissing(template, missing)
    return _rendered(template, {name: given[name] for name in template.variables})


def render_known_template(content_sid: str, values: Mapping[str, str]) -> RenderedTemplate | None:
    """For the history of a program's message: whatever state the template is in; None if it is unknown."""
    template = ContentTemplate.objects.filter(content_sid=content_sid).first()
    return _rendered(template, {**template.samples, **values}, dict(values)) if template else None


def _rendered(
    template: ContentTemplate, values: Mapping[str, str], sent: dict[str, str] | None = None
) -> RenderedTemplate:
    variables = dict(values) if sent is None else sent
    return RenderedTemplate(template.content_sid, template.name, variables, template.parsed.fill(values))


def clean_values(values: Mapping[str, str]) -> dict[str, str]:
    """As WhatsApp takes them: one line each, without runs of spaces. Empty ones are left out."""
    cleaned = {
        name: _WHITESPACE.sub(" ", sanitize_for_postgres(value)).strip()[:MAX_VALUE_CHARACTERS]
        for name, value in values.items()
    }
    return {name: value for name, value in cleaned.items() if has_visible_characters(value)}
