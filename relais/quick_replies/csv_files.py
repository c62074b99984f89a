"""Quick replies as CSV: what an export writes, and what an import would do, line by line, before it does it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from relais.accounts.models import Team, User
from relais.action_errors import ActionRefused, InvalidField
from relais.quick_replies.models import QuickReply, QuickReplyQuerySet, clean_fields
from relais.quick_replies.permissions import ScopeTarget, may_edit
from relais.quick_replies.scopes import Scope
from relais.text import fold
from relais.web.csv_text import (
    BYTE_ORDER_MARK,
    DELIMITER,
    decode_text,
    find_delimiter,
    guard_formula,
    unguard_formula,
)

MAX_FILE_BYTES = 1_000_000
MAX_ROWS = 2_000
COLUMNS = ("raccourci", "titre", "texte", "partage", "équipe")
FILES_COLUMN = "fichiers"
"""Names only, and only in exports in which a reply has files: a CSV carries no files, and an import changes none."""
CHOICES_COLUMN = "choix"
"""Titles only, and only in exports in which a reply has choices; an import changes none."""
_COLUMN_OF_HEADER = {
    **dict.fromkeys(("raccourci", "shortcut"), "shortcut"),
    **dict.fromkeys(("titre", "title"), "title"),
    **dict.fromkeys(("texte", "text", "message"), "text"),
    **dict.fromkeys(("partage", "portee", "scope"), "scope"),
    **dict.fromkeys(("equipe", "team"), "team"),
    **dict.fromkeys(("fichiers", "files"), "files"),
    **dict.fromkeys(("choix", "choices"), "choices"),
}
_SCOPE_WORDS = {Scope.MINE: "moi", Scope.TEAM: "équipe", Scope.ALL: "tous"}
_SCOPE_OF_WORD = {
    **dict.fromkeys(("", "moi", "moi seul", "mine", "me"), Scope.MINE),
    **dict.fromkeys(("equipe", "team"), Scope.TEAM),
    **dict.fromkeys(("tous", "tout le monde", "all", "everyone"), Scope.ALL),
}


class UnreadableFile(ActionRefused):
    """The file as a whole cannot be imported."""

    code = "file"


class ImportAction(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    REFUSE = "refuse"


@dataclass(frozen=True)
class ImportRow:
    """What the import does with one line of the file."""

    line: int
    action: ImportAction
    shortcut: str
    title: str = ""
    text: str = ""
    target: ScopeTarget | None = None
    problem: str = ""
    reply: QuickReply | None = None
    """The existing one, if it is updated."""
    remark: str = ""
    """What the import leaves out."""


# -- writing ----------------------------------------------------------------------------------------------


def write_csv(replies: QuickReplyQuerySet) -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=DELIMITER, lineterminator="\r\n")
    rows: list[Any] = list(replies.with_files())
    has_files = any(reply.file_values for reply in rows)
    has_choices = any(reply.choices for reply in rows)
    columns = [*COLUMNS, *([FILES_COLUMN] if has_files else []), *([CHOICES_COLUMN] if has_choices else [])]
    writer.writerow(columns)
    for reply in rows:
        team = str(reply.team) if reply.team else ""
        cells = [reply.shortcut, reply.title, reply.text, _SCOPE_WORDS[Scope(reply.scope)], team]
        if has_files:
            cells.append(", ".join(each["name"] for each in reply.file_values))
        if has_choices:
            cells.append(", ".join(reply.choice_titles))
        writer.writerow([guard_formula(cell) for cell in cells])
    return BYTE_ORDER_MARK + file.getvalue()


# -- reading ----------------------------------------------------------------------------------------------


def decode(content: bytes) -> str:
    """UTF-8, UTF-16 with its mark, else Windows-1252, as a French Excel saves. Raises UnreadableFile."""
    if len(content) > MAX_FILE_BYTES:
        raise UnreadableFile(_("Ce fichier dépasse 1 Mo. Importez-le en plusieurs fois."))
    text = decode_text(content)
    if text is not None:
        return text
    raise UnreadableFile(_("Ce fichier ne se lit pas comme un texte. Enregistrez-le en CSV."))


def plan_import(text: str, *, by: User) -> list[ImportRow]:
    """What an import would do; changes nothing. Raises UnreadableFile."""
    rows: list[ImportRow] = []
    planned: dict[tuple[str, str], int] = {}
    for line, cells in _read_rows(text):
        row = _plan_row(line, cells, by)
        if row.target is not None and row.action is not ImportAction.REFUSE:
            key = (row.target.key, fold(row.shortcut))
            if key in planned:
                row = _refused(line, row.shortcut, _same_shortcut(planned[key]))
            planned.setdefault(key, line)
        rows.append(row)
    if not rows:
        raise UnreadableFile(_("Ce fichier n'a aucune réponse sous sa ligne de titres."))
    return rows


def _read_rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The line number and the cells by column, without empty lines."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=find_delimiter(text))
    try:
        columns = _columns(next(reader, []))
        start = reader.line_num + 1
        for number, cells in enumerate(reader, start=1):
            line, start = start, reader.line_num + 1
            if number > MAX_ROWS:
                raise UnreadableFile(
                    _("Ce fichier a plus de %(most)s lignes. Importez-le en plusieurs fois.")
                    % {"most": MAX_ROWS}
                )
            if any(cell.strip() for cell in cells):
                values = (unguard_formula(cell) for cell in cells)
                yield line, dict(zip(columns, values, strict=False))
    except csv.Error:
        raise UnreadableFile(_("Ce fichier n'est pas un CSV. Vérifiez les guillemets.")) from None


def _columns(header: Sequence[str]) -> list[str]:
    columns = [_COLUMN_OF_HEADER.get(fold(title.strip()), "") for title in header]
    if not {"shortcut", "text"} <= set(columns):
        raise UnreadableFile(
            _(
                "La première ligne nomme les colonnes : %(columns)s. « raccourci » et « texte » sont nécessaires."
            )
            % {"columns": ", ".join(COLUMNS)}
        )
    return columns


def _plan_row(line: int, cells: dict[str, str], user: User) -> ImportRow:
    shortcut = cells.get("shortcut", "").strip()
    try:
        target = _target(cells, user)
        existing = QuickReply.find(target, user, shortcut).first()
        files = existing.outgoing_files() if existing else ()
        texts = clean_fields(
            shortcut=shortcut,
            title=cells.get("title", ""),
            text=cells.get("text", ""),
            files=files,
            choices=existing.saved_choices if existing else None,
        )
    except ActionRefused as refusal:
        return _refused(line, shortcut, str(refusal))
    team_id = target.team.pk if target.team else None
    if not may_edit(user, target.scope, owner_id=user.pk, team_id=team_id):
        return _refused(line, shortcut, _("Vous ne pouvez pas partager avec ces personnes."))
    row = {name: texts[name] for name in ("shortcut", "title", "text")}
    if existing is None:
        action = ImportAction.CREATE
    elif all(getattr(existing, name) == value for name, value in row.items()):
        action = ImportAction.UNCHANGED
    else:
        action = ImportAction.UPDATE
    left_out = [
        "" if files else _omitted_files(cells.get("files", "").strip()),
        "" if existing and existing.choices else _omitted_choices(cells.get("choices", "").strip()),
    ]
    remark = " ".join(sentence for sentence in left_out if sentence)
    return ImportRow(line, action, **row, target=target, reply=existing, remark=remark)


def _omitted_files(names: str) -> str:
    if not names:
        return ""
    return _("Sans ses fichiers (%(names)s) : un CSV n'en porte pas. Joignez-les sur sa page.") % {
        "names": names
    }


def _omitted_choices(titles: str) -> str:
    if not titles:
        return ""
    return _("Sans ses choix (%(titles)s) : écrivez-les sur sa page.") % {"titles": titles}


def _target(cells: dict[str, str], user: User) -> ScopeTarget:
    word, team_name = fold(cells.get("scope", "").strip()), cells.get("team", "").strip()
    scope = _SCOPE_OF_WORD.get(word)
    if scope is None:
        raise InvalidField("scope", _("Le partage est « moi », « équipe » ou « tous »."))
    if scope != Scope.TEAM:
        return ScopeTarget(scope)
    team = Team.objects.filter(name__iexact=team_name).first() if team_name else user.team
    if team is None:
        raise InvalidField("scope", _("Cette équipe n'existe pas."))
    return ScopeTarget(scope, team)


def _refused(line: int, shortcut: str, problem: str) -> ImportRow:
    return ImportRow(line, ImportAction.REFUSE, shortcut, problem=problem)


def _same_shortcut(line: int) -> str:
    return _("Même raccourci que la ligne %(line)s.") % {"line": line}


# -- importing --------------------------------------------------------------------------------------------


def import_replies(text: str, *, by: User, at: datetime) -> list[ImportRow]:
    """Import what can be imported, and say what happened to each line. Raises UnreadableFile."""
    with transaction.atomic():
        return [_import_row(row, by=by, at=at) for row in plan_import(text, by=by)]


def _import_row(row: ImportRow, *, by: User, at: datetime) -> ImportRow:
    fields: dict[str, Any] = {"shortcut": row.shortcut, "title": row.title, "text": row.text}
    try:
        with transaction.atomic():
            if row.target and row.action is ImportAction.CREATE:
                QuickReply.create(by=by, target=row.target, **fields, at=at)
            elif row.target and row.reply and row.action is ImportAction.UPDATE:
                row.reply.change(by=by, target=row.target, **fields, at=at)
    except ActionRefused as refusal:  # someone else made or removed it meanwhile
        return _refused(row.line, row.shortcut, str(refusal))
    return row
