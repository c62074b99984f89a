"""The heart: conversations, what happened in them, who holds them, and what is said outward.

It does not know Twilio: messages reach it through `receive`, and leave it as deliveries that a sender claims.
"""
