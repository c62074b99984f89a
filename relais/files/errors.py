"""The refusals of this room: each sentence names the file, the limit and what to do."""

from __future__ import annotations

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from relais.action_errors import ActionRefused
from relais.files import channel_types
from relais.files.channel_types import MAX_FILES_PER_SEND
from relais.text import sanitize_for_postgres

MAX_SHOWN_NAME_CHARACTERS = 80


class FileRefused(ActionRefused):
    """A file that cannot be sent (HTTP 422). `code` is `media_type`, `media_too_large`, `media_empty`,
    `too_many_files`, `media_missing` or `media_unreachable`."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


def wrong_type(name: str) -> FileRefused:
    return FileRefused(
        "media_type",
        _(
            "« %(name)s » n'est pas accepté : WhatsApp prend des %(types)s. "
            "Convertissez ce fichier, par exemple en PDF, puis réessayez."
        )
        % {"name": shown_name(name), "types": channel_types.accepted_sentence()},
    )


def unreadable_picture(name: str) -> FileRefused:
    return FileRefused(
        "media_type",
        _("« %(name)s » n'est pas accepté : cette photo ne se lit pas. Prenez-la de nouveau, puis réessayez.")
        % {"name": shown_name(name)},
    )


def unplayable_video(name: str) -> FileRefused:
    return FileRefused(
        "media_type",
        _(
            "« %(name)s » n'est pas accepté : WhatsApp lit les vidéos en H.264 avec un son AAC, et celle-ci est dans "
            "un autre format, souvent HEVC (H.265). Convertissez-la en MP4 H.264, ou réglez l'appareil photo sur "
            "« Le plus compatible » et filmez de nouveau."
        )
        % {"name": shown_name(name)},
    )


def unreadable_recording(name: str) -> FileRefused:
    return FileRefused(
        "media_type",
        _("« %(name)s » n'est pas accepté : cet enregistrement ne se lit pas. Enregistrez-le de nouveau.")
        % {"name": shown_name(name)},
    )


def too_large(name: str, max_bytes: int) -> FileRefused:
    return FileRefused(
        "media_too_large",
        _(
            "« %(name)s » n'est pas accepté : il dépasse %(limit)s, la limite de WhatsApp. "
            "Allégez-le ou coupez-le, puis réessayez."
        )
        % {"name": shown_name(name), "limit": filesizeformat(max_bytes)},
    )


def too_many_pixels(name: str, megapixels: int) -> FileRefused:
    return FileRefused(
        "media_too_large",
        _(
            "« %(name)s » n'est pas acceptée : elle dépasse %(limit)s millions de pixels. "
            "Réduisez cette photo, puis réessayez."
        )
        % {"name": shown_name(name), "limit": megapixels},
    )


def empty(name: str) -> FileRefused:
    return FileRefused(
        "media_empty",
        _("« %(name)s » n'est pas accepté : ce fichier est vide. Choisissez-le de nouveau.")
        % {"name": shown_name(name)},
    )


def too_many_files() -> FileRefused:
    return FileRefused(
        "too_many_files",
        _("%(most)s fichiers au plus par envoi. Envoyez-les en plusieurs fois.")
        % {"most": MAX_FILES_PER_SEND},
    )


def missing() -> FileRefused:
    return FileRefused("media_missing", _("Ce fichier n'est plus conservé. Choisissez-le de nouveau."))


def unreachable() -> FileRefused:
    return FileRefused(
        "media_unreachable",
        _(
            "Aucun fichier ne peut partir : Twilio n'atteint pas l'adresse publique de Relais (PUBLIC_BASE_URL). "
            "Prévenez un administrateur."
        ),
    )


def shown_name(name: str) -> str:
    return sanitize_for_postgres(name)[:MAX_SHOWN_NAME_CHARACTERS]
