"""The tables of internal notes, and their verbs: write, edit, remove, mark mentions as read."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy

from relais.accounts.models import User
from relais.notes.conversation_revision import lock_conversation, notify_changed, raise_rev
from relais.notes.errors import EmptyNote, NoteDeleted, NoteTooLong
from relais.notes.limits import EDITABLE_FOR, MAX_NOTE_CHARACTERS
from relais.notes.mentions import find_mentions
from relais.notes.permissions import require_editable
from relais.notes.signals import colleagues_mentioned
from relais.text import has_visible_characters

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object


class NoteQuerySet(models.QuerySet["Note"]):
    def visible_to(self, user: User) -> NoteQuerySet:
        return self.filter(conversation__in=user.reachable_conversations())

    def after_events(self, first_seq: int, *, before_seq: int | None) -> NoteQuerySet:
        """Those written after the event `first_seq` or a later one, but not after `before_seq`."""
        notes = self.filter(after_seq__gte=first_seq)
        return notes if before_seq is None else notes.filter(after_seq__lt=before_seq)


class Note(models.Model):
    not_found_sentence = gettext_lazy("Cette note n'existe pas, ou n'est pas à votre portée.")

    # Named by a string, since this room imports nothing of conversations.
    conversation: Any = models.ForeignKey(
        "conversations.Conversation", on_delete=models.PROTECT, related_name="notes", db_index=False
    )
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="notes")
    author_name = models.TextField()
    """As it was, so that a deleted user leaves a readable history."""
    body = models.TextField()
    """Empty once the note is deleted: its text is only in the trace then."""
    ref = models.CharField(max_length=64, null=True)
    """The idempotency key of its author: a repeated request is answered like the first."""
    after_seq = models.IntegerField()
    """Its place in the history: after the event with this `seq`, and after earlier notes there."""
    rev = models.BigIntegerField()
    """The conversation's `rev` when the note was written or last changed."""
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)

    objects = NoteQuerySet.as_manager()

    class Meta(TypedModelMeta):
        db_table = "notes"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["conversation", "author", "ref"],
                condition=Q(ref__isnull=False),
                name="a_note_ref_is_stored_once",
            ),
            models.UniqueConstraint(fields=["conversation", "rev"], name="note_rev_is_unique"),
            models.CheckConstraint(
                condition=Q(deleted_at=None) | Q(body=""), name="a_deleted_note_has_no_text"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["conversation", "after_seq", "id"], name="notes_by_place")]

    def __str__(self) -> str:
        return f"note {self.pk}"

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    @property
    def editable_until(self) -> datetime:
        return self.created_at + EDITABLE_FOR

    @classmethod
    def write(
        cls, conversation: Any, body: str, *, author: User, at: datetime, ref: str | None = None
    ) -> Note:
        """Add a note to a conversation in whatever state. A `ref` that its author used before gives that note."""
        if note := cls._written_before(conversation, author, ref):
            return note
        body = clean_body(body)
        with transaction.atomic():
            lock_conversation(conversation.pk)
            if note := cls._written_before(conversation, author, ref):
                return note
            seq, rev = raise_rev(conversation.pk)
            note = cls.objects.create(
                conversation_id=conversation.pk,
                author=author,
                author_name=str(author),
                body=body,
                ref=ref,
                after_seq=seq,
                rev=rev,
                created_at=at,
            )
            note._store_mentions(conversation, by=author, at=at)
        return note

    @classmethod
    def _written_before(cls, conversation: Any, author: User, ref: str | None) -> Note | None:
        if ref is None:
            return None
        return cls.objects.filter(conversation=conversation.pk, author=author, ref=ref).first()

    @transaction.atomic
    def edit(self, body: str, *, by: User, at: datetime) -> None:
        """Replace the text; the earlier one is kept in the trace."""
        self._lock()
        require_editable(self, by, at=at)
        if self.is_deleted:
            raise NoteDeleted
        body = clean_body(body)
        if body != self.body:
            self._record_revision(NoteRevision.Action.EDITED, by=by, at=at)
            self._update(body=body, edited_at=at)
            self._store_mentions(self.conversation, by=by, at=at)

    @transaction.atomic
    def remove(self, *, by: User, at: datetime) -> None:
        """Delete the text; a line in the history stays, and the text is kept in the trace. Idempotent."""
        self._lock()
        if self.is_deleted and self.author_id == by.pk:
            return
        require_editable(self, by, at=at)
        self._record_revision(NoteRevision.Action.DELETED, by=by, at=at)
        self._update(body="", deleted_at=at)
        self.mentions.all().delete()

    def _lock(self) -> None:
        """First the conversation's row, as everywhere; then read what the note is now."""
        lock_conversation(self.conversation_id)
        self.refresh_from_db()

    def _record_revision(self, action: str, *, by: User, at: datetime) -> None:
        self.revisions.create(action=action, body=self.body, by=by, by_name=str(by), at=at)

    def _update(self, **fields: Any) -> None:
        _seq, rev = raise_rev(self.conversation_id)
        Note.objects.filter(pk=self.pk).update(rev=rev, **fields)
        self.refresh_from_db()

    def _store_mentions(self, conversation: Any, *, by: User, at: datetime) -> None:
        """Make the stored mentions those of the text, and report the new ones."""
        # Without a query where the text has no mention, as in most notes.
        colleagues = colleagues_for(conversation, by) if "@" in self.body else ()
        found = {mention.user.pk: mention for mention in find_mentions(self.body, colleagues)}
        self.mentions.exclude(user__in=found.keys()).delete()
        known = set(self.mentions.values_list("user", flat=True))
        new = [mention for pk, mention in found.items() if pk not in known]
        for mention in new:
            self.mentions.create(user=mention.user, name=mention.name, created_at=at)
        if new:
            users = [mention.user for mention in new]
            colleagues_mentioned.send(Note, note=self, users=users, by=by, at=at)


