"""Limits of notes."""

from datetime import timedelta

MAX_NOTE_CHARACTERS = 4_000
EDITABLE_FOR = timedelta(minutes=10)
"""How long after writing a note its author may edit or delete it."""
