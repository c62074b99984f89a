"""Signals about users that other rooms connect to."""

from django.dispatch import Signal

user_deactivated = Signal()
"""Sent inside the transaction that deactivates a user. Arguments: `user`, `by` (User or None), `at`."""
