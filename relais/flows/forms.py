"""The form that brings a flow in: from a file or pasted, and what is wrong with it in sentences."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from relais.accounts.validators import validate_visible
from relais.flows import engine
from relais.flows.check import LARGEST_DEFINITION
from relais.flows.engine import BadFlow, Problem
from relais.flows.engine.values import plain_object
from relais.flows.models import Flow
from relais.flows.sids import is_flow_sid


class ImportForm(forms.Form):
    """A definition. What was given stays in `text`, also when it came as a file and is refused."""

    file = forms.FileField(
        label=gettext_lazy("Fichier .json"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(
            attrs={"accept": ".json,application/json", "data-largest": LARGEST_DEFINITION}
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
                "data-largest": LARGEST_DEFINITION,
                "autocomplete": "off",
            }
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.problems: tuple[Problem, ...] = ()
        self.definition: dict[str, Any] = {}
        self.told_sid = ""
        """The SID that came with the definition, in an answer of Twilio's API."""

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        file: UploadedFile | None = given.get("file")
        text = self._text_of(file) if file else given.get("text", "")
        if not self.errors:
            self._read(text)
        return given

    def _text_of(self, file: UploadedFile) -> str:
        if (file.size or 0) > LARGEST_DEFINITION:
            self.add_error("file", _("Ce fichier dépasse 1 Mo : ce n'est pas un parcours de Studio."))
            return ""
        try:
            text = file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            self.add_error("file", _("Le fichier ne se lit pas comme un texte en UTF-8."))
            return ""
        # The browser forgets the file when the page comes back: its text stays.
        given = self.data.dict() if isinstance(self.data, QueryDict) else dict(self.data)
        self.data = {**given, self.add_prefix("text"): text}
        return text

    def _read(self, text: str) -> None:
        if not text.strip():
            self.add_error("file", _("Choisissez un fichier, ou collez la définition."))
        elif len(text.encode(errors="replace")) > LARGEST_DEFINITION:
            self.add_error("text", _("Cette définition dépasse 1 Mo : ce n'est pas un parcours de Studio."))
        else:
            self._parse(text)

    def _parse(self, text: str) -> None:
        try:
            export = engine.unwrap(text)
            engine.parse(export.definition)
            self.definition = dict(export.definition)
            self.told_sid = export.sid if is_flow_sid(export.sid) else ""
            is_storable = plain_object(self.definition) == self.definition
        except BadFlow as bad:
            self.problems = bad.problems
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
    """A flow that is not here yet."""

    name = forms.CharField(label=gettext_lazy("Nom"), max_length=80, validators=[validate_visible])
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
        given = super().clean()
        if not given.get("sid") and "sid" not in self.errors and self.told_sid:
            try:
                given["sid"] = _free_sid(self.told_sid)
            except forms.ValidationError as error:
                self.add_error("sid", error)
        return given


class SidForm(forms.Form):
    """By which SID the parents of a flow find it."""

    sid = forms.CharField(label=gettext_lazy("SID"), max_length=34)

    def __init__(self, *args: Any, flow: Flow, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.flow = flow

    def clean_sid(self) -> str:
        return _free_sid(self.cleaned_data["sid"].strip(), of=self.flow)


def _free_sid(sid: str, *, of: Flow | None = None) -> str:
    """Raises ValidationError when it is none, or another flow's."""
    if sid and not is_flow_sid(sid):
        raise forms.ValidationError(_("Un SID de parcours est FW suivi de 32 lettres ou chiffres."))
    taken = Flow.objects.filter(sid=sid).first() if sid else None
    if taken and taken != of:
        raise forms.ValidationError(
            _("Le parcours « %(name)s » a déjà ce SID. Importez-y une révision.") % {"name": taken}
        )
    return sid
