"""The connection to Twilio: hooks, the API client, the sender, the reconciliation with Twilio's log, media files.

It transports messages and decides nothing about a conversation; that is `conversations/`. Periodic polls are listed in
`relais/periodic_jobs.py`.
"""
