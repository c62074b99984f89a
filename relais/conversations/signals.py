"""Signals for higher rooms, about what is no event of the history. Receivers run in the transaction."""

from django.dispatch import Signal

delivery_failed = Signal()
"""Sent with `delivery` when a message has failed for good, or was withheld when it should have left."""
