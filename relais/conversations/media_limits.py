"""The limits of media: size, number in a message; and the errors after which a download is not retried."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

MAX_MEDIA_MEGABYTES = 16
"""WhatsApp's own limit, as Twilio passes it on."""
MAX_MEDIA_PER_MESSAGE = 10
MEDIA_GIVEN_UP = "given up"
"""The error of media whose download was refused, or not answered, for a day."""
MEDIA_NOT_OURS, MEDIA_TOO_LARGE, MEDIA_DELETED = "not ours", "too large", "deleted"
PERMANENT_MEDIA_ERRORS = {
    MEDIA_NOT_OURS: _("Son adresse n'est pas celle de notre compte Twilio."),
    MEDIA_TOO_LARGE: _("Elle dépasse %(megabytes)s Mo."),
    MEDIA_DELETED: _("Elle a été supprimée chez Twilio."),
}
"""Errors that no retry would change, and what the person reads."""
