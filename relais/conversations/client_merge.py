"""Merging two clients who are one person, and undoing it.

Addresses move to the client who is kept, and with them their conversations (one foreign key over address and client).
Of two open conversations with one of our numbers one goes on; the other ends with its history unchanged and names the
one that goes on. The merged client's row stays, with its own values, without addresses.

An undo gives back what the snapshot of the merge names: addresses, conversations, notes, fields and tags that nobody
changed since, and it resumes the conversations that the merge ended. What cannot go back stays with the client who was
kept, and is told: values changed since, and messages written since in a conversation that goes on.

Lock order, as everywhere: users, conversations by id, then addresses and clients by id. Merges are done one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import ActionRefused, NotAllowed
from relais.clients.models import (
    ATTRIBUTE_PREFIX,
    Client,
    ClientAddress,
    ClientMerge,
    ClientNote,
    field_label,
)
from relais.conversations.events import Author
from relais.conversations.lifecycle import lock_active_users
from relais.conversations.models import Conversation

CLIENT_FIELDS = ("client_full_name", "whatsapp_profile_name", "email", "vin", "carte_vip", "is_client")
EMPTY_VALUES = ("", None)
MERGE_LOCK_ID = 0x6D65726765
"""Of the advisory lock that merges take; the bytes of `merge`."""
INBOUND_EVENT_TYPES = ("message_received", "menu_choice", "free_input")


class MergeRefused(ActionRefused):
    """The clients are not as the merge or its undo needs them (HTTP 409)."""

    http_status = 409

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


# -- merging -------------------------------------------------------------------------------------------------


@transaction.atomic
def merge_clients(kept: int, merged: int, *, at: datetime, by: User | None = None) -> ClientMerge:
    """Everything of `merged` goes to `kept`. Raises MergeRefused if one of them was merged meanwhile."""
    _lock_merging()
    conversations = _lock_conversations(kept, merged)
    addresses = _lock_addresses(kept, merged)
    clients = Client.objects.select_for_update().filter(pk__in=[kept, merged]).order_by("pk").in_bulk()
    if len(clients) < 2:
        raise MergeRefused("merged", _("Un de ces clients vient d'être fusionné. Rechargez la page."))
    before = _values(clients[kept])
    snapshot: dict[str, Any] = {
        "addresses": [_address_record(address) for address in addresses],
        "conversations": [_conversation_record(conversation) for conversation in conversations],
        "notes": list(ClientNote.objects.filter(client=merged).values_list("pk", flat=True)),
        "before": before,
    }
    open_conversations = [conversation for conversation in conversations if conversation.is_open]
    snapshot["ended"] = _end_all_but_one(open_conversations, at)
    ClientAddress.objects.filter(client=merged).update(client=kept)
    ClientNote.objects.filter(client=merged).update(client=kept)
    Client.objects.filter(pk=merged).update(merged_into=kept)
    _merge_fields(clients[kept], clients[merged])
    _refresh_opt_outs(clients[kept], addresses)
    snapshot["after"] = _values(clients[kept])
    merge = ClientMerge.objects.create(
        kept_id=kept,
        merged_id=merged,
        author=by,
        author_name=str(by or ""),
        created_at=at,
        snapshot=snapshot,
    )
    _bump_open_conversations(kept)
    return merge


def _lock_merging() -> None:
    """One merge or undo at a time. Row locks alone are not enough: after waiting for a merge, PostgreSQL leaves out the
    conversations that it moved, and their order is lost.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [MERGE_LOCK_ID])


def _lock_conversations(*clients: int) -> list[Conversation]:
    rows = Conversation.objects.filter(client__in=clients).order_by("pk")
    return list(rows.select_for_update(no_key=True))


def _lock_addresses(*clients: int) -> list[ClientAddress]:
    return list(ClientAddress.objects.filter(client__in=clients).order_by("pk").select_for_update())


def _address_record(address: ClientAddress) -> dict[str, Any]:
    opted_out_at = address.opted_out_at
    return {
        "id": address.pk,
        "client": address.client_id,
        "opted_out_at": opted_out_at.isoformat() if opted_out_at else None,
    }


def _conversation_record(conversation: Conversation) -> dict[str, Any]:
    return {"id": conversation.pk, "client": conversation.client_id, "address": conversation.address_id}


def _values(client: Client) -> dict[str, Any]:
    fields = {name: getattr(client, name) for name in CLIENT_FIELDS}
    return fields | {
        "attributes": dict(client.attributes),
        "tags": list(client.tags),
        "fields_set_by_person": list(client.fields_set_by_person),
        "created_at": client.created_at.isoformat(),
    }


