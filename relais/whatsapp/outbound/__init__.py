"""Sends the outbox to Twilio, and resolves sends whose outcome is unknown.

It does not decide which message may be sent: `conversations/outbox.py` claims under the conversation's lock and keeps
the rate limit, and all states of a delivery are in `conversations/delivery_states.py`.

`sender.py` polls and claims, `send_attempt.py` makes one call and stores its outcome, `uncertain_sends.py` looks up
unknown outcomes in Twilio's log.
"""
