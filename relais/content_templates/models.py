from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext

from relais.content_templates.content import Content
from relais.content_templates.states import TemplateStatus, category_label, status_advice, status_label
from relais.text import fold

MAX_QUERY_WORDS = 8
OWN_PREFIX = "relais_"
"""Names of contents that Relais creates itself, such as the choices of a question: no templates to pick."""


class ContentTemplateQuerySet(models.QuerySet["ContentTemplate"]):
    def listed(self) -> ContentTemplateQuerySet:
        """Those that the account has now, approved ones first, by name."""
        rank = models.Case(models.When(status=TemplateStatus.APPROVED, then=0), default=1)
        return self.filter(removed_at=None).order_by(rank, "name", "language", "pk")

    def approved(self) -> ContentTemplateQuerySet:
        return self.filter(removed_at=None, status=TemplateStatus.APPROVED)

    def matching(self, query: str) -> ContentTemplateQuerySet:
        """Every word of the query in name, text or state; without regard to case and accents."""
        found = self
        for word in fold(query).split()[:MAX_QUERY_WORDS]:
            states = [status for status, label in TemplateStatus.choices if word in fold(str(label))]
            found = found.filter(Q(search_key__contains=word) | Q(status__in=states))
        return found


class ContentTemplate(models.Model):
    """A copy of a content of the account. One that was removed there is kept, to read the history."""

    content_sid = models.TextField(unique=True)
    name = models.TextField()
    language = models.TextField()
    status = models.TextField()
    category = models.TextField(blank=True, default="")
    rejection_reason = models.TextField(blank=True, default="")
    content_type = models.TextField()
    content = models.JSONField(default=dict)
    """A `Content` with its placeholders."""
    variables = ArrayField(models.TextField(), default=list)
    samples = models.JSONField(default=dict)
    """The values that were submitted as examples. Twilio also uses them as defaults."""
    search_key = models.TextField(default="")
    changed_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    objects = ContentTemplateQuerySet.as_manager()

    class Meta:
        db_table = "content_templates"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(content_sid__regex=r"^HX[0-9a-fA-F]{32}$"), name="content_sid_is_one"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def parsed(self) -> Content:
        return Content.from_json(self.content)

    @property
    def body(self) -> str:
        return self.parsed.text

    @property
    def status_label(self) -> str:
        return status_label(self.status)

    @property
    def status_advice(self) -> str:
        return status_advice(self.status)

    @property
    def category_label(self) -> str:
        return category_label(self.category)

    @property
    def is_approved(self) -> bool:
        return self.status == TemplateStatus.APPROVED and self.removed_at is None


class TemplateSync(models.Model):
    """When the templates were read last, and what went wrong since. One row."""

    SINGLETON_ID = 1

    attempted_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="")
    """A French sentence, translated where it is shown; empty after a success."""

    class Meta:
        db_table = "content_template_sync"
        constraints: ClassVar = [models.CheckConstraint(condition=Q(pk=1), name="one_content_template_sync")]

    @classmethod
    def current(cls) -> TemplateSync:
        return cls.objects.filter(pk=cls.SINGLETON_ID).first() or cls(pk=cls.SINGLETON_ID)

    @classmethod
    def record_success(cls, *, at: datetime) -> None:
        values: dict[str, Any] = {"attempted_at": at, "succeeded_at": at, "error": ""}
        cls.objects.update_or_create(pk=cls.SINGLETON_ID, defaults=values)

    @classmethod
    def record_failure(cls, error: str, *, at: datetime) -> None:
        cls.objects.update_or_create(pk=cls.SINGLETON_ID, defaults={"attempted_at": at, "error": error})

    @property
    def error_sentence(self) -> str:
        return gettext(self.error) if self.error else ""
