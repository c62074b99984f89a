"""Removes the sample conversations: with everything in them, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import connection, models, transaction

from relais.clients.models import Client
from relais.conversations.models import Conversation, Media
from relais.conversations.tags import Tag
from relais.demo.models import SampleData
from relais.whatsapp.media.files import media_path

CHANGE_TRIGGER = "alter table conversation_events {} trigger conversation_events_append_only"
DELETE_JOBS = """
delete from procrastinate_jobs where status = 'todo' and (args ->> 'conversation_id')::bigint = any(%s::bigint[])
"""


@dataclass(frozen=True)
class RemovedSamples:
    conversations: int = 0
    clients: int = 0


def has_sample_data() -> bool:
    return SampleData.objects.filter(removed_at=None).exists()


def remove_sample_data(*, at: datetime) -> RemovedSamples:
    """Idempotent. A client who has written since in a conversation of his own stays, with his card."""
    with transaction.atomic():
        samples = SampleData.objects.select_for_update().filter(removed_at=None).first()
        if samples is None:
            return RemovedSamples()
        # Before the table is locked: whoever writes in one of them is waited for, and never deadlocks with this.
        conversations = Conversation.objects.filter(pk__in=samples.conversations)
        ids = list(conversations.select_for_update().order_by("pk").values_list("pk", flat=True))
        files = [media_path(media) for media in Media.objects.filter(event__conversation__in=ids)]
        with _events_deletable():
            _delete_with_dependents(conversations)
            clients = _removable_clients(samples.clients)
            _delete_with_dependents(Client.all_objects.filter(pk__in=clients))
        Tag.objects.filter(pk__in=samples.tags, conversation_tags=None).delete()
        _forget(ids)
        SampleData.objects.filter(pk=samples.pk).update(removed_at=at)
        transaction.on_commit(lambda: _delete_files(files))
    return RemovedSamples(len(ids), len(clients))


@contextlib.contextmanager
def _events_deletable() -> Iterator[None]:
    """The event log is append-only, except here. Other transactions cannot write events until this one is over."""
    with connection.cursor() as cursor:
        # A table with pending checks of foreign keys cannot be altered.
        cursor.execute("set constraints all immediate")
        cursor.execute(CHANGE_TRIGGER.format("disable"))
        yield
        cursor.execute(CHANGE_TRIGGER.format("enable"))


def _delete_with_dependents(rows: models.QuerySet[models.Model]) -> None:
    """Also rows of tables that other rooms add later. Django's `delete` refuses, because histories are protected."""
    for relation in rows.model._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ManyToOneRel) or relation.related_model is rows.model:
            continue  # a column, or a reference within the rows
        dependents = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": rows})
        if relation.on_delete is models.SET_NULL:
            dependents.update(**{relation.field.name: None})
        else:
            _delete_with_dependents(dependents)
    rows._raw_delete(rows.db)


def _removable_clients(candidates: list[int]) -> list[int]:
    """Those without another conversation, and not merged with a client who stays."""
    busy = Conversation.objects.values("client")
    removable = set(
        Client.all_objects.filter(pk__in=candidates).exclude(pk__in=busy).values_list("pk", flat=True)
    )
    while True:
        linked = Client.all_objects.filter(merged_into__isnull=False).filter(
            models.Q(pk__in=removable) | models.Q(merged_into__in=removable)
        )
        kept = {
            pk
            for pair in linked.values_list("pk", "merged_into")
            if not removable.issuperset(pair)
            for pk in pair
        }
        if not kept & removable:
            return sorted(removable)
        removable -= kept


def _forget(conversations: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(DELETE_JOBS, [conversations])
        cursor.execute("select pg_notify('conversations', '*')")  # open lists read their rows again


def _delete_files(files: list[Path]) -> None:
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink()
