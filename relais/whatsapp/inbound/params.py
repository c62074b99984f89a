"""Parameters of a hook, parsed from a form or a JSON object, as text that PostgreSQL can store."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _

from relais.text import sanitize_for_postgres
from relais.whatsapp.inbound.raw_request import RawRequest

MAX_SID_CHARACTERS = 100
"""Twilio's have 34."""


class InvalidParams(Exception):
    """Validation error: parameters that are missing or unusable, with a sentence for each field."""

    def __init__(self, **errors: str) -> None:
        self.errors = {field: [sentence] for field, sentence in errors.items()}
        super().__init__(" ".join(errors.values()))


class Params(dict[str, list[str]]):
    """Every value given for a name, in order. NUL and lone surrogates are removed, which `cleaned` records."""

    cleaned: bool = False

    def text(self, name: str) -> str:
        return self[name][0] if self.get(name) else ""

    def require(self, *names: str, may_be_blank: tuple[str, ...] = ()) -> None:
        """Raises InvalidParams naming all that are missing; those of `may_be_blank` must be present only."""
        missing = [name for name in names if not self.text(name).strip()]
        missing += [name for name in may_be_blank if name not in self]
        if missing:
            raise InvalidParams(
                **{name: _("Le paramètre %(name)s est requis.") % {"name": name} for name in missing}
            )

    def sid(self, name: str = "MessageSid") -> str:
        """A Twilio SID. Raises InvalidParams when it is longer than any of them."""
        sid = self.text(name).strip()
        if len(sid) > MAX_SID_CHARACTERS:
            sentence = _("%(name)s dépasse %(most)s caractères.") % {"name": name, "most": MAX_SID_CHARACTERS}
            raise InvalidParams(**{name: sentence})
        return sid

    def except_for(self, *names: str) -> dict[str, Any]:
        """All other parameters (those without a column): a single value as text, repeated ones as a list."""
        return {
            name: values[0] if len(values) == 1 else values
            for name, values in self.items()
            if name not in names
        }


def parse_params(request: RawRequest) -> Params:
    if request.is_form:
        return clean_params(request.form.values)
    try:
        document = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InvalidParams(body=_("Le corps n'est ni un formulaire ni un objet JSON."))
    return clean_params({name: [_as_text(value)] for name, value in document.items()})


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def clean_params(values_by_name: dict[str, list[str]]) -> Params:
    """Remove what cannot be stored."""
    params = Params(
        {
            sanitize_for_postgres(name): [sanitize_for_postgres(value) for value in values]
            for name, values in values_by_name.items()
        }
    )
    params.cleaned = params != values_by_name
    return params
