"""What the columns of an import become: the targets, and guessing them by the titles in French, English or Arabic."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from relais.action_errors import InvalidField
from relais.clients.limits import MAX_ATTRIBUTE_NAME_CHARACTERS, MAX_ATTRIBUTES
from relais.clients.models import ATTRIBUTE_PREFIX, FIELD_LABELS
from relais.crm.fields import InvalidValue, attribute_field, clean_text
from relais.text import fold

PHONE, FIRST_NAME, LAST_NAME, TAGS = "phone_number", "first_name", "last_name", "tags"
NAME = "client_full_name"
IGNORED = ""
TARGET_LABELS = {
    NAME: _noop("Nom complet"),
    FIRST_NAME: _noop("Prénom"),
    LAST_NAME: _noop("Nom de famille"),
    PHONE: _noop("Téléphone (WhatsApp)"),
    "email": FIELD_LABELS["email"],
    "vin": FIELD_LABELS["vin"],
    "carte_vip": FIELD_LABELS["carte_vip"],
    "is_client": FIELD_LABELS["is_client"],
    TAGS: FIELD_LABELS["tag"],
}
IDENTIFYING_TARGETS = frozenset({PHONE, "email", "vin", "carte_vip"})
"""A line without any of them names nobody."""
_NOT_LETTERS = re.compile(r"[^\w]+")
_TITLES = {
    NAME: (
        "nom complet", "nom et prenom", "nom prenom", "prenom et nom", "prenom nom", "client", "nom du client", "name",
        "full name", "client name", "customer", "customer name", "contact", "nom",
        "الاسم", "الاسم الكامل",
    ),
    FIRST_NAME: ("prenom", "prenoms", "first name", "firstname", "given name", "الاسم الشخصي"),
    LAST_NAME: ("nom de famille", "last name", "lastname", "surname", "family name", "الاسم العائلي"),
    PHONE: (
        "telephone", "tel", "telephone mobile", "telephone portable", "tel mobile", "tel portable", "mobile",
        "portable", "gsm", "cell", "cell phone", "phone", "phone number", "mobile phone", "whatsapp", "numero whatsapp",
        "whatsapp number", "numero", "numero de telephone", "n de telephone", "n telephone", "numero de tel",
        "telephone whatsapp", "الهاتف", "رقم الهاتف", "واتساب",
    ),
    "email": (
        "e mail", "email", "mail", "courriel", "adresse e mail", "adresse email", "adresse mail", "email address",
        "e mail address", "البريد الالكتروني",
    ),
    "vin": (
        "vin", "n vin", "numero vin", "chassis", "n de chassis", "n chassis", "numero de chassis", "numero de serie",
        "vin number", "vehicle identification number", "رقم الهيكل",
    ),
    "carte_vip": (
        "carte vip", "vip", "n carte vip", "numero carte vip", "numero de carte vip", "vip card", "vip card number",
    ),
    "is_client": ("deja client", "est client", "client existant", "existing customer", "is client", "is customer"),
    TAGS: ("etiquettes", "etiquette", "tags", "tag", "labels", "label", "وسوم"),
    IGNORED: ("id", "n", "numero client relais", "connu depuis", "known since", "profil whatsapp", "whatsapp profile"),
}  # fmt: skip
_TARGET_OF_TITLE = {title: target for target, titles in _TITLES.items() for title in titles}


def guess_targets(titles: Sequence[str]) -> list[str]:
    """A target for each column. An unknown title becomes an attribute of that name; each target is used once."""
    targets: list[str] = []
    folded = [_NOT_LETTERS.sub(" ", fold(title)).strip() for title in titles]
    for title, key in zip(titles, folded, strict=True):
        target = _TARGET_OF_TITLE.get(key)
        if key == "nom" and FIRST_NAME in (_TARGET_OF_TITLE.get(other) for other in folded):
            target = LAST_NAME
        if target is None:
            name = clean_text(title)[:MAX_ATTRIBUTE_NAME_CHARACTERS]
            target = ATTRIBUTE_PREFIX + name if name else IGNORED
        targets.append(IGNORED if target in targets else target)
    return targets


def check_targets(targets: Sequence[str], titles: Sequence[str]) -> list[str]:
    """The targets that a person chose, one for each column. Raises InvalidField."""
    checked = [_check_target(target) for target in targets[: len(titles)]]
    checked += [IGNORED] * (len(titles) - len(checked))
    for target, number in Counter(checked).items():
        if target and number > 1:
            raise InvalidField(
                "targets",
                _("Deux colonnes deviennent « %(field)s » : choisissez-en une.")
                % {"field": target_label(target)},
            )
    if not IDENTIFYING_TARGETS & set(checked):
        raise InvalidField(
            "targets",
            _(
                "Choisissez la colonne du téléphone, ou au moins celle de l'e-mail, du VIN ou de la carte VIP."
            ),
        )
    if NAME in checked and {FIRST_NAME, LAST_NAME} & set(checked):
        raise InvalidField("targets", _("Choisissez le nom complet, ou bien le prénom et le nom de famille."))
    if sum(target.startswith(ATTRIBUTE_PREFIX) for target in checked) > MAX_ATTRIBUTES:
        raise InvalidField(
            "targets", _("Un client a au plus %(most)s champs libres.") % {"most": MAX_ATTRIBUTES}
        )
    return checked


def _check_target(target: str) -> str:
    if target == IGNORED or target in TARGET_LABELS:
        return target
    if target.startswith(ATTRIBUTE_PREFIX):
        try:
            return attribute_field(target.removeprefix(ATTRIBUTE_PREFIX))
        except InvalidValue as error:
            raise InvalidField("targets", str(error)) from error
    raise InvalidField("targets", _("Choisissez pour chaque colonne un champ de la liste."))


def target_label(target: str) -> str:
    label = TARGET_LABELS.get(target)
    return _(label) if label else target.removeprefix(ATTRIBUTE_PREFIX)
