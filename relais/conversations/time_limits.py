"""Leases, back-off and other durations of conversations and their outbox."""

from __future__ import annotations

from datetime import timedelta

CLAIM_LEASE = timedelta(seconds=30)
"""How long a claimed delivery is left to the process that claimed it before it becomes uncertain."""
UNCERTAIN_HOLD = timedelta(minutes=2)
"""How long an uncertain message holds back the next ones of its conversation."""
MAX_RETRY_DELAY = timedelta(minutes=5)
"""The longest back-off before a message that certainly did not leave is tried again."""
FIRST_LOOKUP_DELAY = timedelta(seconds=5)
"""How long Twilio's log is not yet asked about an uncertain message: a status callback is usually faster."""
WAITING_TEXT_INTERVAL = timedelta(minutes=10)
"""At most one waiting text of a conversation is due in this time (see `waiting_text.sql`)."""
