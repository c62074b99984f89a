"""Signals about notes that other rooms connect to."""

from django.dispatch import Signal

colleagues_mentioned = Signal()
"""Sent inside the transaction that mentions these users in a note. Arguments: `note`, `users`, `by`, `at`."""
