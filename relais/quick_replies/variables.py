"""The variables of a reply's text, such as `{client}`, and how they are filled for a conversation."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy

from relais.accounts.models import User
from relais.company import company_settings
from relais.text import fold
from relais.web.language_tags import babel_locale

PLACEHOLDER = re.compile(r"[ \u00a0]?\{([^{}\n]{0,40})\}")
SAMPLE_CLIENT_NAME = "Fatou Diallo"


@dataclass(frozen=True)
class FillContext:
    """What the variables stand for in one conversation."""

    client_name: str
    agent_name: str
    brand: str
    today: date
    language: str
    signature: str = ""


@dataclass(frozen=True)
class Variable:
    name: str
    label: Any
    value: Callable[[FillContext], str]
    aliases: tuple[str, ...] = ()
    """Other names, as in texts written in English."""

    @property
    def placeholder(self) -> str:
        return f"{{{self.name}}}"


def _first_name(context: FillContext) -> str:
    return next(iter(context.client_name.split()), "")


def _date_in_words(context: FillContext) -> str:
    from babel.dates import format_date  # Large, and not needed at startup.

    return str(format_date(context.today, "full", locale=babel_locale(context.language)))


VARIABLES = (
    Variable("client", gettext_lazy("nom du client"), lambda context: context.client_name, ("nom", "name")),
    Variable("prénom", gettext_lazy("prénom du client"), _first_name, ("first_name", "firstname")),
    Variable("agent", gettext_lazy("votre nom"), lambda context: context.agent_name),
    Variable("signature", gettext_lazy("votre signature"), lambda context: context.signature),
    Variable("marque", gettext_lazy("nom de la marque"), lambda context: context.brand, ("brand",)),
    Variable("date", gettext_lazy("date du jour en toutes lettres"), _date_in_words),
)
_BY_NAME = {fold(name): variable for variable in VARIABLES for name in (variable.name, *variable.aliases)}


def find_variable(name: str) -> Variable | None:
    """By its name, without regard to case and accents."""
    return _BY_NAME.get(fold(name.strip()))


def unknown_variables(text: str) -> list[str]:
    """The names between braces that are not variables, each once."""
    names = dict.fromkeys(match[1] for match in PLACEHOLDER.finditer(text))
    return [name for name in names if find_variable(name) is None]


def fill(text: str, context: FillContext) -> str:
    """The text with its variables filled; one without a value takes the space before it along. Unknown ones stay."""

    def value_of(match: re.Match[str]) -> str:
        variable = find_variable(match[1])
        if variable is None:
            return match[0]
        value = variable.value(context)
        space = match[0][: match[0].index("{")]
        return space + value if value else ""

    return PLACEHOLDER.sub(value_of, text)


def context_for(user: User, conversation: Any = None) -> FillContext:
    """For a conversation, or with a sample client. The date is in the words of the user's language."""
    return FillContext(
        client_name=SAMPLE_CLIENT_NAME if conversation is None else conversation.client.name,
        agent_name=str(user),
        signature=user.signature,
        brand=company_settings.brand(),
        today=timezone.localdate(),
        language=get_language() or user.language,
    )