def _end_all_but_one(conversations: Sequence[Conversation], at: datetime) -> list[dict[str, Any]]:
    """One goes on for each of our numbers: held before waiting, waiting before one with the bot; of equals the one
    in which the client wrote last. Returns what is needed to resume the others.
    """
    by_sender: dict[str, list[Conversation]] = {}
    for conversation in sorted(conversations, key=_precedence):
        by_sender.setdefault(conversation.sender, []).append(conversation)
    ended = []
    for goes_on, *others in by_sender.values():
        for other in others:
            ended.append(
                {
                    "id": other.pk,
                    "status": other.status,
                    "agent": other.agent_id,
                    "continues_in": goes_on.pk,
                    "last_inbound_at": goes_on.last_inbound_at and goes_on.last_inbound_at.isoformat(),
                }
            )
            other.continue_in(goes_on, at=at)
            goes_on.refresh_from_db()
            ended[-1]["seq"] = goes_on.seq
    return ended


def _precedence(conversation: Conversation) -> tuple[int, float, int]:
    wrote_at = conversation.last_inbound_at
    rank = ("held", "waiting", "bot").index(conversation.situation.value)
    return rank, -(wrote_at.timestamp() if wrote_at else 0), conversation.pk


def _merge_fields(kept: Client, merged: Client) -> None:
    """Values that only `merged` has are kept; where the two differ, that of `merged` becomes an attribute with a
    number.
    """
    differing: dict[str, Any] = {}
    filled = []
    for name in CLIENT_FIELDS:
        kept_value, merged_value = getattr(kept, name), getattr(merged, name)
        if kept_value in EMPTY_VALUES:
            setattr(kept, name, merged_value)
            filled.append(name)
        elif merged_value not in (*EMPTY_VALUES, kept_value) and name != "whatsapp_profile_name":
            differing[name] = merged_value
    for name, value in merged.attributes.items():
        if name not in kept.attributes:
            filled.append(ATTRIBUTE_PREFIX + name)
        if kept.attributes.setdefault(name, value) != value:
            differing[name] = value
    for name, value in differing.items():
        kept.attributes[_free_name(name, kept.attributes)] = value
    by_key = {tag.casefold(): tag for tag in (*merged.tags, *kept.tags)}
    kept.tags = [by_key[key] for key in sorted(by_key)]
    kept.fields_set_by_person = [
        *kept.fields_set_by_person,
        *(field for field in merged.fields_set_by_person if field in filled),
    ]
    kept.created_at = min(kept.created_at, merged.created_at)
    kept.save()


def _free_name(name: str, taken: dict[str, Any]) -> str:
    return next(free for n in range(2, len(taken) + 3) if (free := f"{name}_{n}") not in taken)


def _refresh_opt_outs(client: Client, addresses: Iterable[ClientAddress]) -> None:
    """An opt-out of either applies to both. One set by hand has no row of its own, and counts as well."""
    client.refresh_opted_out_at()
    by_hand = [address.opted_out_at for address in addresses if address.opted_out_at]
    if by_hand and not client.addresses.exclude(opted_out_at=None).exists():
        client.addresses.update(opted_out_at=max(by_hand))


def _bump_open_conversations(*clients: int) -> None:
    for conversation in Conversation.objects.filter(client__in=clients).open().order_by("pk"):
        conversation.bump_rev()


# -- undoing ----------------------------------------------------------------------------------------------


@transaction.atomic
def undo_merge(merge: ClientMerge, *, by: User, at: datetime) -> list[str]:
    """By who merged, or a supervisor. Idempotent. Returns a sentence for each thing that could not go back."""
    if not by.is_supervisor and merge.author_id != by.pk:
        raise NotAllowed(
            _("Seuls la personne qui a fusionné et les superviseurs peuvent annuler cette fusion.")
        )
    agents = lock_active_users([record["agent"] for record in merge.snapshot["ended"]]).in_bulk()
    _lock_merging()
    conversations = _lock_conversations(merge.kept_id)
    addresses = _lock_addresses(merge.kept_id)
    both = [merge.kept_id, merge.merged_id]
    clients = Client.all_objects.select_for_update().filter(pk__in=both).order_by("pk").in_bulk()
    merge = ClientMerge.objects.select_for_update().get(pk=merge.pk)
    if merge.undone_at:
        return []
    kept, merged = clients[merge.kept_id], clients[merge.merged_id]
    if kept.merged_into_id:
        raise MergeRefused(
            "merged_again",
            _("%(client)s a été fusionné depuis avec un autre client : annulez d'abord cette fusion-là.")
            % {"client": kept.name or _("Ce client")},
        )
    _separate_addresses(merge, conversations, addresses)
    ClientNote.objects.filter(pk__in=merge.snapshot["notes"], client=kept).update(client=merged)
    Client.all_objects.filter(pk=merged.pk).update(merged_into=None)
    remaining = _restore_fields(kept, merge)
    _restore_opt_outs(kept, merge)
    _restore_opt_outs(merged, merge)
    remaining += _resume_conversations(merge, agents, by=by, at=at)
    ClientMerge.objects.filter(pk=merge.pk).update(undone_at=at, undone_by_name=str(by))
    _bump_open_conversations(*both)
    return remaining


