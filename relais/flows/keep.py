"""Flows that come from files and go to files, by the command line."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from django.db import transaction

from relais.accounts import audit
from relais.flows import engine
from relais.flows.models import Flow, Revision


class CannotImport(Exception):
    """One sentence: what is wrong with the file, what to do."""


def import_file(
    file: str, *, name: str, publish: bool, answers: bool, at: datetime, zone: str = ""
) -> Revision:
    """Keep the file as a new revision of the flow of that name, which is made when there is none."""
    try:
        definition = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise CannotImport(f"There is no file {file} that could be read.") from error
    except ValueError as error:
        raise CannotImport(f"{file} is not JSON: give a flow as Studio exports it.") from error
    try:
        engine.parse(definition)
    except engine.BadFlow as error:
        raise CannotImport(
            f"{file} cannot be run: {error.problems[0]} (relais flow check says all)."
        ) from error
    with transaction.atomic():
        flow, _made = Flow.objects.get_or_create(name=name or Path(file).stem)
        if zone:
            Flow.objects.filter(pk=flow.pk).update(zone=_known_zone(zone))
        revision = flow.add_revision(definition, by="relais flow import", at=at)
        audit.record("flow imported", actor=audit.COMMAND, flow=flow.pk, revision=revision.pk)
        if publish or answers:
            revision.publish(at=at)
            audit.record("flow published", actor=audit.COMMAND, flow=flow.pk, revision=revision.pk)
        if answers:
            flow.answer_clients()
            audit.record("flow answers clients", actor=audit.COMMAND, flow=flow.pk)
    return revision


def published_text(name: str) -> str | None:
    """The published definition of a flow kept here, as text; None when there is none of that name."""
    flow = Flow.objects.filter(name=name).first()
    revision = flow.published if flow else None
    return json.dumps(revision.definition, ensure_ascii=False, indent=2) if revision else None


def _known_zone(zone: str) -> str:
    try:
        return ZoneInfo(zone).key
    except (ValueError, OSError, LookupError) as error:
        raise CannotImport(f"“{zone}” is no time zone known here (an example: Africa/Abidjan).") from error