class NoteRevision(models.Model):
    """The trace of a note: a row for each edit and for its deletion, with the text before it."""

    class Action(models.TextChoices):
        EDITED = "edited"
        DELETED = "deleted"

    note = models.ForeignKey(Note, on_delete=models.PROTECT, related_name="revisions")
    action = models.CharField(max_length=8, choices=Action.choices)
    body = models.TextField()
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    by_name = models.TextField()
    at = models.DateTimeField()

    class Meta(TypedModelMeta):
        db_table = "note_revisions"
        ordering = ("id",)
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(action__in=["edited", "deleted"]), name="note_revision_action_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.note_id}"


class NoteMentionQuerySet(models.QuerySet["NoteMention"]):
    def within_reach_of(self, user: User) -> NoteMentionQuerySet:
        """The user's own mentions, except in conversations that he can no longer see."""
        return self.filter(user=user, note__conversation__in=user.reachable_conversations())

    def unread(self) -> NoteMentionQuerySet:
        return self.filter(read_at=None)


class NoteMention(models.Model):
    note = models.ForeignKey(Note, on_delete=models.CASCADE, related_name="mentions", db_index=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="note_mentions", db_index=False)
    name = models.TextField()
    """As it is written in the note, after the `@`."""
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    objects = NoteMentionQuerySet.as_manager()

    class Meta(TypedModelMeta):
        db_table = "note_mentions"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["note", "user"], name="one_mention_per_note_and_user"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="mentions_of_user"),
            models.Index(fields=["user"], condition=Q(read_at=None), name="unread_mentions"),
        ]

    def __str__(self) -> str:
        return f"mention of {self.user_id} in {self.note_id}"


def has_unread_mentions(conversation_id: int, user: User) -> bool:
    return NoteMention.objects.unread().filter(user=user, note__conversation=conversation_id).exists()


def mark_mentions_read(conversation_id: int, user: User, *, at: datetime) -> bool:
    """The user has opened the conversation. Whether there was an unread mention."""
    mentions = NoteMention.objects.unread().filter(user=user, note__conversation=conversation_id)
    if not mentions.update(read_at=at):
        return False
    notify_changed(conversation_id)
    return True


def colleagues_for(conversation: Any, user: User) -> Iterable[User]:
    """Whom `user` can mention: everyone else who may see the conversation."""
    return User.objects.reaching_team(conversation.team_id).exclude(pk=user.pk)


def clean_body(text: str) -> str:
    """The text as it is stored. Raises EmptyNote or NoteTooLong."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()
    if not has_visible_characters(text):
        raise EmptyNote
    if len(text) > MAX_NOTE_CHARACTERS:
        raise NoteTooLong
    return text
