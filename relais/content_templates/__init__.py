"""The account's WhatsApp templates: a copy of Twilio's Content API, what each shows, and which may be sent.

It calls nobody and sends nothing: `whatsapp` synchronises it, and `conversations` sends what it renders.
"""
