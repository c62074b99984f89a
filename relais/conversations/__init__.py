"""The heart: conversations, their event log, who holds them, and the messages sent to clients.

It does not know Twilio: messages enter by `inbound.ingest`, and leave as deliveries that a sender claims.
"""
