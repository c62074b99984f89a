"""Reconciliation with Twilio's message log: finds what the hooks lost, and catches up with it.

It only polls and repairs. Messages and statuses normally arrive through `inbound/`; a single send whose outcome is
unknown is resolved in `outbound/uncertain_sends.py`.

`log_polls.py` decides when and how far back to poll, `diff.py` compares one log with the database, `ingest.py` stores a
missing message of a client, `studio_messages.py` records one of a bot at Twilio, `status.py` reports how it is going.
"""
