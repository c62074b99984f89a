"""What the other rooms may want to know of a user."""

from django.dispatch import Signal

user_deactivated = Signal()
"""A user was deactivated, inside the transaction that did it. Arguments: `user`, `by` (User or None), `at`."""
