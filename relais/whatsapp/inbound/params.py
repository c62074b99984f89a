"""The parameters of a hook, from a form or a JSON object, as text that can be stored."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _

from relais.text import sanitize_for_postgres
from relais.whatsapp.inbound.signature import RawRequest

LONGEST_SID = 100
"""Characters; Twilio's have 34."""


class Invalid(Exception):
    """Parameters that cannot be used: a sentence for each field."""

    def __init__(self, **errors: str) -> None:
        self.errors = {field: [sentence] for field, sentence in errors.items()}
        super().__init__(" ".join(errors.values()))


class Params(dict[str, list[str]]):
    """Every value given for a name, in order; NUL and halves of surrogate pairs are taken out and noted."""

    cleaned: bool = False

    def text(self, name: str) -> str:
        return self[name][0] if self.get(name) else ""

    def required(self, *names: str, given: tuple[str, ...] = ()) -> None:
        """Raises Invalid naming all that are missing; those of `given` may be blank."""
        missing = [name for name in names if not self.text(name).strip()]
        missing += [name for name in given if name not in self]
        if missing:
            raise Invalid(
                **{name: _("Le paramètre %(name)s est requis.") % {"name": name} for name in missing}
            )

    def sid(self, name: str = "MessageSid") -> str:
        """Twilio's name for something. Raises Invalid when it is longer than any of them."""
        sid = self.text(name).strip()
        if len(sid) > LONGEST_SID:
            raise Invalid(
                **{name: _("%(name)s dépasse %(most)s caractères.") % {"name": name, "most": LONGEST_SID}}
            )
        return sid

    def other_than(self, *names: str) -> dict[str, Any]:
        """The parameters without a column, single ones as text and repeated ones as a list."""
        return {
            name: values[0] if len(values) == 1 else values
            for name, values in self.items()
            if name not in names
        }


def params_of(request: RawRequest) -> Params:
    if request.is_form:
        return clean(request.form.values)
    try:
        given = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise Invalid(body=_("Le corps n'est ni un formulaire ni un objet JSON."))
    return clean({name: [_as_text(value)] for name, value in given.items()})


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def clean(given: dict[str, list[str]]) -> Params:
    """As text that can be stored."""
    params = Params(
        {
            sanitize_for_postgres(name): [sanitize_for_postgres(value) for value in values]
            for name, values in given.items()
        }
    )
    params.cleaned = params != given
    return params
