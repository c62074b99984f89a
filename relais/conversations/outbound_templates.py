"""Sending a message template: the only message that WhatsApp takes when the client's window is closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from relais.accounts.models import User
from relais.content_templates.rendering import render_known_template, render_template
from relais.conversations.events import Author
from relais.conversations.outgoing_text import held_until

if TYPE_CHECKING:
    from relais.conversations.models import Conversation, MessageDelivery


@dataclass(frozen=True)
class Template:
    """A message template that WhatsApp approved, by its SID (HX…) and the values of its variables."""

    content_sid: str
    content_variables: dict[str, str]


class SendTemplateMixin:
    @transaction.atomic
    def send_template_as_agent(
        self: Conversation,
        content_sid: str,
        variables: Mapping[str, str],
        *,
        agent: User,
        at: datetime,
        ref: str | None = None,
        undo_seconds: int = 0,
        metadata: Mapping[str, Any] | None = None,
    ) -> MessageDelivery:
        """The holder sends a template, in the window or outside. Idempotent by `ref` like `send_as_agent`.

        Its event has the text that the client reads. Raises also TemplateUnknown, TemplateNotApproved and
        VariablesMissing.
        """
        locked = self.locked()
        if known := locked.deliveries.with_ref(ref):
            return known
        locked._check_is_holder(agent)
        rendered = render_template(content_sid, variables)
        locked._check_window(at, is_template=True)
        return locked._create_outgoing(
            "agent_message",
            rendered.content.text,
            by=Author.from_user(agent),
            at=at,
            ref=ref,
            held_until=held_until(at, undo_seconds),
            metadata={**(metadata or {}), **rendered.metadata},
        )


def shown_template(template: Template, body: str) -> tuple[str, dict[str, Any]]:
    """Text and metadata of a program's template: what the client reads, if the template is known."""
    rendered = render_known_template(template.content_sid, template.content_variables)
    if rendered is None:
        return body, asdict(template)
    return body or rendered.content.text, rendered.metadata
