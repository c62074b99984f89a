"""Who may edit and delete a note, and who reads the text of a deleted one. Anyone within reach may write one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from relais.accounts.models import User
from relais.notes.errors import NoLongerEditable, NotTheAuthor

if TYPE_CHECKING:
    from relais.notes.models import Note


def may_edit(note: Note, user: User, *, at: datetime) -> bool:
    return note.author_id == user.pk and not note.is_deleted and at < note.editable_until


def require_editable(note: Note, user: User, *, at: datetime) -> None:
    """Raises NotTheAuthor or NoLongerEditable; a deleted note is for the verb to judge."""
    if note.author_id != user.pk:
        raise NotTheAuthor
    if at >= note.editable_until:
        raise NoLongerEditable


def may_read_history(note: Note, user: User) -> bool:
    """The earlier texts of a note; those of a deleted one are for supervisors."""
    return not note.is_deleted or user.is_supervisor
