"""A Twilio double that behaves like the calls Relais makes, and a phone in the browser that plays the client.

It is not a general Twilio simulator, and nothing in it knows the desk: it meets the desk by signed HTTP only.
"""
