"""Store what Twilio lists: new templates, changed ones, and those that are gone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from relais.content_templates.content import parse_types, sent_type
from relais.content_templates.models import OWN_PREFIX, ContentTemplate, TemplateSync
from relais.text import fold, sanitize_for_postgres

FIELDS = (
    *("name", "language", "status", "category", "rejection_reason", "content_type", "content"),
    *("variables", "samples", "search_key"),
)


@dataclass(frozen=True)
class TemplateRecord:
    """A content as Twilio lists it."""

    content_sid: str
    friendly_name: str
    language: str
    types: Mapping[str, Any]
    variables: Mapping[str, Any] = field(default_factory=dict)
    approval: Mapping[str, Any] = field(default_factory=dict)


@transaction.atomic
def store_templates(records: Iterable[TemplateRecord], *, at: datetime) -> int:
    """All templates of the account, and no others. Returns how many. Idempotent; two at once do the same twice."""
    listed = {
        record.content_sid: _fields(record)
        for record in records
        if not record.friendly_name.startswith(OWN_PREFIX)
    }
    TemplateSync.record_success(at=at)  # Locks the row: two that store at the same time take turns.
    stored = {each.content_sid: each for each in ContentTemplate.objects.all()}
    new, changed = [], []
    for sid, fields in listed.items():
        template = stored.get(sid)
        if template is None:
            new.append(ContentTemplate(content_sid=sid, changed_at=at, **fields))
        elif template.removed_at or any(getattr(template, name) != value for name, value in fields.items()):
            for name, value in fields.items():
                setattr(template, name, value)
            template.changed_at, template.removed_at = at, None
            changed.append(template)
    ContentTemplate.objects.bulk_create(new)
    ContentTemplate.objects.bulk_update(changed, [*FIELDS, "changed_at", "removed_at"])
    ContentTemplate.objects.exclude(content_sid__in=listed).filter(removed_at=None).update(removed_at=at)
    return len(listed)


def _fields(record: TemplateRecord) -> dict[str, Any]:
    content = parse_types(_clean(record.types))
    approval = _clean(record.approval)
    name = sanitize_for_postgres(record.friendly_name) or str(approval.get("name") or record.content_sid)
    return {
        "name": name,
        "language": record.language,
        "status": str(approval.get("status") or "unsubmitted"),
        "category": str(approval.get("category") or ""),
        "rejection_reason": str(approval.get("rejection_reason") or ""),
        "content_type": sent_type(record.types),
        # As it is read back, with lists for tuples, so that an unchanged template compares equal.
        "content": json.loads(json.dumps(content.as_json())),
        "variables": content.variables,
        "samples": {str(name): str(value) for name, value in _clean(record.variables).items()},
        "search_key": fold(f"{name} {record.language} {content.text} {record.content_sid}"),
    }


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return sanitize_for_postgres(value)
    if isinstance(value, Mapping):
        return {sanitize_for_postgres(str(name)): _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value
