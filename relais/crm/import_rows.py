"""One line of an import: reading its cells, finding its client, and what changes.

A client is found by the phone number, or, on a line without one, by VIN, e-mail address or VIP card. An empty cell
changes nothing. A line that is imported again changes nothing either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import ActionRefused
from relais.clients.addresses import InvalidAddress, format_address, match_key, phone_number
from relais.clients.limits import MAX_ATTRIBUTES, MAX_CLIENT_TAG_CHARACTERS, MAX_CLIENT_TAGS
from relais.clients.models import ATTRIBUTE_PREFIX, Client, ClientAddress, ClientChange
from relais.clients.phone_numbers import address_of_number
from relais.crm.editing import change_tags, edit_client
from relais.crm.fields import InvalidValue, clean_field, clean_text, current_value
from relais.crm.import_columns import (
    FIRST_NAME,
    IDENTIFYING_TARGETS,
    LAST_NAME,
    NAME,
    PHONE,
    TAGS,
    target_label,
)
from relais.crm.models import RowOutcome

CODES = ("vin", "email", "carte_vip")
"""By which a line without a phone number finds its client, in this order."""


_YES_NO_WORDS = {
    **dict.fromkeys(("vrai", "true", "x", "o", "y", "نعم"), "yes"),
    **dict.fromkeys(("faux", "false", "0", "n", "لا"), "no"),
}
"""What spreadsheets and our own export write besides the words of forms."""


class RefusedRow(ValueError):
    """The message is a translated sentence for the user."""


@dataclass(frozen=True)
class RowValues:
    """The cells of a line, cleaned; without the empty ones."""

    fields: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    address: str = ""

    @property
    def number(self) -> str:
        """The phone number for people."""
        return format_address(self.address)

    @property
    def keys(self) -> Iterator[tuple[str, str]]:
        """What identifies the client: two lines with one of them in common are the same client's."""
        if self.address:
            yield PHONE, match_key(self.address)
        for code in CODES:
            if value := self.fields.get(code):
                yield code, str(value).casefold()


@dataclass(frozen=True)
class RowPlan:
    outcome: RowOutcome
    values: RowValues
    client: Client | None = None
    changed: list[str] = field(default_factory=list)
    """The targets whose value changes."""

    @property
    def changed_labels(self) -> list[str]:
        return [target_label(target) for target in self.changed]


# -- reading ----------------------------------------------------------------------------------------------


def read_row(cells: Sequence[str], targets: Sequence[str], region: str) -> RowValues:
    """Raises RefusedRow."""
    texts = {
        target: text for target, text in zip(targets, cells, strict=False) if target and clean_text(text)
    }
    names = [texts.pop(part) for part in (FIRST_NAME, LAST_NAME) if part in texts]
    if names:
        texts[NAME] = " ".join(names)
    if not IDENTIFYING_TARGETS & texts.keys():
        raise RefusedRow(_("Ni téléphone, ni e-mail, ni VIN, ni carte VIP : rien ne désigne ce client."))
    address = _read_address(texts.pop(PHONE, ""), region)
    tags = _read_tags(texts.pop(TAGS, ""))
    return RowValues({target: _read_field(target, text) for target, text in texts.items()}, tags, address)


def _read_address(text: str, region: str) -> str:
    if not text:
        return ""
    try:
        return address_of_number(text, region)
    except InvalidAddress as error:
        raise RefusedRow(str(error)) from error


def _read_tags(text: str) -> list[str]:
    names = {
        name.casefold(): name for part in text.replace(";", ",").split(",") if (name := clean_text(part))
    }
    if any(len(name) > MAX_CLIENT_TAG_CHARACTERS for name in names.values()):
        raise RefusedRow(
            _("Une étiquette a au plus %(most)s caractères.") % {"most": MAX_CLIENT_TAG_CHARACTERS}
        )
    if len(names) > MAX_CLIENT_TAGS:
        raise RefusedRow(_("Un client a au plus %(most)s étiquettes.") % {"most": MAX_CLIENT_TAGS})
    return list(names.values())


def _read_field(target: str, text: str) -> Any:
    if target == "is_client":
        text = _YES_NO_WORDS.get(text.strip().casefold(), text)
    try:
        return clean_field(target, text)
    except InvalidValue as error:
        raise RefusedRow(
            _("%(field)s « %(value)s » : %(problem)s")
            % {"field": target_label(target), "value": text[:60], "problem": error}
        ) from error


# -- planning ---------------------------------------------------------------------------------------------