def _separate_addresses(
    merge: ClientMerge, conversations: Iterable[Conversation], addresses: Iterable[ClientAddress]
) -> None:
    """Each conversation to the client it was of; one opened since, to the client whose address it has."""
    current = {address.pk for address in addresses}
    going = {
        record["id"] for record in merge.snapshot["addresses"] if record["client"] == merge.merged_id
    } & current
    staying = current - going
    known = {record["id"]: record for record in merge.snapshot["conversations"]}
    for conversation in conversations:
        record = known.get(conversation.pk)
        if record is None:
            continue
        own = going if record["client"] == merge.merged_id else staying
        if own and conversation.address_id not in own:
            address = record["address"] if record["address"] in own else min(own)
            Conversation.objects.filter(pk=conversation.pk).update(address=address)
    ClientAddress.objects.filter(pk__in=going).update(client=merge.merged_id)


def _restore_fields(kept: Client, merge: ClientMerge) -> list[str]:
    before, after = merge.snapshot["before"], merge.snapshot["after"]
    remaining = []
    for name in CLIENT_FIELDS:
        if before[name] != after[name]:
            if getattr(kept, name) == after[name]:
                setattr(kept, name, before[name])
            else:
                remaining.append(_changed_since(field_label(name)))
    for name, value in after["attributes"].items():
        if before["attributes"].get(name) == value:
            continue
        if kept.attributes.get(name) != value:
            remaining.append(_changed_since(name))
        elif name in before["attributes"]:
            kept.attributes[name] = before["attributes"][name]
        else:
            del kept.attributes[name]
    added_tags = {tag.casefold() for tag in after["tags"]} - {tag.casefold() for tag in before["tags"]}
    kept.tags = [tag for tag in kept.tags if tag.casefold() not in added_tags]
    added_fields = set(after["fields_set_by_person"]) - set(before["fields_set_by_person"])
    kept.fields_set_by_person = [
        field for field in kept.fields_set_by_person if field not in added_fields or _has_value(kept, field)
    ]
    if kept.created_at.isoformat() == after["created_at"]:
        kept.created_at = parse_datetime(before["created_at"]) or kept.created_at
    kept.save()
    return remaining


def _changed_since(label: str) -> str:
    return _("« %(field)s » a été modifié depuis la fusion : la valeur reste.") % {"field": label}


def _has_value(client: Client, field: str) -> bool:
    if field.startswith(ATTRIBUTE_PREFIX):
        return field.removeprefix(ATTRIBUTE_PREFIX) in client.attributes
    return getattr(client, field) not in EMPTY_VALUES


def _restore_opt_outs(client: Client, merge: ClientMerge) -> None:
    client.refresh_opted_out_at()
    if client.addresses.exclude(opted_out_at=None).exists():
        return
    for record in merge.snapshot["addresses"]:
        if record["client"] == client.pk and record["opted_out_at"]:
            client.addresses.filter(pk=record["id"]).update(opted_out_at=record["opted_out_at"])


def _resume_conversations(
    merge: ClientMerge, agents: dict[int, User], *, by: User, at: datetime
) -> list[str]:
    remaining = []
    for record in merge.snapshot["ended"]:
        conversation = Conversation.objects.get(pk=record["id"])
        survivor = Conversation.objects.get(pk=record["continues_in"])
        received = survivor.events.filter(seq__gt=record["seq"], event_type__in=INBOUND_EVENT_TYPES)
        if received.exists():
            remaining.append(
                _("Les messages reçus depuis la fusion restent dans la conversation n° %(number)s.")
                % {"number": survivor.pk}
            )
        else:
            _restore_window(survivor, record)
        resumed = conversation.resume(
            status=record["status"],
            agent=agents.get(record["agent"]) if record["agent"] else None,
            by=Author.from_user(by),
            at=at,
        )
        if not resumed:
            remaining.append(
                _("La conversation n° %(number)s reste terminée : une autre est ouverte.")
                % {"number": conversation.pk}
            )
    return remaining


def _restore_window(survivor: Conversation, record: dict[str, Any]) -> None:
    """The message of the other client, which opened the window of this one, is not his."""
    last_inbound_at = parse_datetime(record["last_inbound_at"]) if record["last_inbound_at"] else None
    Conversation.objects.filter(pk=survivor.pk).update(last_inbound_at=last_inbound_at)
