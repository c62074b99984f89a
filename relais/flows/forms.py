"""Forms to import a flow, from a file or as pasted text, and to change its SID."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from relais.accounts.visible_text import validate_visible
from relais.flows import engine
from relais.flows.engine import InvalidFlow, Problem
from relais.flows.engine.values import storable_object
from relais.flows.import_limits import MAX_DEFINITION_BYTES, MAX_FLOW_NAME_CHARACTERS
from relais.flows.models import Flow
from relais.flows.sids import is_flow_sid


class ImportForm(forms.Form):
    """A definition. `text` keeps the input, also that of a file that is refused."""

    file = forms.FileField(
        label=gettext_lazy("Fichier .json"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(
            attrs={"accept": ".json,application/json", "data-max-bytes": MAX_DEFINITION_BYTES}
        ),
    )
    text = forms.CharField(
        label=gettext_lazy("Ou collez la définition"),
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={
                "rows": 12,
                "spellcheck": "false",
                "class": "definition",
                "data-max-bytes": MAX_DEFINITION_BYTES,
                "autocomplete": "off",
            }
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.problems: tuple[Problem, ...] = ()
        self.definition: dict[str, Any] = {}
        self.export_sid = ""
        """The SID beside the definition, in a response of Twilio's API."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        file: UploadedFile | None = cleaned.get("file")
        text = self._text_of(file) if file else cleaned.get("text", "")
        if not self.errors:
            self._read(text)
        return cleaned

    def _text_of(self, file: UploadedFile) -> str:
        if (file.size or 0) > MAX_DEFINITION_BYTES:
            self.add_error("file", _("Ce fichier dépasse 1 Mo : ce n'est pas un parcours de Studio."))
            return ""
        try:
            text = file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            self.add_error("file", _("Le fichier ne se lit pas comme un texte en UTF-8."))
            return ""
        # A browser cannot show the file again when the page comes back; show its text instead.
        data = self.data.dict() if isinstance(self.data, QueryDict) else dict(self.data)
        self.data = {**data, self.add_prefix("text"): text}
        return text

    def _read(self, text: str) -> None:
        if not text.strip():
            self.add_error("file", _("Choisissez un fichier, ou collez la définition."))
        elif len(text.encode(errors="replace")) > MAX_DEFINITION_BYTES:
            self.add_error("text", _("Cette définition dépasse 1 Mo : ce n'est pas un parcours de Studio."))
        else:
            self._parse(text)

    def _parse(self, text: str) -> None:
        try:
            export = engine.unwrap(text)
            engine.parse(export.definition)
            self.definition = dict(export.definition)
            self.export_sid = export.sid if is_flow_sid(export.sid) else ""
            is_storable = storable_object(self.definition) == self.definition
        except InvalidFlow as error:
            self.problems = error.problems
            self.add_error(
                None, _("Ce parcours ne peut pas être importé. Rien n'est perdu : corrigez-le ici.")
            )
        except (ValueError, RecursionError) as error:
            self.problems = (Problem("not_json", str(error)),)
            self.add_error(
                None, _("Ce parcours ne peut pas être importé. Rien n'est perdu : corrigez-le ici.")
            )
        else:
            if not is_storable:
                self.add_error("text", _("Un signe ou un nombre de cette définition ne peut pas être gardé."))


class NewFlowForm(ImportForm):
    """A new flow with its first revision."""

    name = forms.CharField(
        label=gettext_lazy("Nom"), max_length=MAX_FLOW_NAME_CHARACTERS, validators=[validate_visible]
    )
    sid = forms.CharField(
        label=gettext_lazy("SID chez Twilio"),
        required=False,
        max_length=34,
        help_text=gettext_lazy(
            "FW…, si un autre parcours lance celui-ci. Il est repris de la réponse de l'API de Twilio."
        ),
    )
    field_order = ("name", "sid", "file", "text")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if "\x00" in name or Flow.objects.filter(name__iexact=name).exists():
            raise forms.ValidationError(_("Un parcours porte déjà ce nom. Importez-y une révision."))
        return name

    def clean_sid(self) -> str:
        return _free_sid(self.cleaned_data["sid"].strip())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not cleaned.get("sid") and "sid" not in self.errors and self.export_sid:
            try:
                cleaned["sid"] = _free_sid(self.export_sid)
            except forms.ValidationError as error:
                self.add_error("sid", error)
        return cleaned


class SidForm(forms.Form):
    """The SID by which parent flows refer to a flow."""

    sid = forms.CharField(label=gettext_lazy("SID"), max_length=34)

    def __init__(self, *args: Any, flow: Flow, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.flow = flow

    def clean_sid(self) -> str:
        return _free_sid(self.cleaned_data["sid"].strip(), flow=self.flow)


def _free_sid(sid: str, *, flow: Flow | None = None) -> str:
    """The SID. Raises ValidationError if it is malformed, or used by another flow than `flow`."""
    if sid and not is_flow_sid(sid):
        raise forms.ValidationError(_("Un SID de parcours est FW suivi de 32 lettres ou chiffres."))
    owner = Flow.objects.filter(sid=sid).first() if sid else None
    if owner and owner != flow:
        raise forms.ValidationError(
            _("Le parcours « %(name)s » a déjà ce SID. Importez-y une révision.") % {"name": owner}
        )
    return sid
