"""Flows that come from files and go to files, by the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from django.db import transaction

from relais.accounts import audit
from relais.flows import engine
from relais.flows.engine.values import plain_object
from relais.flows.models import Flow, NotStartedByMessages, Revision
from relais.flows.sids import is_flow_sid
from relais.text import has_visible_characters

MAX_NAME_CHARACTERS = 80


class CannotImport(Exception):
    """One sentence: what is wrong with the file, what to do."""


@dataclass(frozen=True)
class FlowFile:
    """A file with a flow that can be run."""

    path: str
    export: engine.Export
    flow: engine.Flow

    @classmethod
    def read(cls, path: str) -> FlowFile:
        try:
            export = engine.unwrap(Path(path).read_text(encoding="utf-8-sig"))
            given = cls(path, export, engine.parse(export.definition))
        except OSError as error:
            raise CannotImport(f"There is no file {path} that could be read.") from error
        except UnicodeDecodeError as error:
            raise CannotImport(f"{path} is not text in UTF-8.") from error
        except engine.BadFlow as error:
            raise CannotImport(
                f"{path} cannot be run: {error.problems[0]} (relais flow check says all)."
            ) from error
        if plain_object(export.definition) != export.definition:
            raise CannotImport(f"{path} has a character or a number that cannot be stored: remove it.")
        return given

    @property
    def sid(self) -> str:
        """The flow's own at Twilio, where the file tells it."""
        return self.export.sid if is_flow_sid(self.export.sid) else ""

    @property
    def name(self) -> str:
        return self.export.friendly_name or Path(self.path).stem


@transaction.atomic
def import_file(
    file: str,
    *,
    name: str,
    publish: bool,
    answers: bool,
    at: datetime,
    zone: str = "",
    sid: str = "",
    subflows: Sequence[tuple[str, str]] = (),
) -> list[Revision]:
    """Keep the file as a new revision of its flow, and each of `subflows`, as SID and file, of the flow of that SID.

    The flow itself comes first in the answer. Nothing is kept when one of them cannot be.
    """
    given = FlowFile.read(file)
    _check_subflows(given, subflows)
    flow = _flow_of(given, name=name, sid=sid)
    if zone:
        Flow.objects.filter(pk=flow.pk).update(zone=_known_zone(zone))
    revision = _kept(flow, given, publish=publish or answers, at=at)
    if answers:
        try:
            flow.answer_clients()
        except NotStartedByMessages as error:
            raise CannotImport(_nobody_starts(given)) from error
        audit.record("flow answers clients", actor=audit.COMMAND, flow=flow.pk)
    return [
        revision,
        *(_kept_below(below, path, publish=publish or answers, at=at) for below, path in subflows),
    ]


def published_text(name: str) -> str | None:
    """The published definition of a flow kept here, as text; None when there is none of that name."""
    flow = Flow.objects.filter(name=name).first()
    revision = flow.published if flow else None
    return json.dumps(revision.definition, ensure_ascii=False, indent=2) if revision else None


# -- one file ---------------------------------------------------------------------------------------------


def _kept_below(sid: str, path: str, *, publish: bool, at: datetime) -> Revision:
    given = FlowFile.read(path)
    return _kept(_flow_of(given, name="", sid=sid), given, publish=publish, at=at)


def _kept(flow: Flow, given: FlowFile, *, publish: bool, at: datetime) -> Revision:
    revision = flow.add_revision(dict(given.export.definition), by="relais flow import", at=at)
    audit.record("flow imported", actor=audit.COMMAND, flow=flow.pk, revision=revision.pk)
    if publish:
        try:
            revision.publish(at=at)
        except NotStartedByMessages as error:
            raise CannotImport(_nobody_starts(given)) from error
        audit.record("flow published", actor=audit.COMMAND, flow=flow.pk, revision=revision.pk)
    return revision


def _flow_of(given: FlowFile, *, name: str, sid: str) -> Flow:
    """By the SID that the command or the file tells, else by name; made when there is none."""
    told = sid or given.sid
    by_sid = Flow.objects.filter(sid=told).first() if told else None
    wanted = name or (by_sid.name if by_sid else given.name)
    _check_name(wanted)
    by_name = Flow.objects.filter(name=wanted).first()
    if by_sid and by_sid != by_name:
        raise CannotImport(
            f"The flow “{by_sid.name}” has the SID {told} already: give its name with --name, or another --sid."
        )
    if by_name is None:
        return Flow.objects.create(name=wanted, **({"sid": told} if told else {}))
    if sid and by_name.sid != sid:
        by_name.sid = sid
        by_name.save(update_fields=["sid"])
        audit.record("flow SID changed", actor=audit.COMMAND, flow=by_name.pk)
    return by_name


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME_CHARACTERS or "\x00" in name or not has_visible_characters(name):
        raise CannotImport(
            f"“{name[:100]}” is no name for a flow: give a visible one of {MAX_NAME_CHARACTERS} characters at most."
        )


def _check_subflows(given: FlowFile, subflows: Sequence[tuple[str, str]]) -> None:
    run = given.flow.subflows()
    for sid, path in subflows:
        if sid not in run:
            known = f"it runs {' and '.join(sorted(run))}" if run else "it runs none"
            raise CannotImport(f"{given.path} does not run the flow {sid} that {path} is given for: {known}.")


def _nobody_starts(given: FlowFile) -> str:
    return (
        f"{given.path} cannot answer clients: no message starts it (relais flow check says what does). "
        "Connect incomingMessage of its trigger."
    )


def _known_zone(zone: str) -> str:
    try:
        return ZoneInfo(zone).key
    except (ValueError, OSError, LookupError) as error:
        raise CannotImport(f"“{zone}” is no time zone known here (an example: Africa/Abidjan).") from error
