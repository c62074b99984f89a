"""Tags: coloured labels of conversations, shared by the whole company. Their tables, and what supervisors do with them.

Adding them to a conversation is in `tagging.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.apps import apps
from django.db import IntegrityError, models, transaction
from django.db.models import Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from relais.accounts import audit
from relais.accounts.models import User
from relais.action_errors import InvalidField, NotAllowed
from relais.clients.search import UnaccentLower
from relais.conversations.querysets import ConversationQuerySet
from relais.text import has_visible_characters, sanitize_for_postgres

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta

else:
    TypedModelMeta = object

MAX_TAG_CHARACTERS = 40


class TagColor(models.TextChoices):
    """The palette; `tags.css` has the colours, readable in both themes."""

    BLUE = "blue", gettext_lazy("Bleu")
    GREEN = "green", gettext_lazy("Vert")
    AMBER = "amber", gettext_lazy("Ambre")
    RED = "red", gettext_lazy("Rouge")
    PURPLE = "purple", gettext_lazy("Violet")
    TEAL = "teal", gettext_lazy("Turquoise")
    PINK = "pink", gettext_lazy("Rose")
    GREY = "grey", gettext_lazy("Gris")


class TagQuerySet(models.QuerySet["Tag"]):
    def named(self, name: str) -> TagQuerySet:
        """The one of this name; accents and case do not matter."""
        return self.filter(plain_name=UnaccentLower(Value(name)))

    def in_order(self) -> TagQuerySet:
        return self.order_by("plain_name")

    def with_numbers(self) -> TagQuerySet:
        """Annotated with the number of conversations that have the tag."""
        return self.annotate(conversation_count=models.Count("conversation_tags"))


class Tag(models.Model):
    not_found_sentence = gettext_lazy("Cette étiquette n'existe pas.")

    name = models.CharField(max_length=MAX_TAG_CHARACTERS)
    plain_name = models.GeneratedField(
        expression=UnaccentLower("name"), output_field=models.TextField(), db_persist=True
    )
    """Without accents and in lower case: it identifies the tag."""
    color = models.CharField(max_length=8, choices=TagColor.choices, db_default=TagColor.GREY.value)
    created_at = models.DateTimeField(db_default=Now())

    objects = TagQuerySet.as_manager()

    class Meta(TypedModelMeta):
        db_table = "tags"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["plain_name"], name="tag_name_is_unique"),
            models.CheckConstraint(condition=Q(color__in=TagColor.values), name="tag_color_is_known"),
        ]

    def __str__(self) -> str:
        return self.name

    def edit(self, *, name: str, color: str, by: User) -> None:
        """Rename and recolour it, everywhere it is shown."""
        _check_may_manage(by)
        if color not in TagColor.values:
            raise InvalidField("color", _("Choisissez une couleur de la liste."))
        self.name, self.color = clean_tag_name(name), color
        try:
            with transaction.atomic():
                self.save(update_fields=["name", "color"])
        except IntegrityError as error:
            raise InvalidField(
                "name_taken", _("Une autre étiquette porte déjà ce nom. Fusionnez-les plutôt.")
            ) from error
        audit.record("tag changed", actor=by.pk, tag=self.pk)
        _conversations().raise_revs(self.open_conversation_ids())

    def merge_into(self, other: Tag, *, by: User) -> None:
        """Give its conversations the other tag, and delete it."""
        _check_may_manage(by)
        if other.pk == self.pk:
            raise InvalidField("into", _("Choisissez une autre étiquette."))
        open_ids, merged = self.open_conversation_ids(), self.pk
        with transaction.atomic():
            # In id order, so that two merges never deadlock; a change of tags locks them, too.
            list(Tag.objects.select_for_update(no_key=True).filter(pk__in=[self.pk, other.pk]).order_by("pk"))
            conversations = self.conversation_tags.values_list("conversation_id", flat=True)
            rows = (
                other.conversation_tags.model(conversation_id=pk, tag=other) for pk in list(conversations)
            )
            other.conversation_tags.bulk_create(rows, batch_size=1_000, ignore_conflicts=True)
            self._delete_rows()
            audit.record("tag merged", actor=by.pk, tag=merged, into=other.pk)
        _conversations().raise_revs(open_ids)

    def remove(self, *, by: User) -> None:
        """Delete it, and take it from its conversations. Their histories keep its name."""
        _check_may_manage(by)
        open_ids, removed = self.open_conversation_ids(), self.pk
        with transaction.atomic():
            Tag.objects.select_for_update(no_key=True).filter(pk=self.pk).exists()
            self._delete_rows()
            audit.record("tag deleted", actor=by.pk, tag=removed)
        _conversations().raise_revs(open_ids)

    def _delete_rows(self) -> None:
        self.conversation_tags.all().delete()
        self.delete()

    def open_conversation_ids(self) -> list[int]:
        """The conversations on the lists, in id order."""
        tagged = self.conversation_tags.filter(conversation__status__in=["active", "transferred"])
        return list(tagged.order_by("conversation_id").values_list("conversation_id", flat=True))


def clean_tag_name(name: str) -> str:
    """The name as it is stored: trimmed, and inner white space as one space. Raises InvalidField."""
    cleaned = " ".join(sanitize_for_postgres(name).split())
    if not has_visible_characters(cleaned):
        raise InvalidField("empty_tag", _("Donnez un nom à l'étiquette."))
    if len(cleaned) > MAX_TAG_CHARACTERS:
        raise InvalidField(
            "tag_too_long",
            _("Le nom d'une étiquette a au plus %(most)s caractères.") % {"most": MAX_TAG_CHARACTERS},
        )
    return cleaned


def _check_may_manage(by: User) -> None:
    if not by.is_supervisor:
        raise NotAllowed(_("Seul un superviseur peut modifier les étiquettes."))


def _conversations() -> ConversationQuerySet:
    return apps.get_model("conversations", "Conversation").objects.all()
