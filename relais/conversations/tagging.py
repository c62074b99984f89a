"""Adding tags to a conversation and removing them.

Everyone who reaches a conversation may do it, also when it has ended. Making a tag that does not exist is for
supervisors if the company setting `new_tags_by_supervisors` says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import InvalidField, NotAllowed
from relais.company import company_settings
from relais.conversations.events import Author
from relais.conversations.tags import Tag, TagColor, clean_tag_name

if TYPE_CHECKING:
    from relais.conversations.models import Conversation

MAX_TAGS_PER_CONVERSATION = 20


class TagsMixin:
    @transaction.atomic
    def change_tags(
        self: Conversation, *, add: Collection[str] = (), remove: Collection[str] = (), by: User, at: datetime
    ) -> list[str]:
        """Add and remove tags by name, and return the names it has now. A tag that does not exist is made.

        Repeating a change changes nothing. Raises InvalidField, and NotAllowed where making tags is reserved.
        """
        names = [clean_tag_name(name) for name in add]
        plain_names = _plain_names([*names, *remove])
        wanted = {plain_names[name]: name for name in names}
        unwanted = {plain_names[name] for name in remove} - set(wanted)
        self.locked()
        before = list(Tag.objects.filter(conversation_tags__conversation=self.pk))
        removed = [tag for tag in before if tag.plain_name in unwanted]
        added = [tag for tag in _find_or_make(wanted, by=by) if tag not in before]
        if len(before) + len(added) - len(removed) > MAX_TAGS_PER_CONVERSATION:
            raise InvalidField(
                "too_many_tags",
                _("Une conversation porte au plus %(most)s étiquettes.")
                % {"most": MAX_TAGS_PER_CONVERSATION},
            )
        rows = self.conversation_tags
        rows.filter(tag__in=removed).delete()
        rows.bulk_create([rows.model(conversation=self, tag=tag) for tag in added], ignore_conflicts=True)
        if added or removed:
            changed = {"added": added, "removed": removed}
            metadata = {key: [tag.name for tag in tags] for key, tags in changed.items() if tags}
            # A tag is no activity: the conversation keeps its place in the lists, also among the ended ones of a day.
            self.append_event(
                "tags_changed", by=Author.from_user(by), at=at, metadata=metadata, is_activity=False
            )
        self.__dict__.pop("row_tags", None)  # read with the conversation
        return self.tag_names()

    def tag_names(self: Conversation) -> list[str]:
        return list(
            Tag.objects.filter(conversation_tags__conversation=self.pk)
            .in_order()
            .values_list("name", flat=True)
        )

    def tag_labels(self: Conversation) -> list[dict[str, str]]:
        """Name and colour of each tag; read from the annotation of `with_row_data` if there is one."""
        labels: list[dict[str, str]] | None = getattr(self, "row_tags", None)
        if labels is not None:
            return labels
        tags = Tag.objects.filter(conversation_tags__conversation=self.pk).in_order()
        return [{"name": tag.name, "color": tag.color} for tag in tags]


def may_make_tags(user: User) -> bool:
    return user.is_supervisor or not company_settings.get_value(company_settings.NEW_TAGS_BY_SUPERVISORS)


def _plain_names(names: Sequence[str]) -> dict[str, str]:
    """Each name as PostgreSQL compares it."""
    with connection.cursor() as cursor:
        cursor.execute("select name, relais_plain(name) from unnest(%s::text[]) as t(name)", [list(names)])
        return dict(cursor.fetchall())


def _find_or_make(wanted: Mapping[str, str], *, by: User) -> list[Tag]:
    """The tags of these names, by their plain names."""
    if not wanted:
        return []
    tags = Tag.objects.filter(plain_name__in=wanted)
    missing = sorted(set(wanted) - {tag.plain_name for tag in tags})
    if missing and not may_make_tags(by):
        raise NotAllowed(
            _("L'étiquette « %(tag)s » n'existe pas. Seul un superviseur peut en créer.")
            % {"tag": wanted[missing[0]]}
        )
    # In the order of the plain names, so that two people who make the same tags never deadlock.
    for number, plain_name in enumerate(missing, start=Tag.objects.count() if missing else 0):
        color = TagColor.values[number % len(TagColor.values)]
        Tag.objects.bulk_create([Tag(name=wanted[plain_name], color=color)], ignore_conflicts=True)
    # Locked, so that none is deleted before this change is committed.
    return list(tags.order_by("pk").select_for_update(no_key=True))
