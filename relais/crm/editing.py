"""What people change of a client: fields and attributes, tags, notes.

Each verb is one transaction: it writes the journal (`ClientChange`) and appends an event to the client's open
conversations, which tells their readers at once. The event has names of fields, never values. Lock order:
conversations by id, then the client.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import NotAllowed
from relais.clients.limits import (
    MAX_ATTRIBUTES,
    MAX_CLIENT_NOTE_CHARACTERS,
    MAX_CLIENT_TAG_CHARACTERS,
    MAX_CLIENT_TAGS,
)
from relais.clients.models import ATTRIBUTE_PREFIX, Client, ClientChange, ClientNote, field_label
from relais.conversations.events import Author
from relais.conversations.models import Conversation
from relais.crm.errors import ClientConflict, InvalidClientFields, client_is_gone
from relais.crm.fields import InvalidValue, as_text, attribute_field, clean_field, clean_text, current_value
from relais.text import sanitize_for_postgres


def edit_client(
    client: Client,
    texts: Mapping[str, str],
    *,
    seen: Mapping[str, str] | None = None,
    by: User,
    at: datetime,
) -> list[str]:
    """Set these fields, by the texts that a person typed; returns the names of those that changed.

    `seen` are the values that the person saw: if one was changed meanwhile by somebody else, nothing is stored.
    """
    values = _clean_fields(texts)
    with transaction.atomic():
        locked = _lock(client)
        changed = {field: value for field, value in values.items() if value != current_value(locked, field)}
        _refuse_conflict(locked, changed, seen or {})
        _store_fields(locked, changed)
        for field, value in changed.items():
            _record(client, field, as_text(current_value(locked, field)), as_text(value), by=by, at=at)
        _tell_conversations(client, changed, by=by, at=at)
    return list(changed)


def _clean_fields(texts: Mapping[str, str]) -> dict[str, Any]:
    values, errors = {}, {}
    for name, text in texts.items():
        try:
            field = name
            if name.startswith(ATTRIBUTE_PREFIX):
                field = attribute_field(name.removeprefix(ATTRIBUTE_PREFIX))
            values[field] = clean_field(field, text)
        except InvalidValue as error:
            errors[name] = str(error)
    if errors:
        raise InvalidClientFields(errors)
    return values


def _refuse_conflict(client: Client, changed: Iterable[str], seen: Mapping[str, str]) -> None:
    for field in changed:
        if field in seen and clean_text(seen[field]) != clean_text(as_text(current_value(client, field))):
            raise ClientConflict(
                "changed",
                _(
                    "« %(field)s » a été modifié entre-temps : « %(value)s ». Relisez, puis enregistrez de nouveau."
                )
                % {"field": field_label(field), "value": as_text(current_value(client, field)) or "—"},
            )


def _store_fields(client: Client, changed: Mapping[str, Any]) -> None:
    columns = {field: value for field, value in changed.items() if not field.startswith(ATTRIBUTE_PREFIX)}
    attributes = dict(client.attributes)
    for field in changed.keys() - columns.keys():
        name = field.removeprefix(ATTRIBUTE_PREFIX)
        attributes.pop(name, None)
        if changed[field]:
            attributes[name] = changed[field]
    if len(attributes) > max(MAX_ATTRIBUTES, len(client.attributes)):
        raise InvalidClientFields(
            {"attributes": _("Un client a au plus %(most)s champs libres.") % {"most": MAX_ATTRIBUTES}}
        )
    # What a person empties may be filled in by the bot again.
    kept = [field for field in client.fields_set_by_person if field not in changed]
    filled = [field for field, value in changed.items() if value not in ("", None)]
    Client.objects.filter(pk=client.pk).update(
        **columns, attributes=attributes, fields_set_by_person=[*kept, *filled]
    )


@transaction.atomic
def change_tags(
    client: Client, *, add: Iterable[str] = (), remove: Iterable[str] = (), by: User, at: datetime
) -> list[str]:
    """Add and remove tags by name, whatever their case; returns all names then."""
    added, removed = [_clean_tag(name) for name in add], {clean_text(name).casefold() for name in remove}
    old_names = _lock(client).tags
    by_key = {name.casefold(): name for name in old_names if name.casefold() not in removed}
    for name in filter(None, added):
        by_key.setdefault(name.casefold(), name)
    if len(by_key) > MAX_CLIENT_TAGS:
        raise InvalidClientFields(
            {"add": _("Un client a au plus %(most)s étiquettes.") % {"most": MAX_CLIENT_TAGS}}
        )
    names = [by_key[key] for key in sorted(by_key)]
    if names != old_names:
        Client.objects.filter(pk=client.pk).update(tags=names)
        _record(client, "tag", ", ".join(old_names), ", ".join(names), by=by, at=at)
        _tell_conversations(client, ["tag"], by=by, at=at)
    return names


def _clean_tag(name: str) -> str:
    name = clean_text(name)
    if len(name) > MAX_CLIENT_TAG_CHARACTERS:
        raise InvalidClientFields(
            {"add": _("Une étiquette a au plus %(most)s caractères.") % {"most": MAX_CLIENT_TAG_CHARACTERS}}
        )
    return name


@transaction.atomic
def add_note(client: Client, body: str, *, by: User, at: datetime, ref: str | None = None) -> ClientNote:
    """Write a note about the client. The same `ref` again returns the note made at first."""
    body = sanitize_for_postgres(body).strip()
    if not clean_text(body):
        raise InvalidClientFields({"body": _("La note est vide.")})
    if len(body) > MAX_CLIENT_NOTE_CHARACTERS:
        raise InvalidClientFields(
            {"body": _("La note dépasse %(most)s caractères.") % {"most": MAX_CLIENT_NOTE_CHARACTERS}}
        )
    _lock(client)
    if ref and (known := client.notes.filter(ref=ref).first()):
        return known
    note = client.notes.create(body=body, author=by, author_name=str(by), ref=ref, created_at=at)
    _tell_conversations(client, ["note"], by=by, at=at)
    return note


@transaction.atomic
def delete_note(note: ClientNote, *, by: User, at: datetime) -> None:
    """By its author or a supervisor. The journal keeps the text."""
    if note.author_id != by.pk and not by.is_supervisor:
        raise NotAllowed(
            _("Seuls %(author)s et les superviseurs peuvent supprimer cette note.")
            % {"author": note.author_name}
        )
    _lock(note.client)
    deleted, _each = ClientNote.objects.filter(pk=note.pk).delete()
    if deleted:
        _record(note.client, "note", note.body, "", by=by, at=at)
        _tell_conversations(note.client, ["note"], by=by, at=at)


def _lock(client: Client) -> Client:
    open_conversations = Conversation.objects.filter(client=client.pk).open().order_by("pk")
    list(open_conversations.select_for_update(no_key=True))
    locked = Client.objects.select_for_update(no_key=True).filter(pk=client.pk).first()
    if locked is None:
        raise client_is_gone()
    return locked


def _record(client: Client, field: str, old: str, new: str, *, by: User, at: datetime) -> None:
    ClientChange.objects.create(
        client=client,
        field=field,
        old_value=old,
        new_value=new,
        author=by,
        author_name=str(by),
        created_at=at,
    )


def _tell_conversations(client: Client, fields: Iterable[str], *, by: User, at: datetime) -> None:
    """An event in the open conversations: whoever reads one sees the change."""
    if not (names := list(fields)):
        return
    for conversation in Conversation.objects.filter(client=client.pk).open().order_by("pk"):
        conversation.append_event(
            "note",
            by=Author.from_user(by),
            at=at,
            metadata={"client_changed": names},
            is_activity=False,
        )
