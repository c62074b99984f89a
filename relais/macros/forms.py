"""The form of a macro: its name, shortcut and scope. Its steps are in `step_forms.py`."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from relais.quick_replies.forms import ShortcutForm

FIELDS = ("title", "shortcut", "scope")


class MacroForm(ShortcutForm):
    field_order = FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["title"].label = _("Nom")
        self.fields["title"].help_text = _("Ce que fait la macro, par exemple « Devis envoyé, à relancer ».")
        self.fields["shortcut"].help_text = _("Pour la trouver en quelques lettres, par exemple « devis ».")
