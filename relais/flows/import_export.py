"""`relais flow import` and `relais flow export`: flows from files, and published flows as text."""

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
from relais.flows.engine.values import storable_object
from relais.flows.import_limits import MAX_FLOW_NAME_CHARACTERS, is_flow_name
from relais.flows.models import Flow, NotStartedByMessages, Revision
from relais.flows.sids import is_flow_sid


class CannotImport(Exception):
    """The file cannot be imported; the message says why, and what to do."""


@dataclass(frozen=True)
class FlowFile:
    """A file with a valid flow."""

    path: str
    export: engine.Export
    flow: engine.Flow

    @classmethod
    def read(cls, path: str) -> FlowFile:
        try:
            export = engine.unwrap(Path(path).read_text(encoding="utf-8-sig"))
            flow_file = cls(path, export, engine.parse(export.definition))
        except OSError as error:
            raise CannotImport(f"There is no file {path} that could be read.") from error
        except UnicodeDecodeError as error:
            raise CannotImport(f"{path} is not text in UTF-8.") from error
        except engine.InvalidFlow as error:
            raise CannotImport(
                f"{path} cannot be run: {error.problems[0]} (relais flow check says all)."
            ) from error
        if storable_object(export.definition) != export.definition:
            raise CannotImport(f"{path} has a character or a number that cannot be stored: remove it.")
        return flow_file

    @property
    def sid(self) -> str:
        """The flow's SID at Twilio, if the file has one."""
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
    """Store the file as a new revision of its flow, and each of `subflows` (SID, file) as one of the flow of that SID.

    The revision of the flow itself comes first in the result. All or nothing is stored.
    """
    flow_file = FlowFile.read(file)
    _check_subflows(flow_file, subflows)
    flow = _get_or_create_flow(flow_file, name=name, sid=sid)
    if zone:
        Flow.objects.filter(pk=flow.pk).update(zone=_known_zone(zone))
    revision = _store_revision(flow, flow_file, publish=publish or answers, at=at)
    if answers:
        try:
            flow.answer_clients()
        except NotStartedByMessages as error:
            raise CannotImport(_not_started_message(flow_file)) from error
        audit.record("flow answers clients", actor=audit.COMMAND_ACTOR, flow=flow.pk)
    return [
        revision,
        *(
            _import_subflow(subflow_sid, path, publish=publish or answers, at=at)
            for subflow_sid, path in subflows
        ),
    ]


def published_text(name: str) -> str | None:
    """The published definition of a stored flow, as text; None if there is none of that name."""
    flow = Flow.objects.filter(name=name).first()
    revision = flow.published if flow else None
    return json.dumps(revision.definition, ensure_ascii=False, indent=2) if revision else None


# -- one file ---------------------------------------------------------------------------------------------


def _import_subflow(sid: str, path: str, *, publish: bool, at: datetime) -> Revision:
    flow_file = FlowFile.read(path)
    flow = _get_or_create_flow(flow_file, name="", sid=sid)
    return _store_revision(flow, flow_file, publish=publish, at=at)


def _store_revision(flow: Flow, flow_file: FlowFile, *, publish: bool, at: datetime) -> Revision:
    revision = flow.add_revision(dict(flow_file.export.definition), by="relais flow import", at=at)
    audit.record("flow imported", actor=audit.COMMAND_ACTOR, flow=flow.pk, revision=revision.pk)
    if publish:
        try:
            revision.publish(at=at)
        except NotStartedByMessages as error:
            raise CannotImport(_not_started_message(flow_file)) from error
        audit.record("flow published", actor=audit.COMMAND_ACTOR, flow=flow.pk, revision=revision.pk)
    return revision


def _get_or_create_flow(flow_file: FlowFile, *, name: str, sid: str) -> Flow:
    """The flow by the SID of the command or the file, else by name; a new one if there is none."""
    known_sid = sid or flow_file.sid
    by_sid = Flow.objects.filter(sid=known_sid).first() if known_sid else None
    flow_name = name or (by_sid.name if by_sid else flow_file.name)
    _check_name(flow_name)
    by_name = Flow.objects.filter(name=flow_name).first()
    if by_sid and by_sid != by_name:
        raise CannotImport(
            f"The flow “{by_sid.name}” has the SID {known_sid} already: give its name with --name, or another --sid."
        )
    if by_name is None:
        return Flow.objects.create(name=flow_name, **({"sid": known_sid} if known_sid else {}))
    if sid and by_name.sid != sid:
        by_name.sid = sid
        by_name.save(update_fields=["sid"])
        audit.record("flow SID changed", actor=audit.COMMAND_ACTOR, flow=by_name.pk)
    return by_name


def _check_name(name: str) -> None:
    if not is_flow_name(name):
        raise CannotImport(
            f"“{name[:100]}” is no name for a flow: "
            f"give a visible one of {MAX_FLOW_NAME_CHARACTERS} characters at most."
        )


def _check_subflows(flow_file: FlowFile, subflows: Sequence[tuple[str, str]]) -> None:
    sids = flow_file.flow.subflows()
    for sid, path in subflows:
        if sid not in sids:
            known = f"it runs {' and '.join(sorted(sids))}" if sids else "it runs none"
            raise CannotImport(
                f"{flow_file.path} does not run the flow {sid} that {path} is given for: {known}."
            )


def _not_started_message(flow_file: FlowFile) -> str:
    return (
        f"{flow_file.path} cannot answer clients: no message starts it (relais flow check says what does). "
        "Connect incomingMessage of its trigger."
    )


def _known_zone(zone: str) -> str:
    try:
        return ZoneInfo(zone).key
    except (ValueError, OSError, LookupError) as error:
        raise CannotImport(f"“{zone}” is no time zone known here (an example: Africa/Abidjan).") from error
