"""Internal notes: what colleagues write to each other beside a conversation, with edits, trace and @mentions.

Nothing here can reach a client: no import path leads from this room to conversations, whatsapp or flows.
"""
