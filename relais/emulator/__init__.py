"""A test double of Twilio for the calls Relais makes, and phones in the browser that play the clients.

It is not a general Twilio simulator, and nothing in it knows the desk: both talk by signed HTTP only.
"""
