"""Inbound HTTP: the webhooks that Twilio, Studio and programs of the company call, from authentication to response.

It is not where messages are stored (`conversations.inbound`), nor where anything is sent (`whatsapp.outbound`).
"""
