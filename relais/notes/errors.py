"""The expected refusals of this room. `str()` is a sentence for the person who tried."""

from __future__ import annotations

from django.utils.translation import gettext as _

from relais.action_errors import ActionRefused, InvalidField, NotAllowed
from relais.notes.limits import EDITABLE_FOR, MAX_NOTE_CHARACTERS


class EmptyNote(InvalidField):
    def __init__(self) -> None:
        super().__init__("empty", _("La note est vide."))


class NoteTooLong(InvalidField):
    def __init__(self) -> None:
        sentence = _("La note dépasse %(longest)s caractères. Coupez-la en plusieurs notes.")
        super().__init__("too_long", sentence % {"longest": MAX_NOTE_CHARACTERS})


class NotTheAuthor(NotAllowed):
    def __init__(self) -> None:
        super().__init__(_("Seul son auteur modifie ou supprime une note."))


class NoLongerEditable(NotAllowed):
    code = "too_late"

    def __init__(self) -> None:
        minutes = EDITABLE_FOR.seconds // 60
        super().__init__(
            _("Une note ne change plus après %(minutes)s minutes. Ajoutez-en une autre.")
            % {"minutes": minutes}
        )


class NoteDeleted(ActionRefused):
    code = "deleted"
    http_status = 409

    def __init__(self) -> None:
        super().__init__(_("Cette note a été supprimée."))
