"""For how long sending and closing can be undone."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

DEFAULT_UNDO_SECONDS = 5
UNDO_CHOICES = [
    (0, _("Jamais : envoyer aussitôt")),
    (5, _("Pendant 5 secondes")),
    (10, _("Pendant 10 secondes")),
]
MAX_UNDO_HOLD = timedelta(seconds=60)
"""A row held longer than this was held before the clock was set back: it is sent at once."""
UNDO_GRACE = timedelta(seconds=5)
"""How long after the hold an undo of a closing is still accepted, for a click at the last moment on a slow line."""