def plan_row(values: RowValues, *, replaces_filled: bool) -> RowPlan:
    """What importing the line does now; changes nothing. Raises RefusedRow."""
    client = _find_client(values)
    if client is None:
        attribute_count = sum(name.startswith(ATTRIBUTE_PREFIX) for name in values.fields)
        if attribute_count > MAX_ATTRIBUTES:
            raise RefusedRow(_("Un client a au plus %(most)s champs libres.") % {"most": MAX_ATTRIBUTES})
        return RowPlan(RowOutcome.CREATED, values)
    changed = [
        name
        for name, value in values.fields.items()
        if value != (current := current_value(client, name)) and (replaces_filled or current in ("", None))
    ]
    known_tags = {tag.casefold() for tag in client.tags}
    if any(tag.casefold() not in known_tags for tag in values.tags):
        changed.append(TAGS)
    if values.address and not client.addresses.filter(match_key=match_key(values.address)).exists():
        changed.append(PHONE)
    return RowPlan(RowOutcome.UPDATED if changed else RowOutcome.UNCHANGED, values, client, changed)


def _find_client(values: RowValues) -> Client | None:
    if values.address:
        known = (
            ClientAddress.objects.filter(match_key=match_key(values.address)).select_related("client").first()
        )
        if known is not None:
            return known.client
    for code in CODES:
        if value := values.fields.get(code):
            clients = Client.objects.filter(**{f"{code}__iexact": value})
            if values.address:
                # Someone with another number may be another person; duplicates are suggested on the card.
                clients = clients.filter(addresses=None)
            found = list(clients.order_by("pk")[:2])
            if len(found) > 1 and not values.address:
                raise RefusedRow(
                    _("Plusieurs clients ont %(field)s « %(value)s » : ajoutez le téléphone.")
                    % {"field": target_label(code), "value": value}
                )
            if len(found) == 1:
                return found[0]
    return None


# -- importing --------------------------------------------------------------------------------------------


def apply_plan(plan: RowPlan, *, by: User, at: datetime, source: str) -> Client:
    """In one transaction. `source` is for the journal. Raises RefusedRow."""
    try:
        with transaction.atomic():
            return (
                _create(plan.values, by=by, at=at, source=source)
                if plan.client is None
                else _update(plan, plan.client, by=by, at=at)
            )
    except ActionRefused as refusal:
        raise RefusedRow(str(refusal)) from refusal


def _create(values: RowValues, *, by: User, at: datetime, source: str) -> Client:
    columns = {name: value for name, value in values.fields.items() if not name.startswith(ATTRIBUTE_PREFIX)}
    attributes = {
        name.removeprefix(ATTRIBUTE_PREFIX): value
        for name, value in values.fields.items()
        if name.startswith(ATTRIBUTE_PREFIX)
    }
    client = Client.objects.create(
        **columns,
        attributes=attributes,
        tags=sorted(values.tags, key=str.casefold),
        fields_set_by_person=list(values.fields),
    )
    if values.address:
        _add_address(client, values.address)
    _record_import(client, source, by=by, at=at)
    return client


def _update(plan: RowPlan, client: Client, *, by: User, at: datetime) -> Client:
    texts: Mapping[str, str] = {
        name: _as_typed(plan.values.fields[name]) for name in plan.changed if name in plan.values.fields
    }
    if texts:
        edit_client(client, texts, by=by, at=at)
    if TAGS in plan.changed:
        change_tags(client, add=plan.values.tags, by=by, at=at)
    if PHONE in plan.changed:
        _add_address(client, plan.values.address)
    return client


def _as_typed(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _add_address(client: Client, address: str) -> None:
    ClientAddress.objects.create(client=client, address=address, phone_number=phone_number(address))


def _record_import(client: Client, source: str, *, by: User, at: datetime) -> None:
    ClientChange.objects.create(
        client=client, field="import", new_value=source, author=by, author_name=str(by), created_at=at
    )


def import_row(values: RowValues, *, replaces_filled: bool, by: User, at: datetime, source: str) -> RowPlan:
    """Plan and apply; returns what was done, with the client. Raises RefusedRow."""
    plan = plan_row(values, replaces_filled=replaces_filled)
    if plan.outcome is RowOutcome.UNCHANGED:
        return plan
    try:
        client = apply_plan(plan, by=by, at=at, source=source)
    except IntegrityError:
        # The client wrote at the same moment: now the number is known.
        plan = plan_row(values, replaces_filled=replaces_filled)
        client = apply_plan(plan, by=by, at=at, source=source)
    return RowPlan(plan.outcome, values, client, plan.changed)
